"""What people and staff do with events. Each use case is one transaction, its messages included."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from bot.clock import Clock
from bot.outbox.outbox import NewRow, Outbox
from bot.outbox.port import Kind
from bot.people.roles import audit
from bot.storage import Database, Tx, insert_into
from scheduler.events.kinds import CANCELLED_NOTICE, MOVED_NOTICE, PUBLISHED_NOTICE, event_kinds
from scheduler.events.models import Event, Registration
from scheduler.events.past import from_view, shipped
from scheduler.events.queries import (
    PUBLISHED,
    audience,
    lock,
    occasion,
    registered_contacts,
    view,
    views,
)
from scheduler.events.values import (
    Added,
    AlreadyRegistered,
    Changed,
    EventDraft,
    EventView,
    Full,
    Gone,
    NotRegistered,
    PastEvent,
    Refused,
    Registered,
    Stale,
    Times,
    Unchanged,
    Unregistered,
    instant,
)
from scheduler.reminders import REMINDER, Reminders, followers_of_all, subject


class Events:
    def __init__(self, db: Database, clock: Clock, outbox: Outbox, reminders: Reminders) -> None:
        self._db = db
        self._clock = clock
        self._outbox = outbox
        self._reminders = reminders
        self._shipped = shipped()

    # Whoever looks

    async def upcoming(self, contact_id: int | None = None) -> list[EventView]:
        """Published events that are not over yet, soonest first."""
        async with self._db.read() as tx:
            return await views(tx, contact_id, PUBLISHED, Event.ends_at > self._clock.now())

    async def past(self) -> list[PastEvent]:
        """What took place, newest first: events run here and those of the programme before it."""
        over = (PUBLISHED, Event.ends_at <= self._clock.now(), Event.sample.is_(False))
        async with self._db.read() as tx:
            held = [from_view(event) for event in await views(tx, None, *over)]
        return sorted([*held, *self._shipped], key=lambda event: (event.year, str(event.first)), reverse=True)

    async def detail(self, event_id: int, contact_id: int | None = None) -> EventView | None:
        async with self._db.read() as tx:
            return await view(tx, event_id, contact_id)

    # People

    async def register(self, contact_id: int, event_id: int) -> Registered | AlreadyRegistered | Full | Gone:
        """Take a seat, with reminders as the person chose or as is usual."""
        now = self._clock.now()
        async with self._db.write() as tx:
            await lock(tx, event_id)
            event = await view(tx, event_id, contact_id)
            if event is None or not event.ahead(now):
                return Gone(event)
            if event.registered:
                return AlreadyRegistered(event)
            if event.full:
                return Full(event)
            await _keep(tx, event_id, contact_id, "registered", now)
            reminded = await self._reminders.follow(tx, contact_id, occasion(event), now)
            return Registered(await _known(tx, event_id, contact_id), reminded)

    async def unregister(self, contact_id: int, event_id: int) -> Unregistered | NotRegistered | Gone:
        """Give up one's seat, and the reminders with it."""
        now = self._clock.now()
        async with self._db.write() as tx:
            await lock(tx, event_id)
            event = await view(tx, event_id, contact_id)
            if event is None or not event.ahead(now):
                return Gone(event)
            if not event.registered:
                return NotRegistered(event)
            await _keep(tx, event_id, contact_id, "cancelled", now)
            await self._reminders.unfollow(tx, contact_id, event_id, now)
            return Unregistered(await _known(tx, event_id, contact_id))

    # Staff

    async def registered(self, event_id: int) -> list[int]:
        """Contacts who come, for staff."""
        async with self._db.read() as tx:
            return await registered_contacts(tx, event_id)

    async def add(self, actor_id: int | None, draft: EventDraft) -> Added | Unchanged | Refused:
        """Publish an event and tell those who follow all. `actor_id` None: the installation."""
        now = self._clock.now()
        if problem := draft.problem(now):
            return Refused(problem)
        async with self._db.write() as tx:
            event_id, new = await _insert(tx, draft, now)
            event = await _known(tx, event_id, actor_id)
            if not new:
                return Unchanged(event)
            await self._reminders.plan_for_all(tx, occasion(event), now)
            told = await followers_of_all(tx)
            await self._tell(tx, PUBLISHED_NOTICE, event, told, useful_until=event.starts_at)
            await self._record(tx, actor_id, "event.added", event, now)
        self._outbox.wake()
        return Added(event, len(told))

    async def move(
        self, actor_id: int, event_id: int, revision: int, times: Times
    ) -> Changed | Unchanged | Stale | Gone | Refused:
        """Give the event a new time. `revision` is what the mover saw: unseen changes stay."""
        now = self._clock.now()
        if problem := times.problem(now):
            return Refused(problem)
        async with self._db.write() as tx:
            await lock(tx, event_id)
            event = await view(tx, event_id, actor_id)
            if event is None or event.cancelled or event.ends_at <= now:
                return Gone(event)
            if event.times == times:
                return Unchanged(event)
            if event.revision != revision:
                return Stale(event)
            moved = await self._reschedule(tx, event, times, now)
            told = await audience(tx, event_id)
            until = max(event.starts_at, moved.starts_at)
            await self._tell(tx, MOVED_NOTICE, moved, told, useful_until=until, was=event)
            await self._record(tx, actor_id, "event.moved", moved, now)
        self._outbox.wake()
        return Changed(moved, len(told))

    async def cancel(self, actor_id: int, event_id: int, revision: int) -> Changed | Unchanged | Stale | Gone:
        """Call the event off for good."""
        now = self._clock.now()
        async with self._db.write() as tx:
            await lock(tx, event_id)
            event = await view(tx, event_id, actor_id)
            if event is None or event.ends_at <= now:
                return Gone(event)
            if event.cancelled:
                return Unchanged(event)
            if event.revision != revision:
                return Stale(event)
            await _change(tx, event, now, status="cancelled")
            await self._outbox.withdraw(tx, subject(event_id))
            cancelled = await _known(tx, event_id, actor_id)
            told = await audience(tx, event_id)
            await self._tell(tx, CANCELLED_NOTICE, cancelled, told, useful_until=event.ends_at)
            await self._record(tx, actor_id, "event.cancelled", cancelled, now)
        self._outbox.wake()
        return Changed(cancelled, len(told))

    # The clock

    async def rederive(self, now: datetime) -> list[int]:
        """Bring instants and reminders of events ahead in line with today's time zone rules.

        Returns the ids of events that moved. Also owes any reminder that is missing, so it is worth
        a tick.
        """
        async with self._db.read() as tx:
            ahead = [event.id for event in await views(tx, None, PUBLISHED, Event.starts_at > now)]
        return [event_id for event_id in ahead if await self._rederive(event_id, now)]

    async def _rederive(self, event_id: int, now: datetime) -> bool:
        async with self._db.write() as tx:
            await lock(tx, event_id)
            event = await view(tx, event_id)
            if event is None or not event.ahead(now):
                return False
            if _instants(event.times) == {"starts_at": event.starts_at, "ends_at": event.ends_at}:
                await self._reminders.plan_for_all(tx, occasion(event), now)
                return False
            await self._reschedule(tx, event, event.times, now)
            return True

    async def purge_samples(self, over_by: datetime | None = None) -> int:
        """Delete sample events (only those over by then) and all that hangs on them; how many."""
        which = Event.sample if over_by is None else Event.sample & (Event.ends_at <= over_by)
        async with self._db.write() as tx:
            samples = (await tx.execute(select(Event.id).where(which))).scalars().all()
            for event_id in samples:
                await self._outbox.withdraw(tx, subject(event_id))
            await tx.execute(delete(Event).where(Event.id.in_(samples)))
        return len(samples)

    async def _reschedule(self, tx: Tx, event: EventView, times: Times, now: datetime) -> EventView:
        local = {
            "starts_local": times.starts_local.isoformat(),
            "ends_local": times.ends_local.isoformat(),
            "zone": times.zone,
        }
        await _change(tx, event, now, **local, **_instants(times))
        await self._outbox.withdraw(tx, subject(event.id), [REMINDER, MOVED_NOTICE])
        moved = await _known(tx, event.id)
        await self._reminders.plan_for_all(tx, occasion(moved), now)
        return moved

    async def _tell(
        self,
        tx: Tx,
        kind: str,
        event: EventView,
        contacts: Iterable[int],
        *,
        useful_until: datetime,
        was: EventView | None = None,
    ) -> None:
        earlier = {"was": [was.starts_at.isoformat(), was.ends_at.isoformat()]} if was else {}
        rows = [
            NewRow(
                kind=kind,
                contact_id=contact,
                subject=subject(event.id),
                key=f"{kind}:{event.id}:{event.revision}:{contact}",
                payload={"event": event.id, "revision": event.revision, **earlier},
                due_at=event.changed_at,
                expires_at=useful_until,
            )
            for contact in contacts
        ]
        await self._outbox.enqueue(tx, rows)

    async def _record(self, tx: Tx, actor_id: int | None, action: str, event: EventView, now: datetime) -> None:
        await audit(tx, actor_id, action, subject(event.id), {"revision": event.revision}, now)

    def kinds(self) -> list[Kind]:
        return event_kinds()

    # Personal data

    name = "registrations"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        columns = (Event.slug, Event.title, Event.starts_at, Registration.state, Registration.at)
        own = select(*columns).join_from(Registration, Event).where(Registration.contact_id == contact_id)
        rows = await tx.execute(own.order_by(Event.starts_at))
        return {"events": [dict(row._mapping) for row in rows]}

    async def erase(self, tx: Tx, contact_id: int) -> None:
        """Frees the seats that the person had taken."""
        await tx.execute(delete(Registration).where(Registration.contact_id == contact_id))


