"""The statements behind the sender: who may send which row, and until when.

Leases run on the database's own clock, which all replicas share; what is due runs on the business's. Every change of
a claimed row is fenced by the claim's token: who lost the lease changes nothing any more.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    case,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from bot.clock import Clock
from bot.outbox.models import OutboxPause, OutboxRow
from bot.outbox.outbox import State
from bot.outbox.port import ChatRef, Owed
from bot.outbox.verdict import Verdict
from bot.storage import Database, Tx, database_epoch, insert_into

PAGE = 4
"""Rows looked at for each that can be claimed: several may be for one contact."""
REAPED_AT_ONCE = 100
CLAIM_LOCK = 0x0C1B0
"""PostgreSQL's advisory lock that lets replicas claim one after the other."""
IN_FLIGHT = (State.LEASED, State.STARTED)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row as it was found; `attempts` counts sends begun, `chat` is where the last of them went."""

    owed: Owed
    token: str
    expires_at: datetime
    attempts: int
    in_doubt: bool
    chat: ChatRef | None


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A row whose sender's lease ran out."""

    row: Claimed
    started: bool


class Claims:
    """Claims rows for one replica. `kinds` are the kinds it can send, `lease` is in seconds."""

    def __init__(self, db: Database, clock: Clock, kinds: Collection[str], replica: str, lease: float) -> None:
        self._db = db
        self._clock = clock
        self._kinds = kinds
        self._replica = replica
        self._lease = lease
        self.busy: set[int] = set()

    async def anything_to_do(self) -> bool:
        """Whether a tick has a reason to write: an idle one only reads, so that no writer waits for it."""
        async with self._db.read() as tx:
            return bool((await tx.execute(self.due_or_abandoned())).scalar_one())

    def due_or_abandoned(self) -> Select[bool]:
        # the smallest instant rather than `exists`: for a value it cannot see PostgreSQL expects a third of all
        # rows to be due, and would read the table from its start to find one
        first = select(func.min(OutboxRow.due_at)).where(_is(OutboxRow.state, State.PENDING))
        due = func.coalesce(first.scalar_subquery() <= self._clock.now(), false())
        return select(or_(due, exists().where(*self._abandoned())))

    async def claim(self, most: int) -> Sequence[Claimed]:
        """Lease up to `most` due rows, one of a contact; due rows that are no use any more expire."""
        while True:
            async with self._db.write() as tx:
                page = await self._page(tx, most)
                now = self._clock.now()
                useless = [row.id for row in page if row.expires_at <= now]
                await self._expire(tx, useless)
                claimed = await self._lease_rows(tx, _first_of_each_contact(page, now)[:most])
            # after the commit: from here on they are ours, and not to be taken back by ourselves
            self.busy.update(row.owed.id for row in claimed)
            if claimed or not useless:
                return claimed

    async def _page(self, tx: Tx, most: int) -> Sequence[Row[Any]]:
        if tx.dialect.name == "postgresql":
            # two replicas at once could each claim a row of the same contact, not seeing the other's
            await tx.execute(select(func.pg_advisory_xact_lock(CLAIM_LOCK)))
        return list(await tx.execute(self.due_rows(PAGE * most)))

    def due_rows(self, limit: int) -> Select[Any]:
        """The rows to send next, longest due first; rows of kinds unknown here are left to who knows them."""
        now = self._clock.now()
        sibling = aliased(OutboxRow)
        on_its_way = exists().where(sibling.contact_id == OutboxRow.contact_id, _is(sibling.state, *IN_FLIGHT))
        paused = exists().where(OutboxPause.contact_id == OutboxRow.contact_id, OutboxPause.until > now)
        rows = _whole_rows().where(
            _is(OutboxRow.state, State.PENDING),
            OutboxRow.due_at <= now,
            self._known_or_useless(now),
            ~on_its_way,
            ~paused,
        )
        # a literal, too: of a limit it cannot see PostgreSQL expects a tenth of all rows
        ordered = rows.order_by(OutboxRow.due_at, OutboxRow.id).limit(literal_column(str(limit)))
        return ordered.with_for_update(skip_locked=True, of=OutboxRow)

    def _known_or_useless(self, now: datetime) -> ColumnElement[bool]:
        return or_(OutboxRow.kind.in_(list(self._kinds)), OutboxRow.expires_at <= now)

    async def _expire(self, tx: Tx, ids: Sequence[int]) -> None:
        if not ids:
            return
        # what may have gone out before has not simply expired
        state = case((OutboxRow.in_doubt, State.UNCERTAIN.value), else_=State.EXPIRED.value)
        await tx.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(state=state))

    async def _lease_rows(self, tx: Tx, rows: Sequence[Row[Any]]) -> Sequence[Claimed]:
        if not rows:
            return []
        token = f"{self._replica}:{uuid.uuid4().hex}"
        await tx.execute(
            update(OutboxRow)
            .where(OutboxRow.id.in_([row.id for row in rows]))
            .values(state=State.LEASED, lease_token=token, lease_until=database_epoch() + self._lease)
        )
        return [_claimed(row, token) for row in rows]

    def _abandoned(self) -> tuple[ColumnElement[bool], ...]:
        return (
            _is(OutboxRow.state, *IN_FLIGHT),
            OutboxRow.lease_until <= database_epoch(),
            # our own rows are never abandoned, wherever the clock under an embedded database jumps
            OutboxRow.id.not_in(list(self.busy)),
            or_(OutboxRow.state == State.LEASED, self._known_or_useless(self._clock.now())),
        )

    async def abandoned(self, tx: Tx) -> list[Abandoned]:
        rows = _whole_rows().where(*self._abandoned()).order_by(OutboxRow.id).limit(REAPED_AT_ONCE)
        found = await tx.execute(rows.with_for_update(skip_locked=True))
        return [Abandoned(_claimed(row, row.lease_token), row.state == State.STARTED) for row in found.all()]

    async def start(self, tx: Tx, row: Claimed, chat: ChatRef, now: datetime) -> bool:
        """The intent, to be committed before the send; False when the row is not ours any more."""
        started = await tx.execute(
            update(OutboxRow)
            .where(
                OutboxRow.id == row.owed.id,
                OutboxRow.lease_token == row.token,
                OutboxRow.state == State.LEASED,
                OutboxRow.lease_until > database_epoch(),
            )
            .values(
                state=State.STARTED,
                started_at=now,
                attempts=row.attempts + 1,
                bot_id=chat.bot_id,
                chat_id=chat.chat_id,
                lease_until=database_epoch() + self._lease,
            )
        )
        return started.rowcount == 1

    async def settle(self, tx: Tx, row: Claimed, verdict: Verdict) -> bool:
        """Write what became of a claimed row; False when it is not ours any more."""
        now = self._clock.now()
        values: dict[str, Any] = {
            "state": verdict.state,
            "attempts": verdict.attempts,
            "in_doubt": verdict.in_doubt,
            "detail": verdict.detail or None,
            "lease_token": None,
            "lease_until": None,
        }
        if verdict.state is State.SENT:
            values |= {"sent_at": now, "message_id": verdict.message_id}
        if verdict.state is State.PENDING and verdict.wait:
            values["due_at"] = now + timedelta(seconds=verdict.wait)
        ours = update(OutboxRow).where(
            OutboxRow.id == row.owed.id,
            OutboxRow.lease_token == row.token,
            _is(OutboxRow.state, *IN_FLIGHT),
        )
        return (await tx.execute(ours.values(values))).rowcount == 1

    async def pause(self, tx: Tx, contact_id: int, seconds: float) -> None:
        """Leave a contact alone for a while; rows keep their order meanwhile."""
        until = self._clock.now() + timedelta(seconds=seconds)
        pause = insert_into(tx, OutboxPause).values(contact_id=contact_id, until=until)
        await tx.execute(pause.on_conflict_do_update(index_elements=["contact_id"], set_={"until": until}))


