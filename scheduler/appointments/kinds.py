"""The messages about appointments: which are owed, whether they are still wanted when due, what they say.

Payloads name the version that a message speaks of. Whatever was moved or cancelled since is not told any more: the
change brought messages of its own.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from bot.outbox.outbox import NewRow
from bot.outbox.port import Kind, Owed, Reader
from bot.storage import Tx
from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    CancelAppointment,
    MoveAppointment,
    SendCalendarFile,
    ShowAppointment,
    ShowAppointments,
    StartBooking,
)
from bot.texts.message import Buttons
from scheduler.appointments.availability import EPOCH, MINUTE
from scheduler.appointments.calendar_entry import document
from scheduler.appointments.models import Appointment
from scheduler.appointments.queries import appointments
from scheduler.appointments.values import AppointmentView, slot_minutes, topic_name
from scheduler.reminders.plan import plan

CONFIRMED = "appointment.confirmed"
BOOKED = "appointment.booked"
MOVED = "appointment.moved"
CANCELLED = "appointment.cancelled"
REMINDER = "appointment.reminder"


def subject(appointment_id: int) -> str:
    """Under which messages about an appointment are owed, to withdraw them in one go."""
    return f"appointment:{appointment_id}"


def callback_data(appointment_id: int) -> list[str]:
    """What a button under every message about an appointment says; see `bot.people.privacy.Shown`."""
    return [kind(appointment_id).encode() for kind in (ShowAppointment, ShowAppointments)]


# Owing


def booked(view: AppointmentView, now: datetime) -> list[NewRow]:
    """Owed when an appointment is made: its file to the person, word to the expert."""
    rows = [_notice(CONFIRMED, view, view.contact_id, now)] if view.contact_id else []
    return rows + told_expert(view, now)


def told_expert(view: AppointmentView, now: datetime) -> list[NewRow]:
    expert = view.expert_contact_id
    own = expert is None or expert == view.contact_id
    return [] if own else [_notice(BOOKED, view, expert, now)]


def moved(view: AppointmentView, was: datetime, now: datetime) -> list[NewRow]:
    """Owed to both sides when an appointment has a new start; `was` is the old one."""
    minutes = slot_minutes(was)
    return [_notice(MOVED, view, contact, now, was=minutes) for contact in parties(view)]


def cancelled(view: AppointmentView, now: datetime) -> list[NewRow]:
    return [_notice(CANCELLED, view, contact, now) for contact in parties(view)]


def reminders(view: AppointmentView, contacts: Iterable[int], offsets: Sequence[int], now: datetime) -> list[NewRow]:
    """`offsets` are minutes before the start; those already past are left out."""
    return [
        NewRow(
            kind=REMINDER,
            contact_id=contact,
            subject=subject(view.id),
            # the version too: an appointment moved away and back is planned again beside the withdrawn rows
            key=f"{REMINDER}:{view.id}:{minutes}:{contact}:{view.start.isoformat()}:{view.version}",
            payload={"appointment": view.id, "version": view.version, "minutes": minutes},
            due_at=due_at,
            expires_at=expires_at,
        )
        for contact in contacts
        for minutes, due_at, expires_at in plan(view.start, offsets, now)
    ]


def parties(view: AppointmentView) -> list[int]:
    """The contacts on both sides, as far as they can be told anything."""
    sides = (view.contact_id, view.expert_contact_id)
    return sorted({contact for contact in sides if contact is not None})


def _notice(kind: str, view: AppointmentView, contact_id: int | None, now: datetime, **more: int) -> NewRow:
    assert contact_id is not None
    return NewRow(
        kind=kind,
        contact_id=contact_id,
        subject=subject(view.id),
        key=f"{kind}:{view.id}:{view.version}:{contact_id}",
        payload={"appointment": view.id, "version": view.version, **more},
        due_at=now,
        expires_at=view.end,
    )


# Sending


def kinds() -> list[Kind]:
    """All of them, to be handed to the sender."""
    return [
        Kind(CONFIRMED, "at_least_once", _still_so, _render_confirmed),
        Kind(BOOKED, "at_least_once", _still_so, _render_booked),
        Kind(MOVED, "at_least_once", _still_so, _render_moved),
        Kind(CANCELLED, "at_least_once", _is_cancelled, _render_cancelled),
        Kind(REMINDER, "at_least_once", _is_ahead, _render_reminder),
    ]


async def _still_so(tx: Tx, owed: Owed, now: datetime) -> bool:
    view = await _owed_view(tx, owed)
    return view is not None and view.status == "confirmed"


async def _is_cancelled(tx: Tx, owed: Owed, now: datetime) -> bool:
    view = await _owed_view(tx, owed)
    return view is not None and view.status == "cancelled"


async def _is_ahead(tx: Tx, owed: Owed, now: datetime) -> bool:
    view = await _owed_view(tx, owed)
    return view is not None and view.ahead(now)


async def _owed_view(tx: Tx, owed: Owed) -> AppointmentView | None:
    """The appointment at the version the message speaks of, if it still concerns the reader."""
    about = Appointment.id == owed.payload["appointment"]
    found = await appointments(tx, about, Appointment.version == owed.payload["version"])
    return next((view for view in found if view.role(owed.contact_id)), None)


async def _render_confirmed(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    return await _page(tx, owed, reader, "confirmed")


async def _render_booked(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    return await _page(tx, owed, reader, "booked")


async def _render_moved(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    return await _page(tx, owed, reader, "moved", was=EPOCH + owed.payload["was"] * MINUTE)


async def _render_cancelled(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    return await _page(tx, owed, reader, "cancelled")


async def _page(tx: Tx, owed: Owed, reader: Reader, page: str, **values: Any) -> Message | None:
    view = await _owed_view(tx, owed)
    if view is None:
        return None
    html = reader.say.page(f"appointments/{page}.html", **page_values(view, reader.contact_id, reader.say), **values)
    file = document(view, reader.contact_id, reader.say)
    return Message(html, buttons(view, reader.contact_id, reader.say), file)


async def _render_reminder(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    view = await _owed_view(tx, owed)
    if view is None:
        return None
    say = reader.say
    html = say.page("appointments/reminder.html", **page_values(view, reader.contact_id, say))
    return Message(html, buttons(view, reader.contact_id, say, with_file=True))


def page_values(view: AppointmentView, contact_id: int, say: Translator) -> dict[str, Any]:
    """What the templates about one appointment speak of."""
    return {"a": view, "role": view.role(contact_id), "topic": topic_name(say, view.topic)}


def buttons(view: AppointmentView, contact_id: int, say: Translator, with_file: bool = False) -> Buttons:
    """What the reader can do with an appointment under a message about it."""
    if view.status == "cancelled":
        return _after_the_end(view, contact_id, say)
    cancel = Button(say.plain("Cancel"), CancelAppointment(view.id, view.version, False), style="danger")
    change = (Button(say.plain("Move"), MoveAppointment(view.id)), cancel)
    file = (Button(say.plain("Calendar file"), SendCalendarFile(view.id)),) if with_file else ()
    show = Button(say.plain("Show the appointment"), ShowAppointment(view.id))
    return (change if view.role(contact_id) == "owner" else (cancel,), (*file, show))


def _after_the_end(view: AppointmentView, contact_id: int, say: Translator) -> Buttons:
    mine = Button(say.plain("My appointments"), ShowAppointments(view.id))
    if view.role(contact_id) == "expert":
        return ((mine,),)
    return ((Button(say.plain("Book a new time"), StartBooking(view.expert.id)), mine),)
