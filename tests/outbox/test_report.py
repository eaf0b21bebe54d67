"""What those who look after the machine are told of the messages owed."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.outbox.models import OutboxRow
from bot.outbox.outbox import State
from bot.outbox.report import LOOKED_AT, OutboxReport, Trouble
from bot.storage import Database
from tests.conftest import MovableClock
from tests.outbox.world import World, a_contact

D, U = State.DEAD, State.UNCERTAIN
FATES = {"a": D, "b": D, "c": U, "d": State.SENT, "e": State.EXPIRED, "f": State.PENDING}


@pytest.fixture
def world(db: Database, clock: MovableClock) -> World:
    return World(db, clock)


async def test_dead_and_uncertain_messages_are_told_by_kind_for_a_month(world: World, clock: MovableClock) -> None:
    report = OutboxReport(world.db, clock)
    assert (await report.counts(), await report.troubles()) == ({}, [])
    contact = await a_contact(world.db)
    await world.owe(contact, *FATES)
    async with world.db.write() as tx:
        for text, state in FATES.items():
            await tx.execute(update(OutboxRow).where(OutboxRow.key.endswith(f":{text}")).values(state=state))
    rows = await world.rows()
    assert sorted(row.state for row in rows) == sorted(FATES.values())
    assert await report.counts() == {D: 2, U: 1, State.EXPIRED: 1, State.PENDING: 1, State.SENT: 1}
    assert await report.health() == {"due": 1, "dead": 2, "uncertain": 1}
    (trouble,) = await report.troubles()
    assert trouble == Trouble(rows[0].kind, dead=2, uncertain=1)
    clock.advance(LOOKED_AT + timedelta(days=1))
    assert await report.troubles() == []
