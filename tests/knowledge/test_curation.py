"""Entries change as revisions: drafts, publications, and the ways back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.people.models import AuditRecord
from bot.storage import Database
from knowledge.changes import Change
from knowledge.curation import Discarded, Drafted, Gone, Published, Refused, Stale, Unchanged
from tests.conftest import MovableClock
from tests.knowledge.house import Replica, answering, asking, forget_knowledge, replica, ship
from tests.machine import until


@pytest.fixture
async def house(db: Database, clock: MovableClock, tmp_path: Path) -> AsyncIterator[Replica]:
    await forget_knowledge(db)
    (tmp_path / "entries").mkdir()
    await ship(db, clock, tmp_path / "entries")
    async with replica(db, clock) as made:
        yield made


async def drafted(house: Replica, answer: str = "It **leads**.") -> int:
    outcome = await house.curation.draft(None, "cipo-01", answering(await house.content("cipo-01"), answer))
    assert isinstance(outcome, Drafted)
    return outcome.revision.id


async def states(house: Replica, entry_id: str = "cipo-01") -> list[str]:
    return [revision.state for revision in await house.curation.history(entry_id)]


async def test_a_draft_changes_nothing_until_it_is_published(house: Replica) -> None:
    outcome = await house.curation.draft(None, "cipo-01", asking(await house.content("cipo-01"), "office of the owl"))
    assert isinstance(outcome, Drafted)
    await house.live.look()
    assert await house.answers("office of the owl") is None
    assert isinstance(await house.curation.publish(None, outcome.revision.id), Published)
    await house.live.look()
    assert await house.answers("office of the owl") == "cipo-01"
    assert await states(house) == ["published", "superseded"]


async def test_drafting_and_publishing_again_give_the_same(house: Replica, db: Database) -> None:
    first = await drafted(house)
    assert await drafted(house) == first
    for _ in range(2):
        outcome = await house.curation.publish(None, first)
        assert isinstance(outcome, Published)
        assert outcome.revision.id == first
    async with db.read() as tx:
        actions = (await tx.execute(select(AuditRecord.action).order_by(AuditRecord.id))).scalars().all()
    assert [action for action in actions if action.startswith("entry.")] == ["entry.drafted", "entry.published"]


async def test_a_text_that_is_published_already_is_no_draft(house: Replica) -> None:
    outcome = await house.curation.draft(None, "cipo-01", await house.content("cipo-01"))
    assert isinstance(outcome, Unchanged)
    assert await house.curation.drafts() == []


async def test_of_two_edits_of_one_text_the_later_is_told_and_not_lost(house: Replica) -> None:
    hers, his = await drafted(house, "Hers."), await drafted(house, "His.")
    assert isinstance(await house.curation.publish(None, hers), Published)
    outcome = await house.curation.publish(None, his)
    assert isinstance(outcome, Stale)
    [kept] = await house.curation.drafts()
    assert (kept.id, kept.stale) == (his, True)
    rebased = await house.curation.rebase(None, his)
    assert isinstance(rebased, Drafted)
    assert await house.curation.diff(rebased.revision.id) == [Change("en.answer", None, ("Hers.",), ("His.",))]
    assert isinstance(await house.curation.publish(None, rebased.revision.id), Published)
    assert (await house.content("cipo-01"))[0]["en"]["answer"] == "His."


async def test_edits_of_different_fields_go_together(house: Replica) -> None:
    base = await house.content("cipo-01")
    answer = await house.curation.draft(None, "cipo-01", answering(base, "Another answer."))
    phrasing = await house.curation.draft(None, "cipo-01", asking(base, "office of the owl"))
    assert isinstance(answer, Drafted)
    assert isinstance(phrasing, Drafted)
    await house.curation.publish(None, answer.revision.id)
    rebased = await house.curation.rebase(None, phrasing.revision.id)
    assert isinstance(rebased, Drafted)
    await house.curation.publish(None, rebased.revision.id)
    [now] = await house.content("cipo-01")
    assert now["en"]["answer"] == "Another answer."
    assert now["en"]["phrasings"][-1] == "office of the owl"


async def test_a_text_with_an_error_is_refused_with_the_finding(house: Replica) -> None:
    outcome = await house.curation.publish(None, await drafted(house, "See the HKEX."))
    assert isinstance(outcome, Refused)
    assert [finding.message for finding in outcome.findings] == ["cipo-01: en: 'HKEX' must not be said; it is HKIPX"]
    assert await states(house) == ["draft", "published"]


async def test_what_does_not_fit_the_form_becomes_no_draft(house: Replica) -> None:
    [version] = await house.content("cipo-01")
    for broken in (
        {**version, "as_of": "soon"},
        {**version, "en": None},
        {**version, "id": "cipo-02"},
        {"id": "cipo-01"},
    ):
        outcome = await house.curation.draft(None, "cipo-01", [broken])
        assert isinstance(outcome, Refused), broken
        assert outcome.findings
    assert await house.curation.drafts() == []


async def test_phrasings_gather_in_one_draft(house: Replica) -> None:
    one = await house.curation.add_phrasing(None, "cipo-01", "en", "office of the owl")
    two = await house.curation.add_phrasing(None, "cipo-01", "zh-Hant", "貓頭鷹的職務")
    again = await house.curation.add_phrasing(None, "cipo-01", "en", " office of the owl ")
    assert isinstance(one, Drafted)
    assert isinstance(two, Drafted)
    assert isinstance(again, Drafted)
    assert again.revision.id == two.revision.id
    [open_draft] = await house.curation.drafts()
    changes = await house.curation.diff(open_draft.id)
    assert changes is not None
    assert [(c.field, c.added) for c in changes] == [
        ("en.phrasings", ("office of the owl",)),
        ("zh-Hans.phrasings", ("猫头鹰的职务",)),
    ]
    assert isinstance(await house.curation.publish(None, open_draft.id), Published)
    assert isinstance(await house.curation.add_phrasing(None, "cipo-01", "en", "office of the owl"), Unchanged)
    assert isinstance(await house.curation.add_phrasing(None, "nothing-1", "en", "office"), Gone)
    assert isinstance(await house.curation.add_phrasing(None, "cipo-01", "en", "x" * 300), Refused)


async def test_an_entry_that_somebody_would_retire_can_still_be_added_to_and_edited(house: Replica) -> None:
    retiring = await house.curation.draft(None, "cipo-01", ())
    assert isinstance(retiring, Drafted)
    added = await house.curation.add_phrasing(None, "cipo-01", "en", "office of the owl")
    assert isinstance(added, Drafted)
    editing = await house.curation.editing(None, "cipo-01")
    assert editing is not None
    assert editing.revision == added.revision.id
    assert [draft.retired for draft in await house.curation.drafts()] == [True, False]


async def test_a_draft_that_is_added_to_stays_with_those_it_came_in_with(house: Replica) -> None:
    texts = {name: asking(await house.content(name), f"owl of {name}") for name in ("cipo-01", "cipo-02")}
    assert isinstance(await house.curation.draft_all(None, texts, "owls.yaml"), list)
    added = await house.curation.add_phrasing(None, "cipo-01", "en", "office of the owl")
    assert isinstance(added, Drafted)
    [batch] = await house.curation.batches()
    assert batch.note == "owls.yaml"
    assert added.revision.id in batch.numbers
    assert len(batch.drafts) == 2


async def test_a_phrasing_of_another_entry_is_refused(house: Replica) -> None:
    outcome = await house.curation.add_phrasing(None, "cipo-01", "en", "Who needs one?")
    assert isinstance(outcome, Drafted)
    refused = await house.curation.publish(None, outcome.revision.id)
    assert isinstance(refused, Refused)
    assert "also belongs to cipo-02" in refused.findings[0].message


async def test_rolling_back_publishes_the_earlier_text_anew(house: Replica) -> None:
    [original] = await house.curation.history("cipo-01")
    before = await house.content("cipo-01")
    await house.curation.publish(None, await drafted(house))
    for expected in (Published, Unchanged):
        assert isinstance(await house.curation.rollback(None, "cipo-01", original.id), expected)
    assert await house.content("cipo-01") == before
    assert await states(house) == ["published", "superseded", "superseded"]


async def test_only_what_was_published_can_be_rolled_back_to(house: Replica) -> None:
    draft = await drafted(house)
    for entry_id, revision in (("cipo-01", draft), ("cipo-02", 1), ("cipo-01", 10**9)):
        assert isinstance(await house.curation.rollback(None, entry_id, revision), Gone)


async def test_a_discarded_draft_stays_in_the_history_and_cannot_be_published(house: Replica) -> None:
    draft = await drafted(house)
    for _ in range(2):
        assert isinstance(await house.curation.discard(None, draft), Discarded)
    assert isinstance(await house.curation.publish(None, draft), Gone)
    assert isinstance(await house.curation.discard(None, 10**9), Gone)
    assert await states(house) == ["discarded", "published"]
    assert await house.curation.drafts() == []


async def test_a_retired_entry_answers_no_more_and_can_come_back(house: Replica) -> None:
    [original] = await house.curation.history("cipo-02")
    await house.publishes("cipo-02", ())
    await house.live.look()
    assert await house.answers("Who needs one?") != "cipo-02"
    assert (await house.live.view()).library.related("cipo-01", house.live.today()) == []
    assert isinstance(await house.curation.rollback(None, "cipo-02", original.id), Published)
    await house.live.look()
    assert await house.answers("Who needs one?") == "cipo-02"


async def test_new_entries_that_refer_to_each_other_are_published_together(house: Replica) -> None:
    [model] = await house.content("cipo-02")
    texts = {}
    for name, other in (("cipo-31", "cipo-32"), ("cipo-32", "cipo-31")):
        said = {"question": f"Is {name} a name?", "phrasings": [f"{name} {n}" for n in range(6)], "answer": "Yes."}
        chinese = {"question": f"{name} 好吗", "phrasings": [f"{name} 好 {n}" for n in range(6)], "answer": "好。"}
        texts[name] = [{**model, "id": name, "related": [other], "en": said, "zh-Hans": chinese}]
    drafts = await house.curation.draft_all(None, texts)
    assert isinstance(drafts, list)
    numbers = [each.revision.id for each in drafts]
    alone = await house.curation.preview(numbers[0])
    assert alone is not None
    assert [(f.level, f.message) for f in alone.findings] == [("warning", "cipo-31: related cipo-32 does not exist")]
    both = await house.curation.preview(*numbers)
    assert both is not None
    assert both.findings == ()
    together = await house.curation.publish_together(None, numbers)
    assert isinstance(together, Published)
    assert [each.entry_id for each in together.revisions] == ["cipo-31", "cipo-32"]
    await house.live.look()
    assert await house.answers("is cipo-31 a name") == "cipo-31"


async def test_the_preview_shows_what_would_be_gained_and_lost(house: Replica) -> None:
    worse = await house.curation.add_phrasing(None, "cipo-01", "en", "where is the cheese")
    assert isinstance(worse, Drafted)
    preview = await house.curation.preview(worse.revision.id)
    assert preview is not None
    assert preview.errors == ()
    assert [each.case.text for each in preview.effect.off_topic_answered] == ["where is the cheese"]
    await house.curation.discard(None, worse.revision.id)
    better = await house.curation.add_phrasing(None, "cipo-01", "en", "duties of the office")
    assert isinstance(better, Drafted)
    preview = await house.curation.preview(better.revision.id)
    assert preview is not None
    assert [each.case.text for each in preview.effect.gained] == ["duties of the office"]
    assert preview.effect.lost == ()
    assert preview.effect.right_after == preview.effect.right_before + 1


async def test_the_preview_of_an_error_says_so_and_measures_nothing(house: Replica) -> None:
    preview = await house.curation.preview(await drafted(house, "See the HKEX."))
    assert preview is not None
    assert len(preview.errors) == 1
    assert preview.effect.questions == 0
    assert await house.curation.preview(10**9) is None


async def test_whoever_publishes_sees_it_at_once(house: Replica) -> None:
    outcome = await house.curation.add_phrasing(None, "cipo-01", "en", "office of the owl")
    assert isinstance(outcome, Drafted)
    await house.curation.publish(None, outcome.revision.id)
    await until(lambda: _answered(house, "office of the owl"), "the bell to be heard")


async def _answered(house: Replica, text: str) -> bool:
    return await house.answers(text) is not None