async def _known(tx: Tx, event_id: int, contact_id: int | None = None) -> EventView:
    event = await view(tx, event_id, contact_id)
    assert event is not None, "written in this transaction"
    return event


async def _insert(tx: Tx, draft: EventDraft, now: datetime) -> tuple[int, bool]:
    row = {
        "slug": draft.name(),
        "kind": draft.kind,
        "status": "published",
        "title": dict(draft.title),
        "summary": dict(draft.summary),
        "description": dict(draft.description),
        "venue": dict(draft.venue),
        "online_url": draft.online_url,
        "starts_local": draft.times.starts_local.isoformat(),
        "ends_local": draft.times.ends_local.isoformat(),
        "zone": draft.times.zone,
        **_instants(draft.times),
        "capacity": draft.capacity,
        "revision": 0,
        "sample": draft.sample,
        "created_at": now,
        "changed_at": now,
    }
    new = insert_into(tx, Event).values(row).on_conflict_do_nothing(index_elements=["slug"])
    if event_id := (await tx.execute(new.returning(Event.id))).scalar_one_or_none():
        return event_id, True
    return (await tx.execute(select(Event.id).where(Event.slug == row["slug"]))).scalar_one(), False


async def _change(tx: Tx, event: EventView, now: datetime, **values: Any) -> None:
    changed = update(Event).where(Event.id == event.id)
    await tx.execute(changed.values(revision=event.revision + 1, changed_at=now, **values))


def _instants(times: Times) -> dict[str, datetime]:
    return {
        "starts_at": instant(times.starts_local, times.zone),
        "ends_at": instant(times.ends_local, times.zone),
    }


async def _keep(tx: Tx, event_id: int, contact_id: int, state: str, now: datetime) -> None:
    row = {"event_id": event_id, "contact_id": contact_id, "state": state, "at": now}
    kept = insert_into(tx, Registration).values(row)
    newer = {"state": state, "at": now}
    await tx.execute(kept.on_conflict_do_update(index_elements=["event_id", "contact_id"], set_=newer))
