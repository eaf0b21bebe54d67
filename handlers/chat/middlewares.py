"""What happens around every handler: who is it, in which language, how fast, and what if it fails."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiogram import BaseMiddleware, Bot
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, TelegramObject
from aiogram.types import Message as ChatMessage

from bot.channels.conversation import handling
from bot.clock import Clock
from bot.outbox.port import ChatRef
from bot.people.contacts import Contacts, Person
from bot.texts import Message, ReplyKeyboard, Texts, Translator
from handlers.chat.reply import Reply
from handlers.locale import guess_locale
from handlers.pace import Buckets

log = structlog.get_logger(__name__)

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class KnowThePerson(BaseMiddleware):
    """Puts `person`, `say`, `reply` and `update_id` into the handler's data; answers every press, and every failure."""

    def __init__(self, contacts: Contacts, texts: Texts) -> None:
        self._contacts = contacts
        self._texts = texts

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, ChatMessage | CallbackQuery)
        if event.from_user is None:
            return None
        bot: Bot = data["bot"]
        reply = Reply(bot, event)
        person = await self._contacts.meet(ChatRef(bot.id, reply.chat_id), guess_locale(event.from_user.language_code))
        say = self._texts.translator(person.locale, person.zone)
        this = handling.get()
        data.update(person=person, say=say, reply=reply, update_id=this.update_id if this else 0)
        try:
            return await handler(event, data)
        except Exception:
            await apologize(reply, say)
        finally:
            await reply.acknowledge()


class CommandsLeaveDialogs(BaseMiddleware):
    """A command typed in the middle of a dialog leaves it, or the next question would fall into the dialog's field.

    Runs inside `KnowThePerson`; /cancel says itself what it leaves.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        command = (getattr(event, "text", None) or "").partition(" ")[0].partition("@")[0]
        if command.startswith("/") and command != "/cancel" and data.get("raw_state") is not None:
            state: FSMContext = data["state"]
            await state.clear()
            data["raw_state"] = None
            reply: Reply = data["reply"]
            say: Translator = data["say"]
            await reply.send(Message(say("We leave what we were doing."), keyboard=ReplyKeyboard()))
        return await handler(event, data)


async def apologize(reply: Reply, say: Translator) -> None:
    """Tell the person that it went wrong, with a code that finds the trace in the log."""
    reference = secrets.token_hex(4)
    log.exception("handling failed", reference=reference)
    sorry = say(
        "Sorry, something went wrong on our side. Nothing you entered is lost; please try once more. "
        "If it happens again, quote this code to us: <code>{reference}</code>",
        reference=reference,
    )
    await reply.send(Message(sorry))


class Pace(BaseMiddleware):
    """Asks a chat that sends too much to slow down: once in words, then only under its buttons.

    Runs inside `KnowThePerson`. In the process only, as a lane is worked off by one replica.
    """

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._buckets = Buckets(clock, per_minute)

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        person: Person = data["person"]
        allowance = self._buckets.take(person.chat)
        if allowance.allowed:
            return await handler(event, data)
        reply: Reply = data["reply"]
        say: Translator = data["say"]
        if allowance.first_refusal or isinstance(event, CallbackQuery):
            await reply.toast(say.plain("That is a little fast for me. Please wait a moment and try again."))
        return None
