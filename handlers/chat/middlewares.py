"""What happens around every handler: who is it, in which language, how fast, and what if it fails."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiogram import BaseMiddleware, Bot
from aiogram.types import CallbackQuery, TelegramObject
from aiogram.types import Message as ChatMessage

from bot.channels.conversation import handling
from bot.clock import Clock
from bot.outbox.port import ChatRef
from bot.storage import is_outage
from bot.texts import Message, Translator, decode
from handlers.chat.commands import needs_own_menu, offer_commands
from handlers.chat.reply import Reply
from handlers.chat.talk import Talk
from handlers.locale import guess_locale
from handlers.pace import Buckets
from handlers.services import Services

log = structlog.get_logger(__name__)

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class KnowThePerson(BaseMiddleware):
    """Puts `talk` and, for a press, `action` into the handler's data.

    Answers every press, and every failure but an outage of the database: then the update is to be handled again.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, ChatMessage | CallbackQuery)
        if event.from_user is None:
            return None
        bot: Bot = data["bot"]
        texts = self._services.texts
        reply = Reply(bot, event)
        guessed = guess_locale(event.from_user.language_code)
        say = texts.translator(guessed)
        this = handling.get()
        result = None
        try:
            person = await self._services.contacts.meet(ChatRef(bot.id, reply.chat_id), guessed)
            say = texts.translator(person.locale, person.zone)
            data["talk"] = Talk(self._services, person, say, reply, data["state"], this.update_id if this else 0)
            if isinstance(event, CallbackQuery):
                data["action"] = decode(event.data)
            result = await handler(event, data)
            if person.is_new and needs_own_menu(person.locale):
                await offer_commands(bot, texts, reply.chat_id, person.locale, person.roles)
        except Exception as error:
            if is_outage(error):
                raise
            await _apologize(reply, say)
        await reply.acknowledge()
        return result


async def _apologize(reply: Reply, say: Translator) -> None:
    """Tell the person that it went wrong, with a code that finds the trace in the log."""
    reference = secrets.token_hex(4)
    log.exception("handling failed", reference=reference)
    await reply.send(sorry(say, reference))


def sorry(say: Translator, reference: str) -> Message:
    text = say(
        "Sorry, something went wrong on our side. Nothing you entered is lost; please try once more. "
        "If it happens again, quote this code to us: <code>{reference}</code>",
        reference=reference,
    )
    return Message(text)


class Pace(BaseMiddleware):
    """Asks a chat that sends too much to slow down: once in words, then only under its buttons.

    Runs inside `KnowThePerson`. In the process only, as a lane is worked off by one replica.
    """

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._buckets = Buckets(clock, per_minute)

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        talk: Talk = data["talk"]
        allowance = self._buckets.take(talk.person.chat)
        if allowance.allowed:
            return await handler(event, data)
        if allowance.first_refusal or isinstance(event, CallbackQuery):
            await talk.reply.toast(talk.say.plain("That is a little fast for me. Please wait a moment and try again."))
        return None
