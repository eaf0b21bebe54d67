"""Updates that a process leaves behind when it dies, handed to the next one."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from bot.background import Background, InFlight
from bot.inbox import MAX_ATTEMPTS, Accepted, Inbox, InboxUpdate, Lane
from bot.storage import Database, Tx
from tests.conftest import MovableClock
from tests.machine import until

BOT = 1
ANN, BO = Lane(BOT, 1), Lane(BOT, 2)


class Process:
    """One life of the machine: it notes what it begins and what was open then, and hangs at `dies_at` until it dies."""

    def __init__(
        self, db: Database, name: str, dies_at: str | None = None, replayable: Collection[int] = (BOT,)
    ) -> None:
        self.db = db
        self.background = Background()
        self.inbox = Inbox(db, MovableClock(), self.background, InFlight(), name, replayable)
        self.inbox.handle = self._handle
        self.dies_at = dies_at
        self.fails: dict[str, list[BaseException]] = {}
        self.inbox.given_up = self._told
        self.told: list[str] = []
        self.begun: list[str] = []
        self.open_at_begin: list[set[str]] = []
        self.dead, self.go_on = asyncio.Event(), asyncio.Event()

    async def accepts(self, *updates: tuple[Lane, str]) -> None:
        """All of them before any is handled."""
        taken = []
        for lane, payload in updates:
            async with self.db.write() as tx:
                taken.append(await self.inbox.accept(tx, lane, payload, payload))
        for accepted in taken:
            assert accepted is not None
            self.inbox.take(accepted)

    async def _handle(self, accepted: Accepted) -> None:
        self.begun.append(accepted.payload)
        self.open_at_begin.append(await still_open(self.db))
        if accepted.payload == self.dies_at:
            self.dead.set()
            await self.go_on.wait()
        if self.fails.get(accepted.payload):
            raise self.fails[accepted.payload].pop(0)

    async def _told(self, accepted: Accepted, reference: str) -> None:
        self.told.append(accepted.payload)

    async def starts(self) -> None:
        """As after a kill: nobody else is at work."""
        await self.inbox.recover()
        await self.inbox.tick()

    async def idles(self) -> None:
        await until(lambda: not self.inbox.busy, "the inbox to be worked off")

    async def dies(self) -> None:
        """Without a last word: what it knows only in its memory is gone."""
        await self.background.close()


async def still_open(db: Database) -> set[str]:
    async with db.read() as tx:
        return set((await tx.execute(select(InboxUpdate.payload).where(InboxUpdate.done_at.is_(None)))).scalars())


async def test_an_update_is_marked_before_the_next_one_of_its_chat_begins(db: Database) -> None:
    process = Process(db, "first")
    await process.accepts((ANN, "company"), (ANN, "name"), (BO, "hello"), (ANN, "contact"))
    await process.idles()
    seen = dict(zip(process.begun, process.open_at_begin, strict=True))
    assert "company" not in seen["name"]
    assert not {"company", "name"} & seen["contact"]


async def test_after_a_death_only_what_was_not_finished_is_begun_again(db: Database) -> None:
    first = Process(db, "first", dies_at="name")
    await first.accepts((ANN, "company"), (ANN, "name"), (ANN, "contact"))
    await first.dead.wait()
    await first.dies()
    second = Process(db, "second")
    await second.starts()
    await second.idles()
    assert second.begun == ["name", "contact"]


async def test_what_kills_the_process_is_given_up_and_nothing_else(db: Database) -> None:
    first = Process(db, "first", dies_at="poison")
    await first.accepts((ANN, "poison"), (ANN, "after"), (BO, "bystander"))
    await first.dead.wait()
    await first.dies()
    for life in range(MAX_ATTEMPTS):
        process = Process(db, f"life {life}", dies_at="poison")
        await process.starts()
        await process.dead.wait()
        await process.dies()
    last = Process(db, "last", dies_at="poison")
    await last.starts()
    await last.idles()
    assert "poison" not in last.begun
    assert "after" in last.begun
    await last.inbox.tick()
    assert await still_open(db) == set()


async def test_a_mark_that_was_rolled_back_is_made_later(db: Database) -> None:
    process = Process(db, "first")
    await process.accepts((ANN, "hello"))
    await process.idles()
    with suppress(RuntimeError):
        async with db.write() as tx:
            await process.inbox.accept(tx, ANN, "lost", "lost")
            raise RuntimeError("the disk is full")
    await process.inbox.tick()
    assert await still_open(db) == set()
    assert process.begun == ["hello"]


async def test_the_same_key_is_accepted_once(db: Database) -> None:
    process = Process(db, "first")
    await process.accepts((ANN, "hello"))
    async with db.write() as tx:
        assert await process.inbox.accept(tx, ANN, "hello", "hello") is None
    await process.idles()
    assert process.begun == ["hello"]


async def test_a_paused_inbox_finishes_what_it_has_begun_and_begins_nothing(db: Database) -> None:
    first = Process(db, "first", dies_at="one")
    await first.accepts((ANN, "one"), (ANN, "two"))
    await first.dead.wait()
    first.inbox.pause()
    first.go_on.set()
    await first.idles()
    await first.accepts((BO, "three"))
    await first.inbox.stop()
    assert first.begun == ["one"]
    assert await still_open(db) == {"two", "three"}
    second = Process(db, "second")
    await second.inbox.tick()
    await second.idles()
    assert sorted(second.begun) == ["three", "two"]


@pytest.mark.parametrize("others_first", [True, False])
async def test_a_chat_belongs_to_one_replica_until_its_lease_is_over(db: Database, others_first: bool) -> None:
    owner, other = Process(db, "owner"), Process(db, "other")
    await owner.accepts((ANN, "one"))
    await owner.idles()
    await other.accepts((ANN, "two"))
    await (other if others_first else owner).inbox.tick()
    await owner.inbox.tick()
    await owner.idles()
    assert (owner.begun, other.begun) == (["one", "two"], [])


AWAY = OperationalError("SELECT", {}, Exception("the database is away"))


class Unwilling:
    """The database of a process; the next `refusals` write transactions fail as they begin."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.refusals = 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        if self.refusals:
            self.refusals -= 1
            raise AWAY
        async with self._db.write() as tx:
            yield tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.mark.parametrize("replayable", [(BOT,), ()])
