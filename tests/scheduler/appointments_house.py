"""Appointments and their outbox around one test database."""

import warnings
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

from sqlalchemy import Row, insert, select

from bot.outbox.models import OutboxRow
from bot.outbox.outbox import Outbox
from bot.outbox.port import Owed, Reader
from bot.people.models import Contact
from bot.people.privacy import Consents
from bot.storage import Database
from bot.texts import Message, Texts
from scheduler.appointments.models import Appointment
from scheduler.appointments.service import Appointments
from scheduler.appointments.values import AppointmentView, Confirmed, ExpertDraft, Held, HoldView
from tests.conftest import MovableClock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import vobject

HONG_KONG = "Asia/Hong_Kong"
HOLD = timedelta(minutes=15)
TOMORROW_TEN = datetime.fromisoformat("2026-11-24T10:00+08:00")
"""A Tuesday; the tests' present is Monday 10:00 in Hong Kong."""
HALF = timedelta(minutes=30)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WORKDAYS = dict.fromkeys(range(5), ((9 * 60, 18 * 60),))


def a_draft(**changes: Any) -> ExpertDraft:
    usual: dict[str, Any] = {
        "name": {"en": "Ada <Wong>", "zh-Hans": "黄雅达", "zh-Hant": "黃雅達"},
        "title": {"en": "Patent strategist"},
        "languages": ("en", "yue"),
        "topics": ("patents", "strategy"),
        "zone": HONG_KONG,
        "hours": WORKDAYS,
        "length": 60,
        "interval": 30,
        "after": 0,
        "notice": 60,
        "window_days": 30,
    }
    return ExpertDraft(**{**usual, **changes})


@cache
def texts() -> Texts:
    return Texts()


def read_calendar(data: bytes) -> Any:
    return vobject.readOne(data.decode())


_updates = count(1)
MOST = 20


class House:
    def __init__(self, db: Database, clock: MovableClock) -> None:
        self.db = db
        self.clock = clock
        self.woken = 0
        self.outbox = Outbox(clock)
        self.outbox.due = self._wake
        self.appointments = self.on(db)
        self.kinds = {kind.name: kind for kind in self.appointments.kinds()}

    def on(self, db: Database) -> Appointments:
        """The service of another process."""
        consents = Consents(self.clock)
        options: dict[str, Any] = {"reminders": [1440, 60], "hold": HOLD, "most": MOST}
        return Appointments(db, self.clock, self.outbox, consents, **options)

    def _wake(self) -> None:
        self.woken += 1

    async def contact(self) -> int:
        return (await self.contacts(1))[0]

    async def contacts(self, number: int) -> list[int]:
        row = {"created_at": self.clock.now(), "locale": "en", "zone": HONG_KONG}
        async with self.db.write() as tx:
            return list((await tx.execute(insert(Contact).returning(Contact.id), [row] * number)).scalars())

    async def expert(self, contact_id: int | None = None, **changes: Any) -> int:
        expert = await self.appointments.add_expert(a_draft(**changes))
        if contact_id is not None:
            assert await self.appointments.link_expert(expert, contact_id)
        return expert

    async def try_hold(
        self,
        contact: int,
        expert: int | None,
        start: datetime = TOMORROW_TEN,
        topic: str = "patents",
        service: Appointments | None = None,
    ) -> Any:
        return await (service or self.appointments).hold(contact, topic, expert, start, next(_updates))

    async def hold(
        self, contact: int, expert: int | None, start: datetime = TOMORROW_TEN, topic: str = "patents"
    ) -> HoldView:
        held = await self.try_hold(contact, expert, start, topic)
        assert isinstance(held, Held), held
        return held.hold

    async def book(
        self, contact: int, expert: int | None, start: datetime = TOMORROW_TEN, topic: str = "patents"
    ) -> AppointmentView:
        hold = await self.hold(contact, expert, start, topic)
        booked = await self.appointments.confirm(hold.id, contact, "en")
        assert isinstance(booked, Confirmed), booked
        return booked.appointment

    async def owed(self, state: str = "pending") -> list[Row[Any]]:
        rows = select(OutboxRow.__table__).where(OutboxRow.state == state).order_by(OutboxRow.id)
        async with self.db.read() as tx:
            return list(await tx.execute(rows))

    async def owed_to(self, contact: int) -> list[str]:
        return [row.kind for row in await self.owed() if row.contact_id == contact]

    async def wanted(self, row: Row[Any]) -> bool:
        """What the sender would find when the message rings."""
        async with self.db.read() as tx:
            return await self.kinds[row.kind].still_wanted(tx, _owed(row), self.clock.now())

    async def read(self, row: Row[Any], locale: str = "en", zone: str = HONG_KONG) -> Message:
        reader = Reader(row.contact_id, texts().translator(locale, zone))
        async with self.db.read() as tx:
            message = await self.kinds[row.kind].render(tx, _owed(row), reader)
        assert message is not None
        return message

    async def message_to(self, contact: int, kind: str) -> Message:
        """What the contact would read of this kind now, of the messages still wanted."""
        rows = [row for row in await self.owed() if (row.contact_id, row.kind) == (contact, kind)]
        (row,) = [row for row in rows if await self.wanted(row)]
        return await self.read(row)

    async def rows(self) -> list[Row[Any]]:
        async with self.db.read() as tx:
            return list(await tx.execute(select(Appointment.__table__).order_by(Appointment.id)))

    async def live(self) -> list[Row[Any]]:
        return [row for row in await self.rows() if row.status in ("held", "confirmed")]

    async def overlaps(self) -> list[tuple[int, int]]:
        live = sorted(await self.live(), key=lambda row: row.busy_from)
        return [
            (one.id, other.id)
            for at, one in enumerate(live)
            for other in live[at + 1 :]
            if one.expert_id == other.expert_id and other.busy_from < one.busy_to
        ]


def _owed(row: Row[Any]) -> Owed:
    return Owed(row.id, row.kind, row.contact_id, row.payload, row.due_at)
