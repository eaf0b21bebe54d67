"""Forums and training: what is on and what was, a seat, the calendar file, and reminders."""

from collections.abc import Sequence
from datetime import datetime

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.people.contacts import Person
from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    GoHome,
    Idle,
    RegisterForEvent,
    SendEventFile,
    ShowAppointments,
    ShowEvent,
    ShowEvents,
    ShowReminderOverview,
    ShowReminders,
    StopAllReminders,
    StopReminders,
    ToggleReminder,
    UnregisterFromEvent,
)
from bot.texts.message import Buttons
from handlers.chat.filters import Pressed
from handlers.chat.reply import Reply, cut
from handlers.services import Services
from scheduler.events.files import calendar_file
from scheduler.events.values import (
    AlreadyRegistered,
    EventView,
    Full,
    Gone,
    NotRegistered,
    PastEvent,
    Registered,
    Unregistered,
)
from scheduler.reminders import Choice, Overview

UPCOMING_PAGE = 5
PAST_PAGE = 4
"""Events on one page: so many of the longest fit one message."""

FOLLOWED_SHOWN = 10
BUTTON_TEXT = 60
DAY, HOUR = 1440, 60
LONGEST_NUMBER = 18
"""Digits of an id; more would not fit the database's numbers."""


def setup() -> Router:
    router = Router(name="events")
    router.message.register(events_wanted, Command("events"))
    router.message.register(overview_wanted, Command("reminders"))
    router.callback_query.register(list_pressed, Pressed(ShowEvents))
    router.callback_query.register(event_pressed, Pressed(ShowEvent))
    router.callback_query.register(register_pressed, Pressed(RegisterForEvent))
    router.callback_query.register(give_up_pressed, Pressed(UnregisterFromEvent))
    router.callback_query.register(file_pressed, Pressed(SendEventFile))
    router.callback_query.register(choices_pressed, Pressed(ShowReminders))
    router.callback_query.register(reminder_switched, Pressed(ToggleReminder))
    router.callback_query.register(overview_pressed, Pressed(ShowReminderOverview))
    router.callback_query.register(stop_pressed, Pressed(StopReminders))
    router.callback_query.register(stop_all_pressed, Pressed(StopAllReminders))
    return router


# What is on, and what was


