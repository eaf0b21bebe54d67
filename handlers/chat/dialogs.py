"""How dialogs end that nobody finishes: a command, a way elsewhere, or nobody came back for too long."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiogram import BaseMiddleware
from aiogram.fsm.context import FSMContext
from aiogram.types import Message as ChatMessage
from aiogram.types import TelegramObject

from bot.channels.state import ConversationStorage
from bot.people.contacts import Person
from bot.texts import Message, ReplyKeyboard, Translator
from bot.texts.actions import AskExpert, Idle, Leave, PickLanguage, RateAnswer, TellMe
from handlers.chat.book import is_suggested_reply
from handlers.chat.desk import Writing
from handlers.chat.reply import Reply
from handlers.chat.times import Zone
from handlers.services import Services

FORGOTTEN_AFTER = timedelta(minutes=30)
"""Whoever writes later than this after the last step has long forgotten what they were asked."""

BESIDE_THE_POINT = (AskExpert, Leave, RateAnswer, TellMe, PickLanguage, Idle)
"""What can be pressed while one writes a question to a person; every other button leads elsewhere."""

LIGHT_DIALOGS = (Writing.question.state, Zone.typed.state)
"""Those in which nothing was gathered yet that could be lost."""

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


async def leave(state: FSMContext, person: Person, services: Services) -> bool:
    """Leave the dialog; whether a time that was kept for it is free again."""
    hold = (await state.get_data()).get("hold")
    await state.clear()
    if hold is None or await services.appointments.held(hold, person.contact_id) is None:
        return False
    await services.appointments.drop(hold, person.contact_id)
    return True


class CommandsLeaveDialogs(BaseMiddleware):
    """A command typed in the middle of a dialog leaves it, or the next question would fall into the dialog's field.

    Runs inside `KnowThePerson`; /cancel says itself what it leaves.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        command = (getattr(event, "text", None) or "").partition(" ")[0].partition("@")[0]
        if command.startswith("/") and command != "/cancel" and data.get("raw_state") is not None:
            say: Translator = data["say"]
            kept = await leave(data["state"], data["person"], data["services"])
            data["raw_state"] = None
            text = say("We leave what we were doing.")
            if kept:
                text = say("We leave what we were doing, and the time I kept for you is free again.")
            reply: Reply = data["reply"]
            await reply.send(Message(text, keyboard=ReplyKeyboard()))
        return await handler(event, data)


class ForgottenDialogs(BaseMiddleware):
    """What is written long after a dialog's last question, or once its hold is gone, is no answer to that question.

    Runs inside `KnowThePerson`. The age is reckoned to when the message was written, not to when it is handled.
    """

    def __init__(self, storage: ConversationStorage) -> None:
        self._storage = storage

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, ChatMessage)
        text = event.text or ""
        if data.get("raw_state") is None or text.startswith("/") or not await self._is_over(event, data):
            return await handler(event, data)
        services: Services = data["services"]
        await leave(data["state"], data["person"], services)
        data["raw_state"] = None
        reply: Reply = data["reply"]
        say: Translator = data["say"]
        await reply.send(Message(say("What we had begun is too long ago; we leave it."), keyboard=ReplyKeyboard()))
        return None if is_suggested_reply(text, services.texts) else await handler(event, data)

    async def _is_over(self, event: ChatMessage, data: dict[str, Any]) -> bool:
        state: FSMContext = data["state"]
        services: Services = data["services"]
        hold_id = (await state.get_data()).get("hold")
        if hold_id is not None:
            hold = await services.appointments.held(hold_id, data["person"].contact_id)
            if hold is None:
                return True
            if hold.expires_at > event.date:  # we told them that it is kept until then
                return False
        since = await self._storage.since(state.key)
        return since is None or event.date - since > FORGOTTEN_AFTER


class LookingElsewhereLeaves(BaseMiddleware):
    """Whoever goes looking elsewhere no longer writes a question to a person. Runs inside `KnowThePerson`."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        if data.get("raw_state") in LIGHT_DIALOGS and not isinstance(data["action"], BESIDE_THE_POINT):
            state: FSMContext = data["state"]
            await state.clear()
            data["raw_state"] = None
        return await handler(event, data)
