"""Events, reminders and their outbox around one test database."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import insert, select

from bot.outbox.models import OutboxRow
from bot.outbox.outbox import Outbox
from bot.outbox.port import Kind, Owed, Reader
from bot.people.models import AuditRecord, Contact
from bot.storage import Database
from bot.texts import Message, Texts
from scheduler.events.queries import occasions_ahead
from scheduler.events.service import Events
from scheduler.events.values import Added, EventDraft, EventView, Times
from scheduler.reminders import Reminders
from tests.conftest import MovableClock

HONG_KONG = "Asia/Hong_Kong"
NEW_YORK = "America/New_York"

OutboxView = Mapping[str, Any]

FORUM_STARTS = datetime(2026, 12, 10, 9, 30)
"""17 days after the tests' present."""
FORUM_ENDS = datetime(2026, 12, 10, 17, 0)


def days_later(days: int) -> Times:
    """The forum's times, so many days later."""
    shift = timedelta(days=days)
    return Times(FORUM_STARTS + shift, FORUM_ENDS + shift, HONG_KONG)


def a_draft(**changes: Any) -> EventDraft:
    usual: dict[str, Any] = {
        "kind": "forum",
        "title": {"en": "IP for growth", "zh-Hans": "知识产权与增长", "zh-Hant": "知識產權與增長"},
        "times": days_later(0),
        "summary": {"en": "A day of talks."},
        "description": {"en": "Six talks and a panel."},
        "venue": {"en": "Cyberport <Hall 1>"},
    }
    return EventDraft(**{**usual, **changes})


@cache
def shared_texts() -> Texts:
    return Texts()


class House:
    def __init__(self, db: Database, clock: MovableClock) -> None:
        self.db = db
        self.clock = clock
        self.woken = 0
        self.outbox = Outbox(clock)
        self.outbox.due = self._wake
        self.reminders = Reminders(db, clock, self.outbox, occasions_ahead)
        self.events = Events(db, clock, self.outbox, self.reminders)
        self.kinds = {kind.name: kind for kind in self.events.kinds()}
        self.texts = shared_texts()

    def _wake(self) -> None:
        self.woken += 1

    async def contact(self) -> int:
        return (await self.contacts(1))[0]

    async def contacts(self, number: int) -> list[int]:
        row = {"created_at": self.clock.now(), "locale": "en", "zone": HONG_KONG}
        async with self.db.write() as tx:
            added = await tx.execute(insert(Contact).returning(Contact.id), [row] * number)
            return list(added.scalars())

    async def event(self, **changes: Any) -> EventView:
        added = await self.events.add(None, a_draft(**changes))
        assert isinstance(added, Added), added
        return added.event

    async def seen(self, event_id: int, contact_id: int | None = None) -> EventView:
        event = await self.events.detail(event_id, contact_id)
        assert event is not None
        return event

    async def owed(self, kind: str | None = None, contact_id: int | None = None) -> list[OutboxView]:
        """Messages waiting to be sent, first due first."""
        rows = select(OutboxRow.__table__).where(OutboxRow.state == "pending")
        if kind is not None:
            rows = rows.where(OutboxRow.kind == kind)
        if contact_id is not None:
            rows = rows.where(OutboxRow.contact_id == contact_id)
        async with self.db.read() as tx:
            found = await tx.execute(rows.order_by(OutboxRow.due_at, OutboxRow.id))
            return [dict(row._mapping) for row in found]

    async def leads(self, contact_id: int) -> list[int]:
        """Minutes before its event at which each reminder owed to this person is due."""
        reminders = await self.owed("event.reminder", contact_id)
        return [_lead(row) for row in reminders]

    async def rings(self, contact_id: int) -> list[int]:
        """Minutes of the reminders owed to this person that would really be sent."""
        reminders = await self.owed("event.reminder", contact_id)
        return [_lead(row) for row in reminders if await self.still_wanted(row)]

    async def still_wanted(self, row: OutboxView) -> bool:
        async with self.db.read() as tx:
            return await self._kind(row).still_wanted(tx, _owed(row), self.clock.now())

    async def rendered(self, row: OutboxView, locale: str = "en", zone: str = HONG_KONG) -> Message | None:
        reader = Reader(row["contact_id"], self.texts.translator(locale, zone))
        async with self.db.read() as tx:
            return await self._kind(row).render(tx, _owed(row), reader)

    async def audited(self) -> list[tuple[Any, ...]]:
        columns = (AuditRecord.actor_id, AuditRecord.action, AuditRecord.subject)
        async with self.db.read() as tx:
            return [tuple(row) for row in await tx.execute(select(*columns).order_by(AuditRecord.id))]

    def _kind(self, row: OutboxView) -> Kind:
        return self.kinds[row["kind"]]


def _owed(row: OutboxView) -> Owed:
    return Owed(**{name: row[name] for name in ("id", "kind", "contact_id", "payload", "due_at")})


def _lead(row: OutboxView) -> int:
    start = datetime.fromisoformat(row["payload"]["start"])
    assert start.utcoffset() == timedelta(0)
    before: timedelta = start - row["due_at"]
    return before // timedelta(minutes=1)