async def events_wanted(
    message: ChatMessage, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    events = await services.events.upcoming(person.contact_id)
    await reply.send(upcoming_message(events, 0, services.clock.now(), say))


async def list_pressed(
    press: CallbackQuery,
    action: ShowEvents,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if action.past:
        await reply.show(past_message(await services.events.past(), action.page, say))
        return
    events = await services.events.upcoming(person.contact_id)
    await reply.show(upcoming_message(events, action.page, services.clock.now(), say))


def upcoming_message(events: Sequence[EventView], page: int, now: datetime, say: Translator) -> Message:
    """A page of the events ahead, each with a button to its details."""
    page = _within(page, events, UPCOMING_PAGE)
    shown = events[page * UPCOMING_PAGE : (page + 1) * UPCOMING_PAGE]
    details = ((Button(cut(say.localized(event.title), BUTTON_TEXT), ShowEvent(event.id)),) for event in shown)
    follow = say.plain("My reminders") if events else say.plain("Tell me of new events")
    follow_action = ShowReminderOverview() if events else ShowReminders(None)
    return Message(
        say.page("happenings/upcoming.html", events=shown, now=now),
        (
            *details,
            _turn(False, page, len(events), UPCOMING_PAGE, say),
            (Button(say.plain("Past events"), ShowEvents(True)), Button(follow, follow_action)),
            (Button(say.plain("Main menu"), GoHome()),),
        ),
    )


def past_message(events: Sequence[PastEvent], page: int, say: Translator) -> Message:
    """A page of what took place, newest first."""
    page = _within(page, events, PAST_PAGE)
    shown = events[page * PAST_PAGE : (page + 1) * PAST_PAGE]
    details = (
        (Button(cut(say.localized(event.title), BUTTON_TEXT), ShowEvent(event.event_id)),)
        for event in shown
        if event.event_id is not None
    )
    return Message(
        say.page("happenings/past.html", events=shown),
        (
            *details,
            _turn(True, page, len(events), PAST_PAGE, say),
            (Button(say.plain("Coming events"), ShowEvents(False)),),
            (Button(say.plain("Main menu"), GoHome()),),
        ),
    )


def _within(page: int, items: Sequence[object], size: int) -> int:
    """The page, or the nearest there is: the list may be shorter than when the button was made."""
    return max(0, min(page, (len(items) - 1) // size))


def _turn(past: bool, page: int, total: int, size: int, say: Translator) -> tuple[Button, ...]:
    back = Button(say.plain("‹ Previous"), ShowEvents(past, page - 1))
    on = Button(say.plain("Next ›"), ShowEvents(past, page + 1))
    return (back,) * (page > 0) + (on,) * ((page + 1) * size < total)


# One event


async def event_pressed(
    press: CallbackQuery,
    action: ShowEvent,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if not await open_event(str(action.event), services, person, say, reply):
        await _not_there(say, reply)


async def open_event(event: str, services: Services, person: Person, say: Translator, reply: Reply) -> bool:
    """Show the event of that number; False when there is none."""
    if not (event.isascii() and event.isdecimal() and len(event) <= LONGEST_NUMBER):
        return False
    found = await services.events.detail(int(event), person.contact_id)
    if found is None:
        return False
    await reply.show(event_message(found, services.clock.now(), say))
    return True


def event_message(event: EventView, now: datetime, say: Translator) -> Message:
    """Everything about one event, with what this person can do about it now."""
    html = say.page("happenings/event.html", event=event, now=now)
    all_events = Button(say.plain("All events"), ShowEvents(False))
    return Message(html, (*_possible(event, now, say), (all_events,)))


def _possible(event: EventView, now: datetime, say: Translator) -> Buttons:
    if event.cancelled and event.registered:
        return ((Button(say.plain("Remove from calendar"), SendEventFile(event.id)),),)
    if event.cancelled or event.ends_at <= now:
        return ()
    join = ((Button(say.plain("Join online"), url=event.online_url),),) if event.online_url else ()
    file = Button(say.plain("Calendar file"), SendEventFile(event.id))
    if not event.ahead(now):
        return (*join, (file,))
    remind = Button(say.plain("Remind me"), ShowReminders(event.id))
    return (*join, *_seat(event, say), (remind, file))


def _seat(event: EventView, say: Translator) -> Buttons:
    if event.registered:
        return ((Button(say.plain("Give up my seat"), UnregisterFromEvent(event.id, False)),),)
    if event.full:
        return ()
    return ((Button(say.plain("Register"), RegisterForEvent(event.id), style="primary"),),)


async def _not_there(say: Translator, reply: Reply) -> None:
    await reply.toast(say.plain("That event is no longer here. /events shows all."), alert=True)


# A seat


async def register_pressed(
    press: CallbackQuery,
    action: RegisterForEvent,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    outcome = await services.events.register(person.contact_id, action.event)
    await _show_outcome(outcome, services, say, reply)


async def give_up_pressed(
    press: CallbackQuery,
    action: UnregisterFromEvent,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if action.sure:
        outcome = await services.events.unregister(person.contact_id, action.event)
        await _show_outcome(outcome, services, say, reply)
        return
    event = await services.events.detail(action.event, person.contact_id)
    if event is None:
        await _not_there(say, reply)
    elif event.registered and event.ahead(services.clock.now()):
        await reply.show(give_up_message(event, say))
    else:
        await reply.show(event_message(event, services.clock.now(), say))


def give_up_message(event: EventView, say: Translator) -> Message:
    yes = Button(say.plain("Yes, give it up"), UnregisterFromEvent(event.id, True), style="danger")
    no = Button(say.plain("No, I am coming"), ShowEvent(event.id))
    return Message(say.page("happenings/give_up.html", event=event), ((yes,), (no,)))


Outcome = Registered | AlreadyRegistered | Full | Unregistered | NotRegistered | Gone


async def _show_outcome(outcome: Outcome, services: Services, say: Translator, reply: Reply) -> None:
    """The event as it stands now, and over it in a sentence what became of the request."""
    if outcome.event is None:
        await _not_there(say, reply)
        return
    now = services.clock.now()
    await reply.show(event_message(outcome.event, now, say))
    refused = isinstance(outcome, Full | Gone)
    await reply.toast(_told(outcome, outcome.event, now, say), alert=refused)


def _told(outcome: Outcome, event: EventView, now: datetime, say: Translator) -> str:
    match outcome:
        case Registered(reminded=reminded):
            when = say.when(event.starts_at)
            if not reminded:
                return say.plain("You are registered: {when}. It is too close for a reminder.", when=when)
            return say.plain("You are registered: {when}. I remind you before.", when=when)
        case AlreadyRegistered():
            return say.plain("You are registered already; your seat is safe.")
        case Full():
            return say.plain("All seats are taken. One may come free: look in again later.")
        case Unregistered():
            return say.plain("Your seat is given back. Thank you for telling us.")
        case NotRegistered():
            return say.plain("You have no seat at this event.")
        case Gone():
            return _why_gone(event, now, say)


def _why_gone(event: EventView, now: datetime, say: Translator) -> str:
    if event.cancelled:
        return say.plain("This event has been cancelled.")
    if event.ends_at <= now:
        return say.plain("This event is over.")
    return say.plain("This event has begun; registration is closed.")


async def file_pressed(
    press: CallbackQuery,
    action: SendEventFile,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    event = await services.events.detail(action.event, person.contact_id)
    if event is None:
        await _not_there(say, reply)
    else:
        await reply.send(file_message(event, say))


def file_message(event: EventView, say: Translator) -> Message:
    organizer = say.plain("HKIPX · Hong Kong Intellectual Property Exchange")
    document = calendar_file(event, say, organizer)
    title = say.localized(event.title)
    if event.cancelled:
        text = say("Opening this takes “{title}” out of your calendar.", title=title)
        return Message(text, document=document)
    return Message(say("“{title}” for your calendar.", title=title), document=document)


# Reminders


async def overview_wanted(
    message: ChatMessage, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    overview = await services.reminders.overview(person.contact_id)
    await reply.send(overview_message(overview, say))


async def overview_pressed(
    press: CallbackQuery, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    overview = await services.reminders.overview(person.contact_id)
    await reply.show(overview_message(overview, say))


async def choices_pressed(
    press: CallbackQuery,
    action: ShowReminders,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    choices = await services.reminders.choices(person.contact_id, action.event)
    await _show_choices(action.event, choices, services, person, say, reply)


async def reminder_switched(
    press: CallbackQuery,
    action: ToggleReminder,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    choices = await services.reminders.toggle(person.contact_id, action.event, action.minutes, action.on)
    await _show_choices(action.event, choices, services, person, say, reply)
    if any(choice.minutes == action.minutes and not choice.possible for choice in choices):
        await reply.toast(say.plain("That moment has passed: not possible any more."))


async def _show_choices(
    event_id: int | None,
    choices: Sequence[Choice],
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if event_id is None:
        await reply.show(choices_message(None, choices, say))
        return
    event = await services.events.detail(event_id, person.contact_id)
    if event is None:
        await _not_there(say, reply)
    elif choices:
        await reply.show(choices_message(event, choices, say))
    else:
        now = services.clock.now()
        await reply.show(event_message(event, now, say))
        await reply.toast(_why_gone(event, now, say), alert=True)


async def stop_pressed(
    press: CallbackQuery,
    action: StopReminders,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    await services.reminders.stop(person.contact_id, action.event)
    await reply.show(overview_message(await services.reminders.overview(person.contact_id), say))
    await reply.toast(say.plain("Done: those reminders are stopped."))


async def stop_all_pressed(
    press: CallbackQuery, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await services.reminders.stop_all(person.contact_id)
    await reply.show(overview_message(await services.reminders.overview(person.contact_id), say))
    await reply.toast(say.plain("Done: no more reminders of events."))


def choices_message(event: EventView | None, choices: Sequence[Choice], say: Translator) -> Message:
    """The switches of one event, or of all future ones (None)."""
    event_id = event.id if event else None
    switches = tuple((_switch(event_id, choice, say),) for choice in choices)
    stop = Button(say.plain("No reminders"), StopReminders(event_id))
    every = Button(say.plain("All future events"), ShowReminders(None))
    overview = Button(say.plain("My reminders"), ShowReminderOverview())
    return Message(
        say.page("happenings/choices.html", event=event),
        (
            *switches,
            (stop,) * any(choice.on for choice in choices),
            (Button(say.plain("The event"), ShowEvent(event.id)), every) if event else (),
            (overview,),
        ),
    )


def _switch(event_id: int | None, choice: Choice, say: Translator) -> Button:
    label = offset_label(choice.minutes, say)
    if not choice.possible:
        return Button(say.plain("{offset}: not possible any more", offset=label), Idle())
    switched = ToggleReminder(event_id, choice.minutes, not choice.on)
    return Button(f"✓ {label}", switched, style="success") if choice.on else Button(label, switched)


def offset_label(minutes: int, say: Translator) -> str:
    """ "3 days before", in the largest unit that fits without rest."""
    if minutes % DAY == 0:
        days = minutes // DAY
        return say.plain("1 day before") if days == 1 else say.plain("{n} days before", n=days)
    if minutes % HOUR == 0:
        hours = minutes // HOUR
        return say.plain("1 hour before") if hours == 1 else say.plain("{n} hours before", n=hours)
    return say.plain("{n} minutes before", n=minutes)


def overview_message(overview: Overview, say: Translator) -> Message:
    shown = overview.events[:FOLLOWED_SHOWN]
    html = say.page(
        "happenings/overview.html",
        every=_offsets(overview.all_future, say),
        followed=[(event, _offsets(event.minutes, say)) for event in shown],
        hidden=len(overview.events) - len(shown),
    )
    events = ((Button(cut(say.localized(e.title), BUTTON_TEXT), ShowReminders(e.event_id)),) for e in shown)
    stop = Button(say.plain("Stop all of them"), StopAllReminders(), style="danger")
    return Message(
        html,
        (
            *events,
            (Button(say.plain("All future events"), ShowReminders(None)),),
            (stop,) * bool(overview.events or overview.all_future),
            (
                Button(say.plain("Forums and training"), ShowEvents(False)),
                Button(say.plain("My appointments"), ShowAppointments()),
            ),
        ),
    )


def _offsets(minutes: Sequence[int], say: Translator) -> str:
    return " · ".join(offset_label(each, say) for each in minutes)
