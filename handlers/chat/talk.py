"""What every step of the booking needs at hand, gathered once around its handlers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiogram import BaseMiddleware, Router
from aiogram.fsm.context import FSMContext
from aiogram.types import Message as ChatMessage
from aiogram.types import TelegramObject

from bot.people.contacts import Person
from bot.texts import Message, ReplyKeyboard, Translator
from handlers.chat.reply import Reply
from handlers.services import Services
from scheduler.appointments.service import Appointments


async def wordless(message: ChatMessage) -> bool:
    """A filter: a photo or a sticker, where a text is wanted."""
    return not message.text


@dataclass(frozen=True, slots=True)
class Talk:
    """One update of somebody's booking: who they are, how to speak to them, what has been typed so far."""

    services: Services
    person: Person
    say: Translator
    reply: Reply
    state: FSMContext

    @property
    def appointments(self) -> Appointments:
        return self.services.appointments

    @property
    def contact_id(self) -> int:
        return self.person.contact_id

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    def day_of(self, instant: datetime) -> date:
        """The date where the person is."""
        return instant.astimezone(ZoneInfo(self.say.zone)).date()

    async def leave_dialog(self) -> None:
        """Leave whatever was being typed, and take its suggested replies away."""
        if await self.state.get_state() is not None:
            await self.state.clear()
            await self.reply.send(Message(self.say("All right, we leave that there."), keyboard=ReplyKeyboard()))


class _Gather(BaseMiddleware):
    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        needed = {name: data[name] for name in ("services", "person", "say", "reply", "state")}
        return await handler(event, {**data, "talk": Talk(**needed)})


def give_talk(router: Router) -> None:
    """Handlers of the router, and of those inside it, can ask for `talk`."""
    gather = _Gather()
    router.message.middleware(gather)
    router.callback_query.middleware(gather)
