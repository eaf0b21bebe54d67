"""Which updates a handler takes."""

from typing import Any

from aiogram.filters import Filter
from aiogram.types import CallbackQuery

from bot.people.contacts import Person
from bot.texts import Action, decode


class Pressed(Filter):
    """A press of a button that says one of these actions; the handler gets it as `action`."""

    def __init__(self, *kinds: type[Action]) -> None:
        self._kinds = kinds

    async def __call__(self, press: CallbackQuery) -> dict[str, Any] | bool:
        action = decode(press.data)
        return {"action": action} if isinstance(action, self._kinds) else False


class Holds(Filter):
    """The person holds one of the roles; admins hold all."""

    def __init__(self, *roles: str) -> None:
        self._roles = roles

    async def __call__(self, _: Any, person: Person) -> bool:
        return any(person.may(role) for role in self._roles)
