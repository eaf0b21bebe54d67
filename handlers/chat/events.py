"""Forums and training: what is on, a seat, the calendar file, and reminders."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.people.contacts import Person
from bot.texts import Message, Translator
from bot.texts.actions import ShowEvent
from handlers.chat.filters import Pressed
from handlers.chat.reply import Reply
from handlers.services import Services


def setup() -> Router:
    router = Router(name="events")
    router.message.register(events_wanted, Command("events"))
    router.callback_query.register(event_pressed, Pressed(ShowEvent))
    return router


async def events_wanted(
    message: ChatMessage, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    events = await services.events.upcoming(person.contact_id)
    await reply.send(Message(say.page("happenings/manage.html", events=events)))


async def event_pressed(
    press: CallbackQuery,
    action: ShowEvent,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if not await open_event(str(action.event), services, person, say, reply):
        await reply.toast(say.plain("That event is no longer here."), alert=True)


async def open_event(
    event: str, services: Services, person: Person, say: Translator, reply: Reply
) -> bool:
    """Show the event of that number; False when it is none of ours."""
    if not (event.isascii() and event.isdecimal() and len(event) < 19):
        return False
    found = await services.events.detail(int(event), person.contact_id)
    if found is None:
        return False
    await reply.show(Message(say.page("happenings/manage.html", events=[found])))
    return True
