"""What every handler is given: one update of somebody, and all it takes to answer it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.people.contacts import Person
from bot.texts import LOCALES, Button, Message, Translator
from handlers.chat.buttons import cancel
from handlers.chat.reply import Reply
from handlers.services import Services

Event = ChatMessage | CallbackQuery
"""What can be both said as a command and pressed: `Reply.show` answers either."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Who said or pressed something, how to speak to them and answer, and what has been typed so far.

    `update_id` is the same when the update is handled again; 0 for one that came past the inbox.
    """

    services: Services
    person: Person
    say: Translator
    reply: Reply
    state: FSMContext
    update_id: int

    @property
    def contact_id(self) -> int:
        return self.person.contact_id

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    def in_language(self, locale: str | None) -> Self:
        """The same in another language; None, or one that nobody speaks here, changes nothing."""
        if locale is None or locale not in LOCALES:
            return self
        return replace(self, say=self.services.texts.translator(locale, self.say.zone))

    def in_zone(self, zone: str) -> Self:
        """The same with all times as in `zone`, an IANA name."""
        return replace(self, say=self.services.texts.translator(self.say.locale, zone))

    async def expect(self, step: State, /, **data: Any) -> None:
        """What is typed next belongs to this step of a dialog, which finds `data` in its state."""
        await self.state.set_state(step)
        await self.state.set_data(data)

    async def prompt(self, html: str, *choices: tuple[Button, ...]) -> None:
        """Ask for something to be typed, or pressed where there are rows of choices; with a way out."""
        await self.reply.send(Message(html, (*choices, (cancel(self.say),))))
