"""Forums and training: what is on and what was, a seat, the calendar file, and reminders."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    Idle,
    RegisterForEvent,
    SendEventFile,
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
from handlers.chat.buttons import Page, label, main_menu, my_appointments
from handlers.chat.filters import Pressed
from handlers.chat.talk import Event, Talk
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
DAY, HOUR = 1440, 60


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
    router.callback_query.register(overview_wanted, Pressed(ShowReminderOverview))
    router.callback_query.register(stop_pressed, Pressed(StopReminders))
    router.callback_query.register(stop_all_pressed, Pressed(StopAllReminders))
    return router


# What is on, and what was


async def events_wanted(message: ChatMessage, talk: Talk) -> None:
    events = await talk.services.events.upcoming(talk.contact_id)
    await talk.reply.send(upcoming_message(events, 0, talk.now, talk.say))


async def list_pressed(press: CallbackQuery, action: ShowEvents, talk: Talk) -> None:
    if action.past:
        await talk.reply.show(past_message(await talk.services.events.past(), action.page, talk.say))
        return
    events = await talk.services.events.upcoming(talk.contact_id)
    await talk.reply.show(upcoming_message(events, action.page, talk.now, talk.say))


def upcoming_message(events: Sequence[EventView], page: int, now: datetime, say: Translator) -> Message:
    """A page of the events ahead, each with a button to its details."""
    shown = Page.of(events, page, UPCOMING_PAGE)
    details = ((Button(label(say.localized(event.title)), ShowEvent(event.id)),) for event in shown.items)
    follow = say.plain("My reminders") if events else say.plain("Tell me of new events")
    follow_action = ShowReminderOverview() if events else ShowReminders(None)
    return Message(
        say.page("events/upcoming.html", events=shown.items, now=now),
        (
            *details,
            shown.turning(partial(ShowEvents, False), say),
            (Button(say.plain("Past events"), ShowEvents(True)), Button(follow, follow_action)),
            (main_menu(say),),
        ),
    )


def past_message(events: Sequence[PastEvent], page: int, say: Translator) -> Message:
    """A page of what took place, newest first."""
    shown = Page.of(events, page, PAST_PAGE)
    details = (
        (Button(label(say.localized(event.title)), ShowEvent(event.event_id)),)
        for event in shown.items
        if event.event_id is not None
    )
    return Message(
        say.page("events/past.html", events=shown.items),
        (
            *details,
            shown.turning(partial(ShowEvents, True), say),
            (Button(say.plain("Coming events"), ShowEvents(False)),),
            (main_menu(say),),
        ),
    )


# One event


async def event_pressed(press: CallbackQuery, action: ShowEvent, talk: Talk) -> None:
    if not await open_event(action.event, talk):
        await _not_there(talk)


async def open_event(event_id: int, talk: Talk) -> bool:
    """Show an event; False when there is none of that id."""
    event = await talk.services.events.detail(event_id, talk.contact_id)
    if event is not None:
        await talk.reply.show(event_message(event, talk.now, talk.say))
    return event is not None


def event_message(event: EventView, now: datetime, say: Translator) -> Message:
    """Everything about one event, with what this person can do about it now."""
    html = say.page("events/event.html", event=event, now=now)
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


async def _not_there(talk: Talk) -> None:
    await talk.reply.toast(talk.say.plain("That event is no longer here. /events shows all."), alert=True)


# A seat


async def register_pressed(press: CallbackQuery, action: RegisterForEvent, talk: Talk) -> None:
    outcome = await talk.services.events.register(talk.contact_id, action.event)
    await _show_outcome(outcome, talk)


async def give_up_pressed(press: CallbackQuery, action: UnregisterFromEvent, talk: Talk) -> None:
    if action.sure:
        outcome = await talk.services.events.unregister(talk.contact_id, action.event)
        await _show_outcome(outcome, talk)
        return
    event = await talk.services.events.detail(action.event, talk.contact_id)
    if event is None:
        await _not_there(talk)
    elif event.registered and event.ahead(talk.now):
        await talk.reply.show(_give_up_message(event, talk.say))
    else:
        await talk.reply.show(event_message(event, talk.now, talk.say))


def _give_up_message(event: EventView, say: Translator) -> Message:
    yes = Button(say.plain("Yes, give it up"), UnregisterFromEvent(event.id, True), style="danger")
    no = Button(say.plain("No, I am coming"), ShowEvent(event.id))
    return Message(say.page("events/give_up.html", event=event), ((yes,), (no,)))


Outcome = Registered | AlreadyRegistered | Full | Unregistered | NotRegistered | Gone


async def _show_outcome(outcome: Outcome, talk: Talk) -> None:
    """The event as it stands now, and over it in a sentence what became of the request."""
    if outcome.event is None:
        await _not_there(talk)
        return
    now = talk.now
    await talk.reply.show(event_message(outcome.event, now, talk.say))
    refused = isinstance(outcome, Full | Gone)
    await talk.reply.toast(_told(outcome, outcome.event, now, talk.say), alert=refused)


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


async def file_pressed(press: CallbackQuery, action: SendEventFile, talk: Talk) -> None:
    event = await talk.services.events.detail(action.event, talk.contact_id)
    if event is None:
        await _not_there(talk)
    else:
        await talk.reply.send(_file_message(event, talk.say))


def _file_message(event: EventView, say: Translator) -> Message:
    organizer = say.plain("HKIPX · Hong Kong Intellectual Property Exchange")
    document = calendar_file(event, say, organizer)
    title = say.localized(event.title)
    if event.cancelled:
        text = say("Opening this takes “{title}” out of your calendar.", title=title)
        return Message(text, document=document)
    return Message(say("“{title}” for your calendar.", title=title), document=document)


# Reminders


async def overview_wanted(event: Event, talk: Talk) -> None:
    await _show_overview(talk)


async def _show_overview(talk: Talk) -> None:
    overview = await talk.services.reminders.overview(talk.contact_id)
    await talk.reply.show(overview_message(overview, talk.say))


async def choices_pressed(press: CallbackQuery, action: ShowReminders, talk: Talk) -> None:
    choices = await talk.services.reminders.choices(talk.contact_id, action.event)
    await _show_choices(action.event, choices, talk)


async def reminder_switched(press: CallbackQuery, action: ToggleReminder, talk: Talk) -> None:
    choices = await talk.services.reminders.toggle(talk.contact_id, action.event, action.minutes, action.on)
    await _show_choices(action.event, choices, talk)
    if any(choice.minutes == action.minutes and not choice.possible for choice in choices):
        await talk.reply.toast(talk.say.plain("That moment has passed: not possible any more."))


async def _show_choices(event_id: int | None, choices: Sequence[Choice], talk: Talk) -> None:
    if event_id is None:
        await talk.reply.show(_choices_message(None, choices, talk.say))
        return
    event = await talk.services.events.detail(event_id, talk.contact_id)
    if event is None:
        await _not_there(talk)
    elif choices:
        await talk.reply.show(_choices_message(event, choices, talk.say))
    else:
        now = talk.now
        await talk.reply.show(event_message(event, now, talk.say))
        await talk.reply.toast(_why_gone(event, now, talk.say), alert=True)


async def stop_pressed(press: CallbackQuery, action: StopReminders, talk: Talk) -> None:
    await talk.services.reminders.stop(talk.contact_id, action.event)
    await _show_overview(talk)
    await talk.reply.toast(talk.say.plain("Done: those reminders are stopped."))


async def stop_all_pressed(press: CallbackQuery, talk: Talk) -> None:
    await talk.services.reminders.stop_all(talk.contact_id)
    await _show_overview(talk)
    await talk.reply.toast(talk.say.plain("Done: no more reminders of events."))


def _choices_message(event: EventView | None, choices: Sequence[Choice], say: Translator) -> Message:
    """The switches of one event, or of all future ones (None)."""
    event_id = event.id if event else None
    switches = tuple((_switch(event_id, choice, say),) for choice in choices)
    stop = Button(say.plain("No reminders"), StopReminders(event_id))
    every = Button(say.plain("All future events"), ShowReminders(None))
    overview = Button(say.plain("My reminders"), ShowReminderOverview())
    return Message(
        say.page("events/choices.html", event=event),
        (
            *switches,
            (stop,) * any(choice.on for choice in choices),
            (Button(say.plain("The event"), ShowEvent(event.id)), every) if event else (),
            (overview,),
        ),
    )


def _switch(event_id: int | None, choice: Choice, say: Translator) -> Button:
    offset = offset_label(choice.minutes, say)
    if not choice.possible:
        return Button(say.plain("{offset}: not possible any more", offset=offset), Idle())
    switched = ToggleReminder(event_id, choice.minutes, not choice.on)
    return Button(f"✓ {offset}", switched, style="success") if choice.on else Button(offset, switched)


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
        "events/overview.html",
        every=_offsets(overview.all_future, say),
        followed=[(event, _offsets(event.minutes, say)) for event in shown],
        hidden=len(overview.events) - len(shown),
    )
    events = ((Button(label(say.localized(e.title)), ShowReminders(e.event_id)),) for e in shown)
    stop = Button(say.plain("Stop all of them"), StopAllReminders(), style="danger")
    return Message(
        html,
        (
            *events,
            (Button(say.plain("All future events"), ShowReminders(None)),),
            (stop,) * bool(overview.events or overview.all_future),
            (Button(say.plain("Forums and training"), ShowEvents(False)), my_appointments(say)),
        ),
    )


def _offsets(minutes: Sequence[int], say: Translator) -> str:
    return " · ".join(offset_label(each, say) for each in minutes)
