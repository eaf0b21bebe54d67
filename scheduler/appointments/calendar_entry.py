"""An appointment as an entry of its owner's, or its expert's, calendar.

The files go into chats, so an entry is published, not an invitation; see `scheduler.calendar`.
"""

from datetime import timedelta

from bot.texts import Document, Translator
from scheduler.appointments.values import AppointmentView, topic_name
from scheduler.calendar import CalendarItem, Method, ics, uid_for

RING_BEFORE = timedelta(minutes=15)
MIME = "text/calendar"


def document(view: AppointmentView, contact_id: int, say: Translator) -> Document:
    """The file for one of the two sides; of a cancelled appointment it takes the entry away."""
    method: Method = "CANCEL" if view.status == "cancelled" else "PUBLISH"
    return Document(f"appointment-{view.id}.ics", ics(item(view, contact_id, say), method), MIME)


def item(view: AppointmentView, contact_id: int, say: Translator) -> CalendarItem:
    return CalendarItem(
        uid=uid_for("appointment", view.id, view.created_at),
        sequence=view.sequence,
        start=view.start,
        end=view.end,
        zone=say.zone,
        summary=_summary(view, contact_id, say),
        stamp=view.changed_at,
        description=_description(view, say),
        location=say.localized(view.meeting_info),
        organizer_name=say.localized(view.expert.name),
        status="CANCELLED" if view.status == "cancelled" else "CONFIRMED",
        alarm=RING_BEFORE,
    )


def _summary(view: AppointmentView, contact_id: int, say: Translator) -> str:
    topic = topic_name(say, view.topic)
    if view.role(contact_id) == "expert":
        name = view.name or say.plain("a client")
        return say.plain("Advice for {name}: {topic}", name=name, topic=topic)
    return say.plain("{expert}: {topic}", expert=say.localized(view.expert.name), topic=topic)


def _description(view: AppointmentView, say: Translator) -> str:
    lines = [
        say.plain("Topic: {topic}", topic=topic_name(say, view.topic)),
        say.plain("Expert: {expert}", expert=say.localized(view.expert.name)),
        say.plain("Question: {question}", question=view.question) if view.question else "",
        say.plain("To move or cancel the appointment, use the chat in which it was booked."),
    ]
    return "\n".join(filter(None, lines))
