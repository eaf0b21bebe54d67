"""Which updates a handler takes.

All of them are coroutines: aiogram sends every other callable, its own `F` too, to a thread, which costs as much as a
statement.
"""

from typing import Any

from aiogram.filters import Filter
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import Action
from handlers.chat.talk import Talk


class InPrivate(Filter):
    """Said or pressed in a chat of the bot with one person."""

    async def __call__(self, event: ChatMessage | CallbackQuery) -> bool:
        message = event.message if isinstance(event, CallbackQuery) else event
        return message is not None and message.chat.type == "private"


class Typed(Filter):
    """Text that is no command."""

    async def __call__(self, message: ChatMessage) -> bool:
        return bool(message.text) and not str(message.text).startswith("/")


class NoText(Filter):
    """A sticker, a picture, a voice: nothing to read."""

    async def __call__(self, message: ChatMessage) -> bool:
        return not message.text


class Pressed(Filter):
    """A press of a button that says one of these actions. `KnowThePerson` has read which one, once for all filters."""

    def __init__(self, *kinds: type[Action]) -> None:
        self._kinds = kinds

    async def __call__(self, _: CallbackQuery, action: Action | None) -> bool:
        return isinstance(action, self._kinds)


class Holds(Filter):
    """The person holds one of the roles; admins hold all."""

    def __init__(self, *roles: str) -> None:
        self._roles = roles

    async def __call__(self, _: Any, talk: Talk) -> bool:
        return any(talk.person.may(role) for role in self._roles)
