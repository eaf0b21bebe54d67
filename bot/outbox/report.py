"""What became of the messages owed, for those who look after the machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from bot.clock import Clock
from bot.outbox.models import NEEDS_A_LOOK, OutboxRow
from bot.outbox.outbox import State
from bot.storage import Database

LOOKED_AT = timedelta(days=30)
"""How long a message that came to a bad end is shown."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """So many messages of one kind that need a look: `dead` never went out, `uncertain` may have."""

    kind: str
    dead: int
    uncertain: int


class OutboxReport:
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def counts(self) -> Mapping[str, int]:
        """How many rows are in each state that has any."""
        statement = select(OutboxRow.state, func.count().label("number")).group_by(OutboxRow.state)
        async with self._db.read() as tx:
            return {row.state: row.number for row in await tx.execute(statement.order_by(OutboxRow.state))}

    async def health(self) -> Mapping[str, int]:
        """In numbers that are cheap to tell: messages `due` now, and those of the last 30 days that need a look."""
        due = select(func.count()).where(OutboxRow.state == State.PENDING, OutboxRow.due_at <= self._clock.now())
        async with self._db.read() as tx:
            number = (await tx.execute(due)).scalar_one()
        troubles = await self.troubles()
        return {"due": number, "dead": sum(t.dead for t in troubles), "uncertain": sum(t.uncertain for t in troubles)}

    async def troubles(self) -> Sequence[Trouble]:
        """The kinds with messages that need a look, of those planned in the last 30 days."""
        recent = OutboxRow.planned_at > self._clock.now() - LOOKED_AT
        ended = NEEDS_A_LOOK  # as the index says it
        statement = select(OutboxRow.kind, OutboxRow.state, func.count().label("number")).where(ended, recent)
        async with self._db.read() as tx:
            rows = (await tx.execute(statement.group_by(OutboxRow.kind, OutboxRow.state))).all()
        counted = {(row.kind, row.state): row.number for row in rows}
        return [
            Trouble(kind, counted.get((kind, State.DEAD), 0), counted.get((kind, State.UNCERTAIN), 0))
            for kind in sorted({row.kind for row in rows})
        ]
