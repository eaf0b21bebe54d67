"""How events are read: one statement gives an event as one person sees it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, exists, false, func, select

from bot.storage import Tx
from scheduler.events.models import Event, Registration
from scheduler.events.values import EventView
from scheduler.reminders import Occasion, concerned_contacts

_SHOWN_AS_IS = (
    "id", "slug", "kind", "status", "title", "summary", "description", "venue", "zone", "starts_at",
    "ends_at", "capacity", "taken", "registered", "revision", "sample", "created_at", "changed_at",
)  # fmt: skip

PUBLISHED = Event.status == "published"


async def views(tx: Tx, contact_id: int | None, *which: ColumnElement[bool]) -> list[EventView]:
    """The events that are `which`, soonest first."""
    rows = await tx.execute(_seen_by(contact_id).where(*which).order_by(Event.starts_at, Event.id))
    return [_view(row) for row in rows]


async def view(tx: Tx, event_id: int, contact_id: int | None = None) -> EventView | None:
    found = await views(tx, contact_id, Event.id == event_id)
    return found[0] if found else None


async def lock(tx: Tx, event_id: int) -> None:
    """Nobody else changes this event, or takes a seat, until the transaction ends."""
    await tx.execute(select(Event.id).where(Event.id == event_id).with_for_update())


async def registered_contacts(tx: Tx, event_id: int) -> list[int]:
    coming = select(Registration.contact_id).where(_registered(), Registration.event_id == event_id)
    return list((await tx.execute(coming.order_by(Registration.contact_id))).scalars())


async def audience(tx: Tx, event_id: int) -> list[int]:
    """Everyone who counts on the event as it was announced: registered, or to be reminded of it."""
    coming = await registered_contacts(tx, event_id)
    return sorted({*coming, *await concerned_contacts(tx, event_id)})


async def occasions_ahead(tx: Tx, now: datetime, event_id: int | None = None, lock: bool = False) -> Sequence[Occasion]:
    """Events as reminders see them; see `OccasionsAhead`."""
    columns = select(Event.id, Event.revision, Event.title, Event.starts_at)
    coming = columns.where(PUBLISHED, Event.starts_at > now).order_by(Event.starts_at, Event.id)
    if event_id is not None:
        coming = coming.where(Event.id == event_id)
    if lock:
        coming = coming.with_for_update(read=True)
    return [Occasion(*row) for row in (await tx.execute(coming))]


def occasion(event: EventView) -> Occasion:
    return Occasion(event.id, event.revision, event.title, event.starts_at)


def _registered() -> ColumnElement[bool]:
    return Registration.state == "registered"


def _seen_by(contact_id: int | None) -> Select[tuple[object, ...]]:
    seats = select(func.count()).select_from(Registration)
    taken = seats.where(_registered(), Registration.event_id == Event.id).scalar_subquery()
    own = (_registered(), Registration.event_id == Event.id, Registration.contact_id == contact_id)
    registered = exists().where(*own) if contact_id is not None else false()
    return select(*Event.__table__.c, taken.label("taken"), registered.label("registered"))


def _view(row: Row[tuple[object, ...]]) -> EventView:
    columns = row._mapping
    return EventView(
        **{name: columns[name] for name in _SHOWN_AS_IS},
        online=columns["online_url"] is not None,
        online_url=columns["online_url"] if columns["registered"] else None,
        starts_local=datetime.fromisoformat(columns["starts_local"]),
        ends_local=datetime.fromisoformat(columns["ends_local"]),
    )
