"""Updates that a process leaves behind when it dies, handed to the next one."""

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import select

from bot.background import Background, InFlight
from bot.inbox import MAX_ATTEMPTS, Accepted, Inbox, InboxUpdate, Lane
from bot.storage import Database
from tests.conftest import MovableClock
from tests.machine import until

BOT = 1
ANN, BO = Lane(BOT, 1), Lane(BOT, 2)


class Process:
    """One life of the machine: it notes what it begins and what was open then, and hangs at `dies_at` until it dies."""

    def __init__(self, db: Database, name: str, dies_at: str | None = None) -> None:
        self.db = db
        self.background = Background()
        self.inbox = Inbox(db, MovableClock(), self.background, InFlight(), name, replayable=[BOT])
        self.inbox.handle = self._handle
        self.dies_at = dies_at
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
