"""What people chose to be reminded of, kept in step with the messages owed to them.

Reminders are owed ahead of time, one message a person and offset, in the transaction of the choice.
A message owed is only an alarm: what a person wants is asked again when it rings
(`minutes_wanted`), so switching off touches nothing but the choice, and switching on again finds
the message still there under its key.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import delete, select

from bot.clock import Clock
from bot.outbox.outbox import NewRow, Outbox
from bot.storage import Database, Tx, insert_into
from scheduler.reminders.models import Subscription
from scheduler.reminders.plan import plan

CHOICES = (10080, 4320, 1440, 180, 60)
"""Minutes before the start that are offered: 7 days, 3 days, 1 day, 3 hours, 1 hour."""

DEFAULT_OFFSETS = (10080, 1440, 60)
"""Of somebody who registers and has chosen nothing yet."""

REMINDER = "event.reminder"
ALL = "all"

Offsets = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Occasion:
    """A published event that has not begun."""

    event_id: int
    revision: int
    title: Mapping[str, str]
    starts_at: datetime


class OccasionsAhead(Protocol):
    """Knows the events; handed in, as events stand above reminders."""

    async def __call__(
        self, tx: Tx, now: datetime, event_id: int | None = None, lock: bool = False
    ) -> Sequence[Occasion]:
        """Published events that begin after `now`, soonest first; only `event_id` if given.

        With `lock` none of them changes until the transaction ends.
        """
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """An offset with its switch; `possible` is false where its moment has passed already."""

    minutes: int
    on: bool
    possible: bool


@dataclass(frozen=True, slots=True)
class Followed:
    event_id: int
    title: Mapping[str, str]
    starts_at: datetime
    minutes: Offsets


@dataclass(frozen=True, slots=True)
class Overview:
    """What was chosen for all future events, and the events ahead with reminders."""

    all_future: Offsets
    events: tuple[Followed, ...]


class Reminders:
    def __init__(self, db: Database, clock: Clock, outbox: Outbox, occasions_ahead: OccasionsAhead) -> None:
        self._db = db
        self._clock = clock
        self._outbox = outbox
        self._occasions_ahead = occasions_ahead

    async def choices(self, contact_id: int, event_id: int | None = None) -> tuple[Choice, ...]:
        """The offsets of one event, or of all future ones; empty when the event is not ahead."""
        now = self._clock.now()
        async with self._db.read() as tx:
            return await self._choices(tx, contact_id, event_id, now)

    async def toggle(
        self, contact_id: int, event_id: int | None, minutes: int, on: bool | None = None
    ) -> tuple[Choice, ...]:
        """Switch one offset: over, or to `on`, which is harmless to repeat. Answers like `choices`.

        An offset that is not offered changes nothing. Nobody needs to be registered.
        """
        now = self._clock.now()
        async with self._db.write() as tx:
            ahead = await self._occasions_ahead(tx, now, event_id, lock=True)
            if minutes in CHOICES and (ahead or event_id is None):
                offsets = await _effective(tx, contact_id, event_id, lock=True)
                wanted = minutes not in offsets if on is None else on
                offsets = _switched(offsets, minutes, wanted)
                await self._choose(tx, contact_id, event_id, offsets, ahead=ahead, now=now)
            return await self._choices(tx, contact_id, event_id, now)

    async def stop(self, contact_id: int, event_id: int | None) -> None:
        """No reminders of this event; or none of future events, except those chosen one by one."""
        now = self._clock.now()
        async with self._db.write() as tx:
            if event_id is None or await self._occasions_ahead(tx, now, event_id):
                await _keep(tx, contact_id, event_id, (), now)

    async def stop_all(self, contact_id: int) -> None:
        """No reminders of any event, whether chosen for all or one by one, and no word of new ones."""
        now = self._clock.now()
        async with self._db.write() as tx:
            chosen = await _chosen(tx, contact_id, lock=True)
            for event in await self._occasions_ahead(tx, now):
                if _scope(event.event_id) in chosen:
                    await _keep(tx, contact_id, event.event_id, (), now)
            await _keep(tx, contact_id, None, (), now)

    async def overview(self, contact_id: int) -> Overview:
        """Of what the person will be reminded, and why nothing comes where nothing is listed."""
        now = self._clock.now()
        async with self._db.read() as tx:
            own = await _chosen(tx, contact_id)
            ahead = await self._occasions_ahead(tx, now)
        every = own.get(ALL, ())
        followed = (
            Followed(event.event_id, event.title, event.starts_at, minutes)
            for event in ahead
            if (minutes := own.get(_scope(event.event_id), every))
        )
        return Overview(every, tuple(followed))

    async def follow(self, tx: Tx, contact_id: int, event: Occasion, now: datetime) -> bool:
        """Somebody registered: remind them as they chose, or as is usual. Whether a reminder is still to come."""
        scope = _scope(event.event_id)
        chosen = await _chosen(tx, contact_id, [scope, ALL], lock=True)
        offsets = chosen.get(scope) or chosen.get(ALL) or DEFAULT_OFFSETS
        await self._choose(tx, contact_id, event.event_id, offsets, ahead=[event], now=now)
        return bool(plan(event.starts_at, offsets, now))

    async def unfollow(self, tx: Tx, contact_id: int, event_id: int, now: datetime) -> None:
        """Somebody gave up their place: no reminders of this event, whatever they chose for all."""
        await _keep(tx, contact_id, event_id, (), now)

    async def plan_for_all(self, tx: Tx, event: Occasion, now: datetime) -> None:
        """Owe reminders to everyone who follows this event; what is owed already stays."""
        following = await _following(tx, event.event_id)
        rows = [row for contact, offsets in following.items() for row in _owed(event, contact, offsets, now)]
        await self._outbox.enqueue(tx, rows)

    async def _choices(self, tx: Tx, contact_id: int, event_id: int | None, now: datetime) -> tuple[Choice, ...]:
        ahead = await self._occasions_ahead(tx, now, event_id)
        if event_id is not None and not ahead:
            return ()
        offsets = await _effective(tx, contact_id, event_id)
        left = ahead[0].starts_at - now if event_id is not None else timedelta.max
        return tuple(Choice(m, m in offsets, timedelta(minutes=m) < left) for m in CHOICES)

    async def _choose(
        self,
        tx: Tx,
        contact_id: int,
        event_id: int | None,
        offsets: Offsets,
        *,
        ahead: Sequence[Occasion],
        now: datetime,
    ) -> None:
        await _keep(tx, contact_id, event_id, offsets, now)
        own = await _chosen(tx, contact_id) if event_id is None else {}
        events = [event for event in ahead if _scope(event.event_id) not in own]
        rows = [row for event in events for row in _owed(event, contact_id, offsets, now)]
        await self._outbox.enqueue(tx, rows)

    # Personal data

    name = "reminders"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        columns = (Subscription.event_id, Subscription.offsets, Subscription.at)
        chosen = select(*columns).where(Subscription.contact_id == contact_id).order_by(Subscription.id)
        rows = (await tx.execute(chosen)).all()
        return {
            "subscriptions": [
                {"event": row.event_id or ALL, "minutes_before": row.offsets, "since": row.at} for row in rows
            ]
        }

    async def erase(self, tx: Tx, contact_id: int) -> None:
        await tx.execute(delete(Subscription).where(Subscription.contact_id == contact_id))


async def minutes_wanted(tx: Tx, contact_id: int, event_id: int) -> Offsets:
    """The offsets at which this person is to be reminded of this event."""
    return await _effective(tx, contact_id, event_id)


async def follows_all(tx: Tx, contact_id: int) -> bool:
    return bool(await _effective(tx, contact_id, None))


async def concerned_contacts(tx: Tx, event_id: int) -> list[int]:
    """Everyone who is to be reminded of this event, and so counts on its time."""
    return list(await _following(tx, event_id))


async def followers_of_all(tx: Tx) -> list[int]:
    """Everyone who wants to hear of every future event."""
    columns = (Subscription.contact_id, Subscription.offsets)
    rows = await tx.execute(select(*columns).where(Subscription.scope == ALL))
    return sorted(contact for contact, offsets in rows if offsets)


def subject(event_id: int) -> str:
    """Under which messages about an event are owed, to withdraw them in one go."""
    return f"event:{event_id}"


def _owed(event: Occasion, contact_id: int, offsets: Iterable[int], now: datetime) -> list[NewRow]:
    # with the revision in the key an event moved away and back is planned again, although the
    # withdrawn rows still stand there
    start = event.starts_at.isoformat()
    return [
        NewRow(
            kind=REMINDER,
            contact_id=contact_id,
            subject=subject(event.event_id),
            key=f"reminder:{event.event_id}:{minutes}:{contact_id}:{start}:{event.revision}",
            payload={"event": event.event_id, "minutes": minutes, "start": start},
            due_at=due_at,
            expires_at=expires_at,
        )
        for minutes, due_at, expires_at in plan(event.starts_at, offsets, now)
    ]


def _scope(event_id: int | None) -> str:
    return ALL if event_id is None else f"event:{event_id}"


def _switched(offsets: Offsets, minutes: int, on: bool) -> Offsets:
    rest = set(offsets) - {minutes}
    return tuple(sorted(rest | {minutes} if on else rest, reverse=True))


async def _chosen(
    tx: Tx, contact_id: int, scopes: Sequence[str] | None = None, lock: bool = False
) -> dict[str, Offsets]:
    chosen = select(Subscription.scope, Subscription.offsets).where(Subscription.contact_id == contact_id)
    if scopes is not None:
        chosen = chosen.where(Subscription.scope.in_(scopes))
    rows = await tx.execute(chosen.with_for_update() if lock else chosen)
    return {scope: tuple(offsets) for scope, offsets in rows}


async def _effective(tx: Tx, contact_id: int, event_id: int | None, lock: bool = False) -> Offsets:
    own = await _chosen(tx, contact_id, [ALL, _scope(event_id)], lock)
    return own.get(_scope(event_id), own.get(ALL, ()))


async def _following(tx: Tx, event_id: int) -> dict[int, Offsets]:
    columns = (Subscription.contact_id, Subscription.scope, Subscription.offsets)
    scopes = Subscription.scope.in_([ALL, _scope(event_id)])
    rows = await tx.execute(select(*columns).where(scopes).order_by(Subscription.contact_id))
    chosen: dict[int, Offsets] = {}
    for contact, scope, offsets in rows:
        if scope != ALL or contact not in chosen:
            chosen[contact] = tuple(offsets)
    return {contact: offsets for contact, offsets in chosen.items() if offsets}


async def _keep(tx: Tx, contact_id: int, event_id: int | None, offsets: Offsets, now: datetime) -> None:
    row = {
        "contact_id": contact_id,
        "event_id": event_id,
        "scope": _scope(event_id),
        "offsets": list(offsets),
        "at": now,
    }
    kept = insert_into(tx, Subscription).values(row)
    newer = {"offsets": kept.excluded.offsets, "at": kept.excluded.at}
    await tx.execute(kept.on_conflict_do_update(index_elements=["contact_id", "scope"], set_=newer))
