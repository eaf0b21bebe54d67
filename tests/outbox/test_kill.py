"""kill -9 between the steps of a send, in real processes."""

import asyncio
import random
import signal
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.clock import SystemClock
from bot.outbox.models import OutboxRow
from bot.outbox.outbox import NewRow, Outbox, State
from bot.outbox.port import ChatRef, Outcome
from bot.storage import Database
from bot.texts import Message
from tests.conftest import MovableClock
from tests.outbox.world import SENT, World, contacts

ROOT = Path(__file__).parents[2]
ROWS = 4


async def owe(db: Database, number: int) -> None:
    """Half of them reminders, half offers, each to a contact of its own, due now."""
    now = datetime.now(UTC)
    people = await contacts(db, number)
    rows = [
        NewRow(
            "reminder" if number % 2 else "offer",
            contact,
            "event:1",
            str(contact),
            {"text": str(contact)},
            now - timedelta(seconds=1),
            now + timedelta(days=1),
        )
        for number, contact in enumerate(people)
    ]
    async with db.write() as tx:
        await Outbox(SystemClock()).enqueue(tx, rows)


async def a_worker(db: Database, point: str, sink: Path, rows: int) -> asyncio.subprocess.Process:
    url = db.url.set(drivername=db.url.get_backend_name()).render_as_string(hide_password=False)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.outbox.worker", url, point, sink, str(rows), cwd=ROOT
    )


def arrived(sink: Path) -> Counter[str]:
    return Counter(sink.read_text().split() if sink.exists() else [])


@pytest.mark.parametrize(
    ("point", "copies", "in_doubt"),
    [
        ("claimed", {"reminder": 1, "offer": 1}, False),
        ("started", {"reminder": 1, "offer": 0}, True),
        ("sent", {"reminder": 2, "offer": 1}, True),
        ("marked", {"reminder": 1, "offer": 1}, False),
    ],
)
async def test_a_kill_between_two_steps_repeats_only_what_the_policy_allows(
    db: Database, tmp_path: Path, point: str, copies: dict[str, int], in_doubt: bool
) -> None:
    sink = tmp_path / "sink"
    await owe(db, ROWS)
    worker = await a_worker(db, point, sink, ROWS)
    assert await worker.wait() == -signal.SIGKILL
    total = arrived(sink)
    world = World(db, MovableClock(datetime.now(UTC)))
    await world.leases_run_out()
    await world.sender.tick()
    await world.later(minutes=1)
    total.update(key for _, _, key in world.channel.calls)
    rows = await world.rows()
    assert {row.kind: total[f"outbox:{row.id}"] for row in rows} == copies
    assert {row.in_doubt for row in rows} == {in_doubt}
    ends = {"reminder": State.SENT, "offer": State.UNCERTAIN if in_doubt else State.SENT}
    assert all(row.state == ends[row.kind] for row in rows)


@pytest.mark.soak
async def test_random_kills_lose_nothing_and_repeat_at_most_the_rows_in_flight(db: Database, tmp_path: Path) -> None:
    rows, in_flight, kills, sink = 1500, 5, 0, tmp_path / "sink"
    await owe(db, rows)
    dice = random.Random(7)
    while await pending(db):
        worker = await a_worker(db, "any", sink, in_flight)
        try:
            await asyncio.wait_for(worker.wait(), dice.uniform(1.5, 3.5))
        except TimeoutError:
            worker.kill()
            await worker.wait()
            kills += 1
    total = arrived(sink)
    world = World(db, MovableClock(datetime.now(UTC)))
    await world.leases_run_out()
    again: Counter[str] = Counter()

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        again[world.channel.calls[-1][2]] += 1
        return SENT

    world.channel.answer = answer
    for _ in range(3):
        await world.later(minutes=1)
    copies = total + again
    found = await world.rows()
    repeated = [row for row in found if copies[f"outbox:{row.id}"] > 1]
    never = [row for row in found if not copies[f"outbox:{row.id}"]]
    assert kills > 0
    assert len(repeated) <= kills * in_flight
    assert all(row.in_doubt and row.kind == "reminder" for row in repeated)
    assert all(row.state == State.UNCERTAIN and row.kind == "offer" for row in never)
    assert {row.state for row in found} <= {State.SENT, State.UNCERTAIN}


async def pending(db: Database) -> int:
    """Rows that a worker would still take up; what is in doubt waits for its minute."""
    waiting = select(func.count()).where(
        OutboxRow.state.in_([State.PENDING, State.LEASED, State.STARTED]),
        OutboxRow.in_doubt.is_(False),
    )
    async with db.read() as tx:
        return int((await tx.execute(waiting)).scalar_one())
