"""Shipped entries reach the database at an upgrade, and what was edited here stays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.storage import Database
from knowledge.curation import Published
from knowledge.library import SHIPPED, LibraryError, in_order, load, parse, stored, written
from knowledge.models import EntryRevision
from knowledge.revisions import published_contents, state
from knowledge.shipped import Merged, merge_shipped
from tests.conftest import MovableClock
from tests.knowledge.conftest import ENTRY
from tests.knowledge.house import Replica, answering, asking, forget_knowledge, replica, ship, without

NEW_ANSWER = "A CIPO **leads** intellectual property."


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    folder = tmp_path / "entries"
    folder.mkdir()
    return folder


@pytest.fixture
async def house(db: Database, clock: MovableClock, entries: Path) -> AsyncIterator[Replica]:
    await forget_knowledge(db)
    await ship(db, clock, entries)
    async with replica(db, clock) as made:
        yield made


def with_new_answer(text: str) -> str:
    return text.replace("A CIPO **runs** intellectual property.", NEW_ANSWER)


def with_new_phrasing(text: str) -> str:
    return text.replace("one f]", "one f, one g]")


async def answer_of(house: Replica, entry_id: str = "cipo-01") -> str:
    return str((await house.content(entry_id))[0]["en"]["answer"])


async def revisions(db: Database) -> int:
    async with db.read() as tx:
        return (await tx.execute(select(func.count()).select_from(EntryRevision))).scalar_one()


async def test_the_first_merge_publishes_everything_as_it_is_written(db: Database) -> None:
    """The template of the test databases was merged from the shipped files."""
    shipped = load(SHIPPED)
    async with db.read() as tx:
        held = await published_contents(tx)
    read = in_order(parse(stored(version), shipped.glossary) for content in held.values() for version in content)
    assert [written(entry) for entry in read] == [written(entry) for entry in in_order(shipped.entries)]


async def test_the_order_of_the_shipped_files_is_kept(db: Database) -> None:
    shipped = load(SHIPPED)
    for category in shipped.categories():
        ids = [entry.id for entry in shipped.entries if entry.category == category.id]
        assert ids == [entry.id for entry in in_order(shipped.entries) if entry.category == category.id]


async def test_merging_the_same_files_again_changes_nothing(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    before = await revisions(db)
    assert await ship(db, clock, entries) is None
    assert await ship(db, clock, entries, lambda text: f"# a comment\n{text}") == Merged((), (), (), ())
    async with db.read() as tx:
        assert (await state(tx)).version == 1
    assert await revisions(db) == before


async def test_an_unedited_entry_takes_the_new_text(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    assert await ship(db, clock, entries, with_new_answer) == Merged(("cipo-01",), (), (), ())
    assert await answer_of(house) == NEW_ANSWER
    [newest, oldest] = await house.curation.history("cipo-01")
    assert (newest.state, newest.origin, oldest.state) == ("published", "shipped", "superseded")


async def test_an_edited_entry_is_kept_and_the_new_text_waits(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    await house.publishes("cipo-01", answering(await house.content("cipo-01"), "Ours."))
    assert await ship(db, clock, entries, with_new_answer) == Merged((), (), (), ("cipo-01",))
    assert await answer_of(house) == "Ours."
    [waiting] = await house.curation.conflicts()
    assert isinstance(await house.curation.publish(None, waiting.id), Published)
    assert await answer_of(house) == NEW_ANSWER
    assert await ship(db, clock, entries) == Merged(("cipo-01",), (), (), ())  # it follows the files again


async def test_a_conflict_that_was_decided_or_overtaken_is_not_raised_again(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    await house.publishes("cipo-01", answering(await house.content("cipo-01"), "Ours."))
    await ship(db, clock, entries, with_new_answer)
    assert await ship(db, clock, entries, lambda text: f"# again\n{with_new_answer(text)}") == Merged((), (), (), ())
    newer = NEW_ANSWER.replace("leads", "heads")
    await ship(db, clock, entries, lambda text: with_new_answer(text).replace(NEW_ANSWER, newer))
    [waiting] = await house.curation.conflicts()
    content = await house.curation.content(waiting.id)
    assert content is not None
    assert content[0]["en"]["answer"] == newer
    await house.curation.discard(None, waiting.id)
    await ship(db, clock, entries, lambda text: f"# more\n{with_new_answer(text).replace(NEW_ANSWER, newer)}")
    assert await house.curation.conflicts() == []
    assert await answer_of(house) == "Ours."


async def test_what_was_added_here_and_changed_there_goes_together(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    await house.publishes("cipo-01", asking(await house.content("cipo-01"), "office of the owl"))
    assert await ship(db, clock, entries, lambda text: with_new_answer(with_new_phrasing(text))) == Merged(
        (), (), ("cipo-01",), ()
    )
    [version] = await house.content("cipo-01")
    assert version["en"]["answer"] == NEW_ANSWER
    assert version["en"]["phrasings"][-2:] == ["office of the owl", "one g"]
    assert await house.curation.conflicts() == []
    await house.live.look()
    assert await house.answers("office of the owl") == "cipo-01"


async def test_entries_no_longer_shipped_are_retired_unless_edited(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    assert await ship(db, clock, entries, without("cipo-02")) == Merged((), ("cipo-02",), (), ())
    await house.live.look()
    assert await house.answers("Who needs one?") != "cipo-02"
    assert await ship(db, clock, entries) == Merged(("cipo-02",), (), (), ())
    await house.publishes("cipo-02", answering(await house.content("cipo-02"), "Ours."))
    assert await ship(db, clock, entries, without("cipo-02")) == Merged((), (), (), ("cipo-02",))
    [waiting] = await house.curation.conflicts()
    assert (waiting.entry_id, waiting.retired) == ("cipo-02", True)
    assert await answer_of(house, "cipo-02") == "Ours."


async def test_an_entry_retired_here_stays_so(house: Replica, db: Database, clock: MovableClock, entries: Path) -> None:
    await house.publishes("cipo-01", ())
    assert await ship(db, clock, entries, with_new_answer) == Merged((), (), (), ("cipo-01",))
    await house.live.look()
    assert await house.answers("What does a CIPO do?") != "cipo-01"


async def test_an_entry_of_ones_own_is_nobody_elses(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    [model] = await house.content("cipo-02")
    own = [{**model, "id": "cipo-90", "related": []}]
    drafted = await house.curation.draft_all(None, {"cipo-90": own})
    assert isinstance(drafted, list)
    assert await ship(db, clock, entries, with_new_phrasing) == Merged(("cipo-01",), (), (), ())
    assert [draft.entry_id for draft in await house.curation.drafts()] == ["cipo-90"]


async def test_two_replicas_that_start_at_once_merge_once(
    db: Database, database_url: str, clock: MovableClock, entries: Path
) -> None:
    await forget_knowledge(db)
    (entries / "cipo.yaml").write_text(ENTRY, encoding="utf-8")
    other = Database(database_url)
    merges = await asyncio.gather(*(merge_shipped(each, clock.now(), entries) for each in (db, other, db, other)))
    await other.close()
    assert sorted(merged is not None for merged in merges) == [False, False, False, True]
    assert await revisions(db) == 2


async def test_a_broken_file_leaves_everything_as_it_was(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    with pytest.raises(LibraryError, match=r"cipo\.yaml:2: cipo-01: basis is 'hearsay'"):
        await ship(db, clock, entries, lambda text: text.replace("basis: sourced", "basis: hearsay"))
    assert await revisions(db) == 2
    assert await ship(db, clock, entries) is None