async def test_after_a_mark_that_failed_the_updates_of_a_chat_still_come_in_order(
    db: Database, replayable: Collection[int]
) -> None:
    process = Process(db, "first", dies_at="zero", replayable=replayable)
    unwilling = Unwilling(db)
    process.inbox._db = cast(Database, unwilling)
    await process.accepts((ANN, "zero"), (ANN, "one"))
    await process.dead.wait()
    unwilling.refusals = 1  # the mark of "zero", which has to come before "one" begins
    process.go_on.set()
    await process.idles()
    assert (process.begun, unwilling.refusals) == (["zero"], 0)
    await process.accepts((ANN, "two"))
    await process.idles()
    assert process.begun == ["zero", "one", "two"]
    await process.inbox.tick()
    assert await still_open(db) == set()


async def test_an_update_that_met_an_outage_is_handled_again_before_later_ones(db: Database) -> None:
    process = Process(db, "first")
    process.fails = {"one": [AWAY, ConnectionRefusedError("nobody listens")]}
    await process.accepts((ANN, "one"), (ANN, "two"))
    for _ in range(3):
        await process.idles()
        await process.inbox.tick()
    await process.idles()
    assert process.begun == ["one", "one", "one", "two"]
    assert process.told == []
    await process.inbox.tick()
    assert await still_open(db) == set()


async def test_an_update_that_only_ever_meets_outages_is_given_up_and_its_sender_told(db: Database) -> None:
    process = Process(db, "first")
    process.fails = {"one": [AWAY] * 99}
    await process.accepts((ANN, "one"), (ANN, "two"))
    for _ in range(MAX_ATTEMPTS + 1):
        await process.idles()
        await process.inbox.tick()
    await process.idles()
    assert process.begun == ["one"] * (1 + MAX_ATTEMPTS) + ["two"]
    assert process.told == ["one"]
    await process.inbox.tick()
    assert await still_open(db) == set()


async def test_who_sent_what_takes_too_long_is_told_and_the_next_one_begins(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.inbox.HANDLING_SECONDS", 0.05)
    process = Process(db, "first", dies_at="endless")
    await process.accepts((ANN, "endless"), (ANN, "next"))
    await process.idles()
    assert (process.begun, process.told) == (["endless", "next"], ["endless"])
    await process.inbox.tick()
    assert await still_open(db) == set()


async def test_a_mistake_in_handling_is_not_repeated(db: Database) -> None:
    process = Process(db, "first")
    process.fails = {"one": [ValueError("a mistake")]}
    await process.accepts((ANN, "one"), (ANN, "two"))
    await process.idles()
    assert process.begun == ["one", "two"]
