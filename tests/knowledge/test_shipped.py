"""Shipped entries reach the database at an upgrade, and what was edited here stays."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.storage import Database
from knowledge import shipped
from knowledge.curation import Drafted, Published, Refused
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
    shipped = load()
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


async def test_a_shipped_text_at_odds_with_an_edit_elsewhere_waits_as_a_draft(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    await house.publishes("cipo-01", asking(await house.content("cipo-01"), "two z"))

    def both(text: str) -> str:
        return text.replace("two f]", "two f, two z]").replace("Nobody knows", "Few know")

    assert await ship(db, clock, entries, both) == Merged((), (), (), (), unfit=("cipo-02",))
    assert "Nobody" in await answer_of(house, "cipo-02")
    [waiting] = await house.curation.conflicts()
    assert waiting.entry_id == "cipo-02"
    refused = await house.curation.publish(None, waiting.id)
    assert isinstance(refused, Refused)
    assert [fault.message for fault in refused.findings] == ["cipo-02: en: 'two z' also belongs to cipo-01"]
    again = await house.curation.draft(None, "cipo-01", answering(await house.content("cipo-01"), "Still editable."))
    assert isinstance(again, Drafted)
    assert isinstance(await house.curation.publish(None, again.revision.id), Published)
    await house.publishes("cipo-01", answering((await load_one(entries, "cipo-01")), "Ours."))
    assert isinstance(await house.curation.publish(None, waiting.id), Published)
    assert "Few know" in await answer_of(house, "cipo-02")


async def load_one(entries: Path, entry_id: str) -> list[Any]:
    return [written(entry) for entry in load(entries).entries if entry.id == entry_id]


async def test_what_was_put_together_is_checked_too(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    await house.publishes("cipo-01", asking(await house.content("cipo-01"), "two z"))
    await house.publishes("cipo-02", answering(await house.content("cipo-02"), "Ours."))
    merged = await ship(db, clock, entries, lambda text: text.replace("two f]", "two f, two z]"))
    assert merged == Merged((), (), (), (), unfit=("cipo-02",))
    assert await answer_of(house, "cipo-02") == "Ours."


async def test_a_text_that_never_was_taken_is_not_what_edits_are_measured_by(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    """The newest shipped text waits; the next one is taken whole, as nobody edited the entry."""
    await house.publishes("cipo-01", asking(await house.content("cipo-01"), "two z"))
    odd = lambda text: text.replace("two f]", "two f, two z]").replace("Nobody knows", "Few know")  # noqa: E731
    await ship(db, clock, entries, odd)
    merged = await ship(db, clock, entries, lambda text: odd(text).replace("two z]", "two y]"))
    assert merged == Merged(("cipo-02",), (), (), ())
    assert "Few know" in await answer_of(house, "cipo-02")
    assert await house.curation.conflicts() == []


async def test_a_new_entry_at_odds_with_an_edit_waits_and_the_others_come(
    house: Replica, db: Database, clock: MovableClock, entries: Path
) -> None:
    await ship(db, clock, entries, without("cipo-02"))
    await house.publishes("cipo-01", asking(await house.content("cipo-01"), "two a"))
    merged = await ship(db, clock, entries, with_new_phrasing)
    assert merged == Merged((), (), ("cipo-01",), (), unfit=("cipo-02",))


async def test_what_is_edited_while_an_upgrade_is_worked_out_goes_through_and_stays(
    house: Replica, db: Database, clock: MovableClock, entries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is made without holding up those who write, and made anew after them."""
    plan, loop, plans = shipped._plan, asyncio.get_running_loop(), 0
    edited = answering(await house.content("cipo-01"), "Ours.")

    def plan_slowly(*given: Any) -> Any:
        nonlocal plans
        plans += 1
        made = plan(*given)
        if plans == 1:
            asyncio.run_coroutine_threadsafe(house.publishes("cipo-01", edited), loop).result()
        return made

    monkeypatch.setattr(shipped, "_plan", plan_slowly)
    assert await ship(db, clock, entries, with_new_answer) == Merged((), (), (), ("cipo-01",))
    assert plans == 2
    assert await answer_of(house) == "Ours."


@pytest.mark.parametrize(
    ("glossary", "told"),
    [
        ("term_en,zh_hans\ngrant,授权\n", "glossary.csv:1: column zh_hant_hk is missing"),
        ('term_en,zh_hans,zh_hant_hk\n"grant,授权,批予\n', "glossary.csv:2: not valid CSV"),
        ("term_en,zh_hans,zh_hant_hk\ngrant, a,授权,批予\n", "glossary.csv:2: has more cells than there are columns"),
        (b"term_en,zh_hans,zh_hant_hk\n\xca\xda\xc8\xa8,,\n", "glossary.csv:2: not UTF-8"),
    ],
)
async def test_a_broken_glossary_stops_the_upgrade_with_its_line(
    house: Replica, db: Database, clock: MovableClock, entries: Path, glossary: str | bytes, told: str
) -> None:
    (entries / "glossary.csv").write_bytes(glossary if isinstance(glossary, bytes) else glossary.encode())
    with pytest.raises(LibraryError, match=f"^{re.escape(told)}"):
        await ship(db, clock, entries)
