"""My appointments: the list, one of them, a new time for it, its end, its calendar file."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery

from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    CancelAppointment,
    MoveAppointment,
    MoveTo,
    SendCalendarFile,
    ShowAppointment,
    ShowAppointments,
    StartBooking,
)
from bot.texts.message import Buttons
from handlers.chat import times
from handlers.chat.buttons import book_expert, main_menu, my_appointments, show_appointment
from handlers.chat.filters import Pressed
from handlers.chat.talk import Event, Talk
from handlers.chat.times import Wish
from scheduler.appointments.kinds import page_values
from scheduler.appointments.values import (
    AlreadyCancelled,
    AppointmentView,
    Cancelled,
    Gone,
    Mine,
    Moved,
    Stale,
    Taken,
    topic_name,
)

LISTED = 15
"""Appointments of one sort in the list: an expert may have many."""


def setup() -> Router:
    router = Router(name="appointments")
    router.message.register(appointments_wanted, Command("appointments"))
    router.callback_query.register(appointments_wanted, Pressed(ShowAppointments))
    router.callback_query.register(appointment_pressed, Pressed(ShowAppointment))
    router.callback_query.register(move_wanted, Pressed(MoveAppointment))
    router.callback_query.register(moved, Pressed(MoveTo))
    router.callback_query.register(cancel_pressed, Pressed(CancelAppointment))
    router.callback_query.register(file_wanted, Pressed(SendCalendarFile))
    return router


# The list


async def appointments_wanted(event: Event, talk: Talk) -> None:
    await talk.reply.show(_list(await talk.services.appointments.mine(talk.contact_id), talk.say))


def _list(mine: Mine, say: Translator) -> Message:
    upcoming, as_expert = mine.upcoming[:LISTED], mine.as_expert[:LISTED]
    html = say.page(
        "booking/mine.html",
        upcoming=upcoming,
        as_expert=as_expert,
        recent=mine.recent,
        more=len(mine.upcoming) - len(upcoming) + len(mine.as_expert) - len(as_expert),
        topic_of=lambda view: topic_name(say, view.topic),
    )
    once = {view.id: view for view in (*upcoming, *as_expert, *mine.recent)}
    each = tuple((_open(view, say),) for view in once.values())
    return Message(html, (*each, (book_expert(say), main_menu(say))))


def _open(view: AppointmentView, say: Translator) -> Button:
    return Button(label(view, say), ShowAppointment(view.id))


def label(view: AppointmentView, say: Translator) -> str:
    """An appointment as it stands on a button."""
    return f"{say.stamp(view.start)} · {topic_name(say, view.topic)}"


# One of them


async def appointment_pressed(press: CallbackQuery, action: ShowAppointment, talk: Talk) -> None:
    view = await talk.services.appointments.view(action.appointment, talk.contact_id)
    if view is None:
        await _not_found(talk)
        return
    await talk.reply.show(detail(view, talk))


def detail(view: AppointmentView, talk: Talk) -> Message:
    say = talk.say
    html = say.page("appointments/appointment.html", **page_values(view, talk.contact_id, say))
    return Message(html, (*_choices(view, talk), _to_list(view, say)))


def _choices(view: AppointmentView, talk: Talk) -> Buttons:
    """What this side of the table can do with it now."""
    say = talk.say
    owner = view.role(talk.contact_id) == "owner"
    if not view.ahead(talk.now):
        again = Button(say.plain("Book a new time"), StartBooking(view.expert.id))
        return ((again,),) if owner else ()
    cancel = Button(say.plain("Cancel"), CancelAppointment(view.id, view.version, False), style="danger")
    move = (Button(say.plain("Move"), MoveAppointment(view.id)),) if owner else ()
    return ((*move, cancel), (Button(say.plain("Calendar file"), SendCalendarFile(view.id)),))


def _to_list(view: AppointmentView, say: Translator) -> tuple[Button, ...]:
    return (my_appointments(say, view.id),)


async def _not_found(talk: Talk) -> None:
    """Theirs no more, or never theirs: we do not say which."""
    await talk.reply.toast(
        talk.say.plain("I cannot find that appointment among yours. /appointments shows them."), True
    )


async def _as_it_is(view: AppointmentView | None, why: str, talk: Talk) -> None:
    """The present state instead of what the button promised."""
    if view is None:
        await _not_found(talk)
        return
    await talk.reply.show(detail(view, talk))
    await talk.reply.toast(why, alert=True)


def _why_closed(view: AppointmentView | None, say: Translator) -> str:
    if view is not None and view.status == "cancelled":
        return say.plain("This appointment was cancelled before.")
    return say.plain("This appointment has begun or is over; it can no longer be changed.")


def _changed(say: Translator) -> str:
    return say.plain("This appointment was changed in the meantime. This is how it stands now.")


# A new time


async def move_wanted(press: CallbackQuery, action: MoveAppointment, talk: Talk) -> None:
    view = await talk.services.appointments.view(action.appointment, talk.contact_id)
    if view is None or view.role(talk.contact_id) != "owner":
        await _not_found(talk)
    elif not view.ahead(talk.now):
        await _as_it_is(view, _why_closed(view, talk.say), talk)
    else:
        await times.show_first_month(Wish("", None, view.id, view.version), talk)


async def moved(press: CallbackQuery, action: MoveTo, talk: Talk) -> None:
    say = talk.say
    start = times.instant(action.start)
    if start is None:
        await _not_found(talk)
        return
    present = await talk.services.appointments.view(action.appointment, talk.contact_id)
    if present is not None and present.start == start and present.version == action.version:
        await _as_it_is(present, say.plain("That is the time it has already."), talk)
        return
    outcome = await talk.services.appointments.move(action.appointment, talk.contact_id, action.version, start)
    match outcome:
        case Moved(view):
            await talk.reply.show(_has_moved(view, say))
        case Taken():
            wish = Wish("", None, action.appointment, action.version)
            await talk.reply.show(times.taken_message(outcome, wish, say))
        case Stale(view):
            await _as_it_is(view, _changed(say), talk)
        case Gone(gone):
            await _as_it_is(gone, _why_closed(gone, say), talk)


def _has_moved(view: AppointmentView, say: Translator) -> Message:
    text = say(
        "<b>Moved</b>: your appointment is now {when}.\n\nThe new file for your calendar follows.",
        when=say.when(view.start, view.end),
    )
    return Message(text, ((show_appointment(view.id, say),), _to_list(view, say)))


# Its end


async def cancel_pressed(press: CallbackQuery, action: CancelAppointment, talk: Talk) -> None:
    say = talk.say
    if action.sure:
        await _cancel(action, talk)
        return
    view = await talk.services.appointments.view(action.appointment, talk.contact_id)
    if view is None or not view.ahead(talk.now):
        await _as_it_is(view, _why_closed(view, say), talk)
    elif view.version != action.version:
        await _as_it_is(view, _changed(say), talk)
    else:
        await talk.reply.show(_sure(view, say))


def _sure(view: AppointmentView, say: Translator) -> Message:
    text = say(
        "<b>Cancel this appointment?</b>\n\n{when}\n{expert}",
        when=say.when(view.start, view.end),
        expert=say.localized(view.expert.name),
    )
    yes = Button(say.plain("Yes, cancel it"), CancelAppointment(view.id, view.version, True), style="danger")
    return Message(text, ((yes,), (Button(say.plain("No, keep it"), ShowAppointment(view.id)),)))


async def _cancel(action: CancelAppointment, talk: Talk) -> None:
    outcome = await talk.services.appointments.cancel(action.appointment, talk.contact_id, action.version)
    match outcome:
        case Cancelled(view) | AlreadyCancelled(view):
            await talk.reply.show(_is_cancelled(view, talk))
        case Stale(view):
            await _as_it_is(view, _changed(talk.say), talk)
        case Gone(gone):
            await _as_it_is(gone, _why_closed(gone, talk.say), talk)


def _is_cancelled(view: AppointmentView, talk: Talk) -> Message:
    say = talk.say
    text = say("<b>Cancelled</b>: the appointment of {when}.", when=say.when(view.start, view.end))
    again = Button(say.plain("Book a new time"), StartBooking(view.expert.id))
    owner = view.role(talk.contact_id) == "owner"
    return Message(text, (*(((again,),) if owner else ()), _to_list(view, say)))


# Its calendar file


async def file_wanted(press: CallbackQuery, action: SendCalendarFile, talk: Talk) -> None:
    document = await talk.services.appointments.calendar_file(action.appointment, talk.contact_id, talk.say)
    if document is None:
        await _not_found(talk)
        return
    text = talk.say("The appointment as it stands now, for your calendar.")
    show = show_appointment(action.appointment, talk.say)
    await talk.reply.send(Message(text, ((show,),), document))
