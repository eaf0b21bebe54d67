"""How dialogs end that nobody finishes: a command, a way elsewhere, or nobody came back for too long."""

from datetime import datetime, timedelta
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import Message as ChatMessage
from aiogram.types import TelegramObject

from bot.channels.state import ConversationStorage
from bot.texts import Message, ReplyKeyboard
from bot.texts.actions import AskExpert, Idle, Leave, PickLanguage, RateAnswer, TellMe
from handlers.chat.book import is_suggested_reply
from handlers.chat.desk import Writing
from handlers.chat.middlewares import Handler
from handlers.chat.talk import Talk
from handlers.chat.times import Zone

FORGOTTEN_AFTER = timedelta(minutes=30)
"""Whoever writes later than this after the last step has long forgotten what they were asked."""

BESIDE_THE_POINT = (AskExpert, Leave, RateAnswer, TellMe, PickLanguage, Idle)
"""What can be pressed while one writes a question to a person; every other button leads elsewhere."""

LIGHT_DIALOGS = (Writing.question.state, Zone.typed.state)
"""Those in which nothing was gathered yet that could be lost."""


async def leave(talk: Talk) -> bool:
    """Leave the dialog; whether a time that was kept for it is free again."""
    hold = (await talk.state.get_data()).get("hold")
    await talk.state.clear()
    appointments = talk.services.appointments
    if hold is None or await appointments.held(hold, talk.contact_id) is None:
        return False
    await appointments.drop(hold, talk.contact_id)
    return True


class CommandsLeaveDialogs(BaseMiddleware):
    """A command typed in the middle of a dialog leaves it, or the next question would fall into the dialog's field.

    Runs inside `KnowThePerson`; /cancel says itself what it leaves.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, ChatMessage)
        command = (event.text or event.caption or "").partition(" ")[0].partition("@")[0]
        if command.startswith("/") and command != "/cancel" and data.get("raw_state") is not None:
            talk: Talk = data["talk"]
            text = talk.say("We leave what we were doing.")
            if await leave(talk):
                text = talk.say("We leave what we were doing, and the time I kept for you is free again.")
            data["raw_state"] = None
            await talk.reply.send(Message(text, keyboard=ReplyKeyboard()))
        return await handler(event, data)


class ForgottenDialogs(BaseMiddleware):
    """What is written long after a dialog's last question, or once its hold is gone, is no answer to that question.

    Runs inside `KnowThePerson`. The age is reckoned to when the message was written, not to when it is handled.
    """

    def __init__(self, storage: ConversationStorage) -> None:
        self._storage = storage

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, ChatMessage)
        talk: Talk = data["talk"]
        text = event.text or ""
        if data.get("raw_state") is None or text.startswith("/") or not await self._is_over(event.date, talk):
            return await handler(event, data)
        await leave(talk)
        data["raw_state"] = None
        gone = talk.say("What we had begun is too long ago; we leave it.")
        await talk.reply.send(Message(gone, keyboard=ReplyKeyboard()))
        return None if is_suggested_reply(text, talk.services.texts) else await handler(event, data)

    async def _is_over(self, written_at: datetime, talk: Talk) -> bool:
        hold_id = (await talk.state.get_data()).get("hold")
        if hold_id is not None:
            hold = await talk.services.appointments.held(hold_id, talk.contact_id)
            if hold is None:
                return True
            if hold.expires_at > written_at:  # we told them that it is kept until then
                return False
        since = await self._storage.since(talk.state.key)
        return since is None or written_at - since > FORGOTTEN_AFTER


class LookingElsewhereLeaves(BaseMiddleware):
    """Whoever goes looking elsewhere no longer writes a question to a person. Runs inside `KnowThePerson`."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        if data.get("raw_state") in LIGHT_DIALOGS and not isinstance(data["action"], BESIDE_THE_POINT):
            talk: Talk = data["talk"]
            await talk.state.clear()
            data["raw_state"] = None
        return await handler(event, data)