def _whole_rows() -> Select[Any]:
    return select(*OutboxRow.__table__.columns)


def _is(column: InstrumentedAttribute[str], *states: State) -> ColumnElement[bool]:
    """As literals: a database uses a partial index only where it can see the values."""
    literals: list[ColumnElement[str]] = [literal_column(f"'{state}'") for state in states]
    return column == literals[0] if len(literals) == 1 else column.in_(literals)


def _claimed(row: Row[Any], token: str) -> Claimed:
    owed = Owed(row.id, row.kind, row.contact_id, row.payload, row.planned_at)
    chat = ChatRef(row.bot_id, row.chat_id) if row.bot_id is not None else None
    return Claimed(owed, token, row.expires_at, row.attempts, row.in_doubt, chat)


def _first_of_each_contact(page: Sequence[Row[Any]], now: datetime) -> list[Row[Any]]:
    first: dict[int, Row[Any]] = {}
    for row in page:
        if row.expires_at > now:
            first.setdefault(row.contact_id, row)
    return list(first.values())


async def void_leases(tx: Tx) -> None:
    """Let nobody wait for rows that a dead process held: for a start that knows itself to be alone."""
    held = update(OutboxRow).where(OutboxRow.state.in_(IN_FLIGHT))
    await tx.execute(held.values(lease_until=0.0))
