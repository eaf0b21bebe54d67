"""Replicas answer from what the database holds: edits, days and fitted heads reach all of them by themselves."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.background import InFlight
from bot.storage import Database
from knowledge import heads
from knowledge.engine import Document, Head, fit_head, index
from knowledge.engine.analysis import Analyzer
from knowledge.engine.index import Row
from knowledge.heads import FittingError, fit_beside, void_leases
from knowledge.live import LOOK_SECONDS
from knowledge.models import EntryRevision, KnowledgeModel
from scheduler.ticks import Tick, Ticks
from tests.conftest import MovableClock
from tests.knowledge.house import Replica, answering, asking, fit_here, forget_knowledge, replica, ship
from tests.machine import until
from tests.test_budget import counted

OLD_LAW, NEW_LAW = "Under the law of 2019.", "Under the law of 2027."


@pytest.fixture
async def knowledge(db: Database, clock: MovableClock, tmp_path: Path) -> Path:
    """Two entries in the database, and the folder they come from."""
    await forget_knowledge(db)
    folder = tmp_path / "entries"
    folder.mkdir()
    await ship(db, clock, folder)
    return folder


@pytest.fixture
async def others(database_url: str, db: Database) -> AsyncIterator[Database]:
    """The same database as another process has it."""
    other = Database(database_url)
    yield other
    await other.close()


@asynccontextmanager
async def ticking(made: Replica, clock: MovableClock) -> AsyncIterator[None]:
    """The replica looks as often as the running machine does."""
    ticks = Ticks([Tick("knowledge", made.live.tick, seconds=LOOK_SECONDS)], InFlight())
    ticks.start()
    try:
        yield
    finally:
        await ticks.shutdown()


def answers(made: Replica, text: str, entry: str | None) -> Callable[[], Awaitable[bool]]:
    async def answered() -> bool:
        return await made.answers(text) == entry

    return answered


async def model(db: Database) -> str | None:
    """The head stored last."""
    async with db.read() as tx:
        stored = select(KnowledgeModel.head_id).where(KnowledgeModel.head.is_not(None))
        return (await tx.execute(stored.order_by(KnowledgeModel.stored_at.desc()).limit(1))).scalar_one_or_none()


@pytest.mark.usefixtures("knowledge")
async def test_an_edit_reaches_every_replica_by_itself(db: Database, others: Database, clock: MovableClock) -> None:
    async with (
        replica(db, clock, "one") as one,
        replica(others, clock, "two") as two,
        ticking(one, clock),
        ticking(two, clock),
    ):
        for number in range(3):
            text = f"office of the owl {number}"
            await one.publishes("cipo-01", asking(await one.content("cipo-01"), text))
            await until(answers(one, text, "cipo-01"), "the replica that published")
            await until(answers(two, text, "cipo-01"), "the other replica")


@pytest.mark.usefixtures("knowledge")
async def test_looking_when_nothing_changed_is_one_statement_and_keeps_the_engine(
    db: Database, clock: MovableClock
) -> None:
    async with replica(db, clock) as one:
        before = await one.live.view()
        with counted(db) as counts:
            await one.live.look()
        assert counts.statements() == 1
        assert await one.live.view() is before


@pytest.mark.usefixtures("knowledge")
async def test_what_did_not_change_is_not_read_again(db: Database, clock: MovableClock) -> None:
    async with replica(db, clock) as one:
        before = await one.live.view()
        await one.publishes("cipo-01", asking(await one.content("cipo-01"), "office of the owl"))
        await one.live.look()
        after = await one.live.view()
        day = one.live.today()
        assert after.library.get("cipo-02", day) is before.library.get("cipo-02", day)
        assert after.library.get("cipo-01", day) is not before.library.get("cipo-01", day)


@pytest.mark.usefixtures("knowledge")
async def test_an_edit_analyses_and_counts_nothing_but_what_is_new(
    db: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysed: list[str] = []
    counted_rows: list[str] = []
    analyse_all, count = Analyzer.analyse_all, index._counted

    def analysing(analyzer: Analyzer, texts: Sequence[str]) -> Any:
        analysed.extend(texts)
        return analyse_all(analyzer, texts)

    def counting(rows: Sequence[Row]) -> Any:
        counted_rows.extend(row.text for row in rows)
        return count(rows)

    async with replica(db, clock) as one:
        monkeypatch.setattr(Analyzer, "analyse_all", analysing)
        monkeypatch.setattr(index, "_counted", counting)
        await one.publishes("cipo-01", asking(await one.content("cipo-01"), "office of the owl"))
        await one.live.look()
        assert await one.answers("office of the owl") == "cipo-01"
        assert analysed == counted_rows == ["office of the owl"]
        await one.publishes("cipo-01", answering(await one.content("cipo-01"), "It rules."))
        await one.live.look()
    assert analysed[1:] == ["It rules."]
    assert counted_rows[1:] == []


@pytest.mark.usefixtures("knowledge")
async def test_an_entry_that_cannot_be_read_is_left_out_and_the_others_answer(
    db: Database, clock: MovableClock
) -> None:
    async with db.write() as tx:
        damaged = EntryRevision.entry_id == "cipo-01"
        await tx.execute(update(EntryRevision).where(damaged).values(content=[{"id": "cipo-01", "category": "cipo"}]))
    async with replica(db, clock) as one:
        assert await one.answers("Who needs one?") == "cipo-02"
        assert [entry.id for entry in (await one.live.view()).library.entries] == ["cipo-02"]


@pytest.mark.usefixtures("knowledge")
async def test_a_database_that_is_away_is_not_asked_all_the_time(
    db: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replica(db, clock) as one:
        asked = 0

        async def away() -> None:
            nonlocal asked
            asked += 1
            raise ConnectionError

        monkeypatch.setattr(one.live, "_follow", away)
        with pytest.raises(ConnectionError):
            await one.live.tick()
        for _ in range(3):
            await one.live.tick()
        assert asked == 1


async def test_the_law_of_the_new_year_answers_from_its_first_day(
    knowledge: Path, db: Database, clock: MovableClock
) -> None:
    """At the turn of the day where the organiser is, without a restart."""

    def in_two_versions(text: str) -> str:
        first, second = text.split("- id: cipo-02")
        ending = first.replace("as_of:", "valid_to: 2026-12-31\n  as_of:", 1)
        starting = first.replace("as_of:", "valid_from: 2027-01-01\n  as_of:", 1)
        said = "A CIPO **runs** intellectual property."
        both = ending.replace(said, OLD_LAW) + starting.replace(said, NEW_LAW).replace("one a", "lantern parade")
        return f"{both}- id: cipo-02{second}"

    await ship(db, clock, knowledge, in_two_versions)
    async with replica(db, clock) as one:

        async def told() -> str | None:
            await one.live.tick()
            view = await one.live.view()
            decision = view.engine.decide("What does a CIPO do?")
            entry = view.library.get(decision.candidates[0].entry_id, view.day)
            return entry.texts["en"].answer_markdown if entry else None

        clock.set(datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC))
        assert await told() == OLD_LAW
        assert await one.answers("lantern parade") is None
        clock.set(datetime(2026, 12, 31, 16, 0, tzinfo=UTC))
        assert await told() == NEW_LAW
        assert await one.answers("lantern parade") == "cipo-01"


@pytest.mark.usefixtures("knowledge")
async def test_a_day_on_which_nothing_changes_costs_no_engine(db: Database, clock: MovableClock) -> None:
    async with replica(db, clock) as one:
        engine = (await one.live.view()).engine
        clock.set(datetime(2026, 12, 24, 3, 0, tzinfo=UTC))
        await one.live.look()
        view = await one.live.view()
        assert view.engine is engine
        assert view.day.isoformat() == "2026-12-24"


# Heads


class Fitters:
    """Counts who fits; each fit waits until it is let go, fails while `failing`."""

    def __init__(self) -> None:
        self.begun = 0
        self.failing = False
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, documents: Sequence[Document], synonyms: Sequence[Sequence[str]]) -> bytes:
        self.begun += 1
        await self.go.wait()
        if self.failing:
            raise FittingError("as told")
        return await fit_here(documents, synonyms)


@pytest.fixture
def fitters() -> Fitters:
    return Fitters()


async def is_fitted(made: Replica) -> bool:
    await made.live.tick()
    return (await made.live.view()).fitted


@pytest.mark.usefixtures("knowledge")
async def test_two_replicas_fit_once_and_both_answer_with_it(
    db: Database, others: Database, clock: MovableClock, fitters: Fitters
) -> None:
    async with replica(db, clock, "one", fitters) as one, replica(others, clock, "two", fitters) as two:
        await asyncio.gather(one.live.tick(), two.live.tick())
        await until(lambda: is_fitted(one), "the head of one")
        await until(lambda: is_fitted(two), "the head of two")
        assert fitters.begun == 1
        models = {(await each.live.view()).engine.model for each in (one, two)}
        assert len(models) == 1
        assert str(await model(db)) in models.pop()


@pytest.mark.usefixtures("knowledge")
async def test_answers_go_on_while_a_head_is_fitted(db: Database, clock: MovableClock, fitters: Fitters) -> None:
    fitters.go.clear()
    async with replica(db, clock, fitter=fitters) as one:
        await one.live.tick()
        await until(lambda: fitters.begun, "the fit to begin")
        assert await one.answers("What does a CIPO do?") == "cipo-01"
        await one.publishes("cipo-01", asking(await one.content("cipo-01"), "office of the owl"))
        await one.live.tick()
        assert await one.answers("office of the owl") == "cipo-01"
        assert fitters.begun == 1
        fitters.go.set()
        await until(lambda: is_fitted(one), "the head of the new text")
        assert fitters.begun == 2


@pytest.mark.usefixtures("knowledge")
async def test_a_stored_head_is_taken_up_at_the_start(db: Database, clock: MovableClock, fitters: Fitters) -> None:
    async with replica(db, clock, fitter=fitters) as one:
        await until(lambda: is_fitted(one), "the head")
    async with replica(db, clock, fitter=fitters) as again:
        assert await is_fitted(again)
    assert fitters.begun == 1


@pytest.mark.usefixtures("knowledge")
async def test_a_crash_between_fit_and_store_costs_one_more_fit(
    db: Database, clock: MovableClock, fitters: Fitters
) -> None:
    fitters.go.clear()
    async with replica(db, clock, "dead", fitters) as dead:
        await dead.live.tick()
        await until(lambda: fitters.begun, "the fit to begin")
    fitters.go.set()
    async with replica(db, clock, "alive", fitters) as alive:
        assert not await is_fitted(alive)  # the dead one's lease still runs
        assert fitters.begun == 1
        async with db.write() as tx:
            await void_leases(tx)
        await until(lambda: is_fitted(alive), "the head")
    assert fitters.begun == 2


@pytest.mark.usefixtures("knowledge")
async def test_a_failed_fit_is_tried_again_later_and_answers_go_on(
    db: Database, clock: MovableClock, fitters: Fitters
) -> None:
    fitters.failing = True
    async with replica(db, clock, fitter=fitters) as one:
        await one.live.tick()
        await until(lambda: _failures(db), "the failure to be noted")
        for _ in range(3):
            assert not await is_fitted(one)
        assert fitters.begun == 1
        assert await one.answers("What does a CIPO do?") == "cipo-01"
        fitters.failing = False
        async with db.write() as tx:
            await tx.execute(update(KnowledgeModel).values(lease_until=0.0))  # as if the wait were over
        await until(lambda: is_fitted(one), "the head")


async def _failures(db: Database) -> int:
    async with db.read() as tx:
        return (await tx.execute(select(KnowledgeModel.failures))).scalar() or 0


@pytest.mark.usefixtures("knowledge")
async def test_a_damaged_head_is_fitted_anew(db: Database, clock: MovableClock, fitters: Fitters) -> None:
    async with replica(db, clock, fitter=fitters) as one:
        await until(lambda: is_fitted(one), "the head")
    async with db.write() as tx:
        await tx.execute(update(KnowledgeModel).values(head=b"\x00 no head"))
    async with replica(db, clock, fitter=fitters) as again:
        await until(lambda: is_fitted(again), "the new head")
    assert fitters.begun == 2


@pytest.mark.usefixtures("knowledge")
async def test_a_text_that_comes_back_finds_its_head(db: Database, clock: MovableClock, fitters: Fitters) -> None:
    async with replica(db, clock, fitter=fitters) as one:
        [original] = await one.curation.history("cipo-01")
        await until(lambda: is_fitted(one), "the head")
        await one.publishes("cipo-01", asking(await one.content("cipo-01"), "office of the owl"))
        await until(lambda: is_fitted(one), "the head of the edit")
        await one.curation.rollback(None, "cipo-01", original.id)
        assert await is_fitted(one)
    assert fitters.begun == 2


@pytest.mark.usefixtures("knowledge")
async def test_old_heads_are_forgotten(db: Database, clock: MovableClock, fitters: Fitters) -> None:
    async with replica(db, clock, fitter=fitters) as one:
        for number in range(heads.KEPT + 2):
            await one.publishes("cipo-01", asking(await one.content("cipo-01"), f"owl {number}"))
            await until(lambda: is_fitted(one), "the head")
            clock.advance(timedelta(minutes=1))
    async with db.read() as tx:
        assert len((await tx.execute(select(KnowledgeModel.key))).all()) == heads.KEPT


# The process beside

DOCUMENTS = [Document("role", "en", ("What does a CIPO do?",)), Document("fee", "en", ("What is the price?",))]


def children() -> set[int]:
    """The processes that this one started and that still run."""
    listed = (task / "children" for task in Path(f"/proc/{os.getpid()}/task").iterdir())
    return {int(number) for file in listed for number in file.read_text().split()}


@pytest.fixture
async def beside() -> AsyncIterator[tuple[asyncio.Task[bytes], int]]:
    """A fit under way, and its process."""
    before = children()
    fit = asyncio.create_task(fit_beside(DOCUMENTS, [("fee", "price")]))
    await until(lambda: children() - before, "the process to start")
    [number] = children() - before
    yield fit, number
    fit.cancel()
    await asyncio.gather(fit, return_exceptions=True)


async def test_the_process_beside_gives_the_same_head(beside: tuple[asyncio.Task[bytes], int]) -> None:
    head = Head.from_bytes(await beside[0])
    assert head.id == fit_head(DOCUMENTS, [("fee", "price")]).id


async def test_a_killed_process_is_a_failed_fit(beside: tuple[asyncio.Task[bytes], int]) -> None:
    fit, process = beside
    os.kill(process, signal.SIGKILL)
    with pytest.raises(FittingError, match="exit code -9"):
        await fit


async def test_who_stops_waiting_takes_the_process_along(beside: tuple[asyncio.Task[bytes], int]) -> None:
    fit, process = beside
    os.kill(process, signal.SIGSTOP)  # or it might end by itself
    fit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fit
    assert process not in children()


async def test_a_process_that_cannot_fit_says_why() -> None:
    with pytest.raises(FittingError, match="exit code 1: TypeError"):
        await fit_beside([Document("role", "en", None)], [])  # type: ignore[arg-type]
