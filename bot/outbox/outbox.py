"""Owing messages: rows are written, and withdrawn, in the transaction of the change that causes them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, select, update

from bot.clock import Clock
from bot.outbox.models import OutboxRow
from bot.storage import Tx, insert_into

ROWS_A_STATEMENT = 500
"""Keeps a statement below the 32,767 parameters PostgreSQL's protocol allows."""


class State(StrEnum):
    PENDING = "pending"
    LEASED = "leased"  # claimed by a sender, nothing sent yet
    STARTED = "started"  # on its way: from here on it may have been sent
    SENT = "sent"
    UNDELIVERABLE = "undeliverable"  # nobody to be reached
    EXPIRED = "expired"  # no use any more, never sent
    CANCELLED = "cancelled"  # withdrawn or not wanted any more
    DEAD = "dead"  # refused, or failed too often: a person has to look
    UNCERTAIN = "uncertain"  # perhaps sent, not tried again: a person has to look


NOT_STARTED = (State.PENDING, State.LEASED)


@dataclass(frozen=True, slots=True)
class NewRow:
    """A message to owe. `subject` is what it is about, like "appointment:12"; `payload` holds ids only.

    It goes out between `due_at` and `expires_at`. A row whose `key` is there already is not written again.
    """

    kind: str
    contact_id: int
    subject: str
    key: str
    payload: Mapping[str, Any]
    due_at: datetime
    expires_at: datetime


def nobody_sends() -> None:
    """For a process that only owes messages, such as the command line: whoever serves sends them."""


class Outbox:
    """What use cases write to. `due` hears that something may be due; the sender's, set once, at build."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.due: Callable[[], None] = nobody_sends

    async def enqueue(self, tx: Tx, rows: Sequence[NewRow]) -> int:
        """Owe messages; how many of them were new."""
        if not rows:
            return 0
        # one order of keys for everyone, or two planners of the same rows could block each other
        values = [self._values(row) for row in sorted(rows, key=lambda row: row.key)]
        insert = insert_into(tx, OutboxRow).on_conflict_do_nothing(index_elements=["key"])
        return len((await tx.execute(insert.returning(OutboxRow.id), values)).all())

    def _values(self, row: NewRow) -> dict[str, Any]:
        now = self._clock.now()
        fields = {**asdict(row), "payload": dict(row.payload)}
        return {**fields, "planned_at": row.due_at, "created_at": now, "state": State.PENDING.value}

    async def withdraw(self, tx: Tx, subject: str, kinds: Collection[str] | None = None) -> int:
        """Cancel the rows about `subject` that are not on their way yet; how many there were."""
        about = OutboxRow.subject == subject
        return await cancel(tx, about if kinds is None else about & OutboxRow.kind.in_(kinds))

    def wake(self) -> None:
        """Call after the commit, so that the sender does not wait for its next tick."""
        self.due()


async def cancel(tx: Tx, which: ColumnElement[bool]) -> int:
    """Cancel rows not on their way, locking them in one order so that two cancellations never block each other."""
    rows = select(OutboxRow.id).where(which, OutboxRow.state.in_(NOT_STARTED))
    ids = (await tx.execute(rows.order_by(OutboxRow.id).with_for_update())).scalars().all()
    for start in range(0, len(ids), ROWS_A_STATEMENT):
        chunk = ids[start : start + ROWS_A_STATEMENT]
        await tx.execute(
            update(OutboxRow).where(OutboxRow.id.in_(chunk)).values(state=State.CANCELLED, lease_token=None)
        )
    return len(ids)
