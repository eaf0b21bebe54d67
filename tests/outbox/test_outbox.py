"""Owing and withdrawing messages."""

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.outbox.models import OutboxRow
from bot.outbox.outbox import NewRow, Outbox, State
from bot.storage import Database
from tests.conftest import START, MovableClock
from tests.outbox.world import a_contact


def a_row(contact_id: int, key: str = "a", **changes: Any) -> NewRow:
    fields: dict[str, Any] = {
        "kind": "reminder",
        "contact_id": contact_id,
        "subject": "event:1",
        "key": key,
        "payload": {"event": 1},
        "due_at": START,
        "expires_at": START + timedelta(hours=1),
    }
    return NewRow(**{**fields, **changes})


async def states(db: Database) -> dict[str, str]:
    async with db.read() as tx:
        rows = await tx.execute(select(OutboxRow.key, OutboxRow.state).order_by(OutboxRow.key))
        return {row.key: row.state for row in rows}


async def test_the_same_key_is_owed_once(db: Database, clock: MovableClock) -> None:
    outbox, contact = Outbox(clock), await a_contact(db)
    for new in (1, 0):
        async with db.write() as tx:
            assert await outbox.enqueue(tx, [a_row(contact)]) == new
    assert await states(db) == {"a": State.PENDING}


async def test_a_change_that_fails_owes_nothing(db: Database, clock: MovableClock) -> None:
    outbox, contact = Outbox(clock), await a_contact(db)
    try:
        async with db.write() as tx:
            await outbox.enqueue(tx, [a_row(contact)])
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await states(db) == {}


async def test_many_rows_are_owed_in_few_statements_and_only_new_ones_count(db: Database, clock: MovableClock) -> None:
    outbox, contact = Outbox(clock), await a_contact(db)
    rows = [a_row(contact, f"{number:04}") for number in range(1201)]
    async with db.write() as tx:
        assert await outbox.enqueue(tx, rows[:7]) == 7
        assert await outbox.enqueue(tx, rows) == 1194
        assert await outbox.enqueue(tx, rows) == 0
        assert await outbox.enqueue(tx, []) == 0
    assert len(await states(db)) == 1201


async def test_three_planners_at_once_owe_each_message_once(db: Database, clock: MovableClock) -> None:
    outbox, contact = Outbox(clock), await a_contact(db)
    rows = [a_row(contact, f"{number:03}") for number in range(300)]

    async def plan(mine: list[NewRow]) -> int:
        async with db.write() as tx:
            return await outbox.enqueue(tx, mine)

    written = await asyncio.gather(plan(rows), plan(rows[::-1]), plan(rows[150:] + rows[:150]))
    assert sum(written) == 300
    assert len(await states(db)) == 300


async def test_withdrawing_cancels_what_is_about_the_subject_and_not_on_its_way(
    db: Database, clock: MovableClock
) -> None:
    outbox, contact = Outbox(clock), await a_contact(db)
    rows = [
        a_row(contact, "a"),
        a_row(contact, "b"),
        a_row(contact, "notice", kind="notice"),
        a_row(contact, "other", subject="event:2"),
    ]
    async with db.write() as tx:
        await outbox.enqueue(tx, rows)
        started = OutboxRow.__table__.update().where(OutboxRow.key == "b").values(state=State.STARTED)  # type: ignore[attr-defined]
        await tx.execute(started)
        assert await outbox.withdraw(tx, "event:1", kinds=["reminder"]) == 1
    assert await states(db) == {
        "a": State.CANCELLED,
        "b": State.STARTED,
        "notice": State.PENDING,
        "other": State.PENDING,
    }
    async with db.write() as tx:
        assert await outbox.withdraw(tx, "event:1") == 1
        assert await outbox.withdraw(tx, "event:1") == 0


async def test_erasing_a_contact_takes_what_is_owed_along(db: Database, clock: MovableClock) -> None:
    outbox, contact = Outbox(clock), await a_contact(db)
    async with db.write() as tx:
        await outbox.enqueue(tx, [a_row(contact)])
        await tx.exec_driver_sql("DELETE FROM contact")
    assert await states(db) == {}
