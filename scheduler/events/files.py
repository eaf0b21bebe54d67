"""The calendar file of an event."""

from bot.texts import Document, Translator
from scheduler.calendar import CalendarItem, Method, content_type, ics, uid_for
from scheduler.events.values import EventView


def item(event: EventView, say: Translator, organizer: str) -> CalendarItem:
    """The event as a calendar keeps it, in the reader's language."""
    texts = [say.localized(event.summary), say.localized(event.description)]
    return CalendarItem(
        uid=uid_for("event", event.id, event.created_at),
        sequence=event.revision,
        start=event.starts_at,
        end=event.ends_at,
        zone=event.zone,
        summary=say.localized(event.title),
        stamp=event.changed_at,
        description="\n\n".join(filter(None, texts)),
        location=say.localized(event.venue),
        url=event.online_url or "",
        organizer_name=organizer,
        status="CANCELLED" if event.cancelled else "CONFIRMED",
    )


def calendar_file(event: EventView, say: Translator, organizer: str) -> Document:
    """For the reader's calendar: adds the event, updates it, or takes a cancelled one away."""
    method: Method = "CANCEL" if event.cancelled else "PUBLISH"
    data = ics(item(event, say, organizer), method)
    return Document(f"{event.slug}.ics", data, content_type(method))
