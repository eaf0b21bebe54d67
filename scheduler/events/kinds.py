"""The messages about events: reminders, and notices of new, moved and cancelled ones."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.outbox.port import Kind, Owed, Reader
from bot.storage import Tx
from bot.texts import N_, Button, Message, Translator
from bot.texts.actions import (
    RegisterForEvent,
    SendEventFile,
    ShowEvent,
    ShowEvents,
    ShowReminders,
    UnregisterFromEvent,
)
from bot.texts.message import Buttons
from scheduler.events.queries import view
from scheduler.events.values import EventView
from scheduler.reminders import REMINDER, follows_all, minutes_wanted

PUBLISHED_NOTICE = "event.published"
MOVED_NOTICE = "event.moved"
CANCELLED_NOTICE = "event.cancelled"

DETAILS = N_("Details")
REGISTER = N_("Register")
GIVE_UP = N_("I cannot come")
SETTINGS = N_("Reminder settings")


def event_kinds() -> list[Kind]:
    """All of them, to be handed to the sender."""
    return [
        Kind(REMINDER, "at_least_once", _reminder_wanted, _rendered("reminder", _reminder_buttons)),
        Kind(MOVED_NOTICE, "at_least_once", _move_stands, _rendered("moved", _moved_buttons)),
        Kind(CANCELLED_NOTICE, "at_least_once", _is_off, _rendered("cancelled", _off_buttons)),
        Kind(PUBLISHED_NOTICE, "at_most_once", _is_news, _rendered("published", _news_buttons)),
    ]


async def _reminder_wanted(tx: Tx, owed: Owed, now: datetime) -> bool:
    event = await _event(tx, owed)
    if event is None or not event.ahead(now):
        return False
    if event.starts_at.isoformat() != owed.payload["start"]:
        return False
    return owed.payload["minutes"] in await minutes_wanted(tx, owed.contact_id, event.id)


async def _move_stands(tx: Tx, owed: Owed, now: datetime) -> bool:
    """Whether this is the latest move, and still of interest."""
    event = await _event(tx, owed)
    if event is None or event.cancelled or event.revision != owed.payload["revision"]:
        return False
    return await _counts_on(tx, owed.contact_id, event)


async def _is_off(tx: Tx, owed: Owed, now: datetime) -> bool:
    event = await _event(tx, owed)
    return event is not None and event.cancelled and await _counts_on(tx, owed.contact_id, event)


async def _is_news(tx: Tx, owed: Owed, now: datetime) -> bool:
    event = await _event(tx, owed)
    return event is not None and event.ahead(now) and await follows_all(tx, owed.contact_id)


async def _event(tx: Tx, owed: Owed) -> EventView | None:
    return await view(tx, owed.payload["event"], owed.contact_id)


async def _counts_on(tx: Tx, contact_id: int, event: EventView) -> bool:
    return event.registered or bool(await minutes_wanted(tx, contact_id, event.id))


def _rendered(
    page: str, buttons: Callable[[EventView, Translator], Buttons]
) -> Callable[[Tx, Owed, Reader], Awaitable[Message | None]]:
    async def render(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
        event = await _event(tx, owed)
        if event is None:
            return None
        was = [datetime.fromisoformat(instant) for instant in owed.payload.get("was", ())]
        html = reader.say.page(f"events/{page}.html", event=event, was=was)
        return Message(html, buttons(event, reader.say))

    return render


def _reminder_buttons(event: EventView, say: Translator) -> Buttons:
    settings = Button(say.plain(SETTINGS), ShowReminders(event.id))
    if not event.registered:
        return (_details_and_register(event, say), (settings,))
    join = ((Button(say.plain("Join online"), url=event.online_url),),) if event.online_url else ()
    return (
        *join,
        (Button(say.plain(DETAILS), ShowEvent(event.id)), _give_up(event, say)),
        (settings,),
    )


def _moved_buttons(event: EventView, say: Translator) -> Buttons:
    file = Button(say.plain("Calendar file"), SendEventFile(event.id))
    if not event.registered:
        return (_details_and_register(event, say), (file,))
    return ((Button(say.plain(DETAILS), ShowEvent(event.id)), file), (_give_up(event, say),))


def _off_buttons(event: EventView, say: Translator) -> Buttons:
    remove = Button(say.plain("Remove from calendar"), SendEventFile(event.id))
    others = Button(say.plain("Other events"), ShowEvents(past=False))
    return ((remove, others),) if event.registered else ((others,),)


def _news_buttons(event: EventView, say: Translator) -> Buttons:
    return (
        _details_and_register(event, say),
        (Button(say.plain(SETTINGS), ShowReminders(None)),),
    )


def _details_and_register(event: EventView, say: Translator) -> tuple[Button, Button]:
    register = Button(say.plain(REGISTER), RegisterForEvent(event.id), style="primary")
    return register, Button(say.plain(DETAILS), ShowEvent(event.id))


def _give_up(event: EventView, say: Translator) -> Button:
    return Button(say.plain(GIVE_UP), UnregisterFromEvent(event.id, sure=False))
