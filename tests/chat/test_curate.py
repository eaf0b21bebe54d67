"""Curators publish and take back texts in their chat; nobody else does."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from bot.channels.translate import send_method
from bot.people.models import AuditRecord
from bot.texts import LOCALES, Action, Button, Message, Texts
from bot.texts.actions import (
    AddPhrasing,
    ChangeField,
    DiscardRevision,
    PreviewBatch,
    PreviewRevision,
    PublishBatch,
    PublishRevision,
    ReadEntry,
    RebaseRevision,
    RetireEntry,
    RewriteAnswer,
    RollBackTo,
    ShowEntryHistory,
    ShowKnowledge,
    ShowReviews,
    ShowRevision,
    StillRight,
)
from handlers.chat.curate import preview_message
from knowledge.changes import Content
from knowledge.curation import Drafted, Preview, Published, Revision
from knowledge.engine import Case, Document, Engine
from knowledge.regression import effect
from tests.conftest import START, MovableClock
from tests.knowledge.house import answering
from tests.machine import Machine, Seen, Visitor, plain
from tests.test_languages import english

ENTRY = "cipo-01"
OWL = "office of the owl"


async def content(chat: Machine, entry_id: str = ENTRY) -> Content:
    curation = chat.core.services.curation
    live = next(revision for revision in await curation.history(entry_id) if revision.state == "published")
    text = await curation.content(live.id)
    assert text is not None
    return text


async def draft(chat: Machine, answer: str) -> Revision:
    outcome = await chat.core.services.curation.draft(None, ENTRY, answering(await content(chat), answer))
    assert isinstance(outcome, Drafted)
    return outcome.revision


async def publish(chat: Machine, answer: str) -> Revision:
    outcome = await chat.core.services.curation.publish(None, (await draft(chat, answer)).id)
    assert isinstance(outcome, Published)
    return outcome.revision


async def answer_of(chat: Machine, entry_id: str = ENTRY) -> str:
    return str((await content(chat, entry_id))[0]["en"]["answer"])


async def shown(presser: Visitor, action: Action) -> Seen:
    """Press a button that stands under some message, an old one perhaps; what is shown then."""
    button = Message("here", ((Button("press", action),),))
    await presser.machine.app.web_bot(send_method(presser.chat_id, button))
    return await presser.presses("press")


async def presses(presser: Visitor, action: Action) -> str:
    return (await shown(presser, action)).text


async def test_a_way_to_ask_is_drafted_weighed_published_and_answered(chat: Machine) -> None:
    curator, reader = await chat.staff("curator"), await chat.visitor("en")
    assert "No draft is open." in (await curator.says("/knowledge")).text
    seen = await curator.says(f"/knowledge {ENTRY}")
    assert "What does a CIPO actually do?" in seen.text
    assert "came with an update" in seen.text
    await curator.presses("Add a way to ask")
    seen = await curator.says(f" {OWL} ")
    assert "Noted as a draft" in seen.text
    assert "by you" in seen.text
    assert f"Ways to ask · English\n+ {OWL}" in seen.text
    seen = await curator.presses("What would change?")
    assert "test questions" in seen.text
    assert "Publish" in seen.labels()
    seen = await curator.presses("Publish")
    assert "Published. Everybody is answered from it" in seen.text
    assert "both designs and carries out" in (await reader.says(OWL)).text


async def test_a_text_that_cannot_be_published_says_why_and_has_no_button(chat: Machine) -> None:
    curator = await chat.staff("curator")
    wrong = await draft(chat, "Ask the HKEX & co.")
    seen = await shown(curator, PreviewRevision(wrong.id))
    assert "This cannot be published yet:" in seen.text
    assert "'HKEX' must not be said" in seen.text
    assert "shows markup" not in seen.text
    assert "Publish" not in seen.labels()
    assert "'HKEX' must not be said" in await presses(curator, PublishRevision(wrong.id))
    assert await answer_of(chat) != "Ask the HKEX & co."


async def test_an_answer_is_rewritten_in_the_language_chosen(chat: Machine) -> None:
    curator = await chat.staff("curator")
    await curator.says(f"/knowledge {ENTRY}")
    await curator.presses("Rewrite the answer")
    seen = await curator.presses("简体中文")
    assert "CIPO 是企业高管" in seen.text
    seen = await curator.says("负责<知识产权>。")
    assert "Answer · 简体中文" in seen.text
    assert "+ 负责<知识产权>。" in seen.text
    seen = await curator.presses("Discard")
    assert "Discarded." in seen.text
    assert "No draft is open." in seen.text


async def test_an_earlier_text_comes_back_after_showing_what_would_change(chat: Machine) -> None:
    curator = await chat.staff("curator")
    before = await answer_of(chat)
    await publish(chat, "Another answer.")
    [_, first] = await chat.core.services.curation.history(ENTRY)
    await curator.says(f"/knowledge {ENTRY}")
    await curator.presses(f"No. {first.id}")
    seen = await curator.presses("Roll back to this?")
    assert "What would change" in seen.text
    seen = await curator.presses("Roll back to this")
    assert "Published." in seen.text
    assert await answer_of(chat) == before
    assert "That is what is published already." in await presses(curator, RollBackTo(first.id))


async def test_of_two_curators_the_later_is_told_and_goes_on(chat: Machine) -> None:
    ann, bob = await chat.staff("curator"), await chat.staff("admin")
    hers, his = await draft(chat, "Hers."), await draft(chat, "His.")
    assert "Published." in await presses(ann, PublishRevision(hers.id))
    assert "Somebody else published another text" in await presses(bob, PublishRevision(his.id))
    seen = await bob.says("/knowledge")
    assert [label[0] for label in seen.labels()] == ["⚠"]
    await bob.presses(ENTRY)
    seen = await bob.presses("Bring up to date")
    assert "− Hers.\n+ His." in seen.text
    await bob.presses("What would change?")
    await bob.presses("Publish")
    assert await answer_of(chat) == "His."


async def test_a_retired_entry_is_a_draft_first(chat: Machine) -> None:
    curator = await chat.staff("curator")
    await curator.says("/knowledge smalltalk-joke")
    seen = await curator.presses("Retire the entry")
    assert "retires the entry" in seen.text
    await curator.presses("What would change?")
    seen = await curator.presses("Publish")
    assert "Retire the entry" not in seen.labels()
    assert await chat.core.services.curation.editing(None, "smalltalk-joke") is None


async def test_a_retirement_names_the_entries_that_lead_there_and_leaves_them_editable(chat: Machine) -> None:
    curator = await chat.staff("curator")
    pointing = await chat.core.services.curation.pointing_to("pat-05")
    assert pointing
    await curator.says("/knowledge pat-05")
    await curator.presses("Retire the entry")
    seen = await curator.presses("What would change?")
    assert f"These entries lead to it, and will no longer: {', '.join(pointing)}" in seen.text
    await curator.presses("Publish")
    await curator.says(f"/knowledge {pointing[0]}")
    await curator.presses("Add a way to ask")
    await curator.says(OWL)
    assert "Published." in await presses(curator, PublishRevision((await chat.core.services.curation.drafts())[0].id))


async def writes(curator: Visitor, entry_id: str, field: str, locale: str | None, text: str) -> Seen:
    """Change a field as a whole through the dialog."""
    await presses(curator, ChangeField(entry_id, field, locale))
    return await curator.says(text)


@pytest.mark.parametrize(
    ("field", "locale", "text", "expected"),
    [
        ("question", "zh-Hant", "CIPO 是\n做甚麼的？", "CIPO 是 做甚麼的？"),
        ("tags", None, "owl\n officer ", ["owl", "officer"]),
        ("tags", None, "-", []),
        ("related", None, "cipo-02", ["cipo-02"]),
        ("sources", None, "Programme page | -\nA book | https://example.org/a",
         [{"name": "Programme page", "url": None}, {"name": "A book", "url": "https://example.org/a"}]),
    ],
)  # fmt: skip
async def test_whatever_an_entry_says_can_be_changed_in_its_languages(
    chat: Machine, field: str, locale: str | None, text: str, expected: object
) -> None:
    curator = await chat.staff("curator")
    await curator.says(f"/knowledge {ENTRY}")
    assert "Answer" in (await curator.presses("Change something else")).labels()
    assert "Noted as a draft" in (await writes(curator, ENTRY, field, locale, text)).text
    [draft] = await chat.core.services.curation.drafts()
    [changed] = await chat.core.services.curation.content(draft.id) or ()
    assert (changed[locale] if locale else changed)[field] == expected


async def test_a_way_to_ask_is_removed_by_leaving_it_out(chat: Machine) -> None:
    curator = await chat.staff("curator")
    first, *others = (await content(chat))[0]["zh-Hans"]["phrasings"]
    await curator.says(f"/knowledge {ENTRY}")
    await curator.presses("Change something else")
    await curator.presses("Ways to ask")
    seen = await curator.presses("简体中文")
    assert "\n".join([first, *others]) in seen.text
    seen = await curator.says("\n".join(others))
    assert f"− {first}" in seen.text
    await curator.presses("What would change?")
    await curator.presses("Publish")
    assert (await content(chat))[0]["zh-Hans"]["phrasings"] == others


async def test_a_value_that_does_not_fit_is_refused_and_asked_for_again(chat: Machine) -> None:
    curator = await chat.staff("curator")
    seen = await writes(curator, ENTRY, "sources", None, "A book | example.org")
    assert "That cannot be taken like this:" in seen.text
    assert "Noted as a draft" in (await curator.says("A book | https://example.org")).text


# Two curators


async def opens_answer(curator: Visitor) -> Seen:
    await curator.says(f"/knowledge {ENTRY}")
    await curator.presses("Rewrite the answer")
    return await curator.presses("English")


async def test_what_was_published_while_somebody_typed_is_not_overwritten(chat: Machine) -> None:
    bob = await chat.staff("curator")
    await opens_answer(bob)
    await publish(chat, "Hers.")
    seen = await bob.says("His.")
    assert "Somebody else published another text" in seen.text
    assert "What would change?" not in seen.labels()
    assert await answer_of(chat) == "Hers."
    seen = await bob.presses("Bring up to date")
    assert "− Hers.\n+ His." in seen.text


async def test_a_rewriting_leaves_the_open_draft_of_another_and_tells_of_it(chat: Machine) -> None:
    ann, bob = await chat.staff("curator"), await chat.staff("admin")
    await opens_answer(ann)
    await ann.says("Hers.")
    [hers] = await chat.core.services.curation.drafts()
    seen = await opens_answer(bob)
    assert "There are open drafts of this entry by others." in seen.text
    assert f"No. {hers.id}" in seen.labels()
    await bob.says("His.")
    assert (await chat.core.services.curation.drafts())[0].id == hers.id
    assert len(await chat.core.services.curation.drafts()) == 2
    await opens_answer(ann)  # goes on from her own
    assert "− " in (await ann.says("Hers, later.")).text
    waiting = await chat.core.services.curation.drafts()
    answers = [(await chat.core.services.curation.content(each.id) or ())[0]["en"]["answer"] for each in waiting]
    assert answers == ["His.", "Hers, later."]


# Drafts that came in together


async def test_the_drafts_of_a_file_are_weighed_and_published_together(chat: Machine) -> None:
    curator = await chat.staff("curator")
    [model] = await content(chat)
    texts = {}
    for name, other in (("cipo-l01", "cipo-l02"), ("cipo-l02", "cipo-l01")):
        said = {"question": f"Is {name} an owl?", "phrasings": [f"{name} owl {n}" for n in range(6)]}
        english = {**said, "answer": f"It is the owl of {name}, and of no other."}
        chinese = {"question": f"{name} 是猫头鹰吗", "phrasings": [f"{name} 猫头鹰 {n}" for n in range(6)]}
        texts[name] = [
            {**model, "id": name, "related": [other], "en": english, "zh-Hant": None,
             "zh-Hans": {**chinese, "answer": f"是 {name} 的猫头鹰。"}}
        ]  # fmt: skip
    await chat.core.services.curation.draft_all(None, texts, "new.xlsx")
    seen = await curator.says("/knowledge")
    assert seen.labels()[0] == "✎ 2 drafts of new.xlsx"
    seen = await curator.presses("2 drafts of new.xlsx")
    assert "cipo-l01, cipo-l02" in seen.text
    assert "test questions" in seen.text
    seen = await curator.presses("Publish all")
    assert "Published: 2 entries." in seen.text
    assert "No draft is open." in seen.text
    assert "That draft is no longer open." in await presses(curator, PublishBatch(10**9))
    assert [each["related"] for each in await content(chat, "cipo-l02")] == [["cipo-l01"]]


async def test_old_buttons_and_unknown_entries_get_a_sensible_answer(chat: Machine) -> None:
    curator = await chat.staff("curator")
    gone = await draft(chat, "Never mind.")
    await chat.core.services.curation.discard(None, gone.id)
    assert "There is no such entry." in (await curator.says("/knowledge cheese-01")).text
    for action in (PublishRevision(gone.id), DiscardRevision(gone.id + 1), RebaseRevision(gone.id), RollBackTo(10**9)):
        assert "That draft is no longer open." in await presses(curator, action)
    await presses(curator, PreviewRevision(gone.id))
    assert curator.toasts[-1] == "That draft is no longer open."
    assert "There is no such entry." in await presses(curator, ShowEntryHistory("cheese-01"))
    assert "No draft is open." in await presses(curator, ShowKnowledge(99))


STAFF_ONLY = [
    ShowKnowledge(), ShowEntryHistory(ENTRY), ShowRevision(1), PreviewRevision(1), PublishRevision(1), RollBackTo(1),
    DiscardRevision(1), RebaseRevision(1), AddPhrasing(ENTRY), RewriteAnswer(ENTRY, "en"), RetireEntry(ENTRY),
    ChangeField(ENTRY, "tags", None), PreviewBatch(1), PublishBatch(1), ReadEntry(ENTRY, "en"), ShowReviews(),
    StillRight(1),
]  # fmt: skip


@pytest.mark.parametrize("role", [None, "expert"])
async def test_nobody_else_sees_or_changes_anything(chat: Machine, role: str | None) -> None:
    outsider = await chat.staff(role) if role else await chat.visitor("en")
    waiting = await draft(chat, "A secret answer.")
    await outsider.says("/start")
    for action in STAFF_ONLY:
        await presses(outsider, action)
    assert "A secret answer." not in "".join(seen.text for seen in await outsider.page())
    assert (await chat.core.services.curation.drafts())[0].id == waiting.id
    assert "draft" not in (await outsider.says("/knowledge")).text


async def test_what_a_curator_does_is_recorded_with_who_did_it(chat: Machine) -> None:
    curator = await chat.staff("curator")
    await presses(curator, PublishRevision((await draft(chat, "Another answer.")).id))
    async with chat.core.db.read() as tx:
        entry = AuditRecord.subject == f"entry:{ENTRY}"
        records = (await tx.execute(select(AuditRecord.action, AuditRecord.actor_id).where(entry))).all()
    assert [record.action for record in records] == ["entry.drafted", "entry.published"]
    assert records[0].actor_id is None
    assert records[1].actor_id is not None


async def test_long_texts_fit_one_message(chat: Machine) -> None:
    curator = await chat.staff("curator")
    outcome = await chat.core.services.curation.draft(
        None, ENTRY, answering(await content(chat), "\n".join(f"& {n} " + "<" * 90 for n in range(40)))
    )
    assert isinstance(outcome, Drafted)
    pages = len(await curator.page())
    assert "… and more" in await presses(curator, ShowRevision(outcome.revision.id))
    assert len(await curator.page()) == pages + 1  # the message with the button, edited


@pytest.mark.parametrize("locale", LOCALES)
def test_a_preview_of_much_fits_one_message_in_every_language(locale: str) -> None:
    say = Texts().translator(locale)
    engine = Engine([Document("x" * 32, "en", ("hello there",))])
    answer, decline = engine.decide("hello there"), engine.decide("")
    asked = [Case("<&" * 200, "en", "x" * 32 if n % 2 else None) for n in range(60)]
    measured = effect(asked, [decline] * 60, [answer] * 60)
    revision = Revision(
        id=1,
        entry_id="x" * 32,
        origin="local",
        state="draft",
        based_on=None,
        note="",
        author_id=None,
        author=None,
        created_at=START,
        published_by=None,
        published_at=None,
        title={locale: "q" * 200},
        retired=False,
        stale=False,
    )
    assert len(measured.gained) == len(measured.lost) == len(measured.off_topic_answered) == 30
    assert len(plain(preview_message(revision, Preview((), measured), say).html)) <= 4096


@pytest.mark.parametrize("locale", LOCALES)
async def test_the_longest_entries_fit_one_message(chat: Machine, locale: str) -> None:
    curator = await chat.staff("curator", locale=locale)
    entries = (await chat.core.live.view()).library.entries
    longest = sorted(entries, key=lambda entry: -len(entry.texts[locale].answer_markdown))[:2]
    several = [entry for entry in entries if entry.valid_to is not None][:1]
    for entry in (*longest, *several):
        pages = len(await curator.page())
        seen = await shown(curator, ReadEntry(entry.id, locale))
        assert entry.texts[locale].question in seen.text
        assert len(await curator.page()) == pages + 1


@pytest.mark.parametrize("locale", ["zh-Hans", "zh-Hant"])
async def test_no_english_reaches_a_curator_who_reads_chinese(chat: Machine, locale: str, clock: MovableClock) -> None:
    clock.set(datetime(2030, 1, 7, tzinfo=UTC))
    await chat.core.live.look()
    curator, other = await chat.staff("curator", locale=locale), await chat.staff("curator")
    await opens_answer(other)
    await other.says("Hers.")
    [hers] = await chat.core.services.curation.drafts()
    [live, *_] = [each for each in await chat.core.services.curation.history(ENTRY) if each.state == "published"]
    steps: tuple[Action, ...] = (
        ShowReviews(), ShowEntryHistory(ENTRY), ReadEntry(ENTRY, "zh-Hans"), ChangeField(ENTRY, None, None),
        ChangeField(ENTRY, "answer", None), ChangeField(ENTRY, "sources", None), ChangeField(ENTRY, "tags", None),
        StillRight(live.id), StillRight(live.id - 1), ShowRevision(hers.id), PublishBatch(1),
    )  # fmt: skip
    texts = [await curator.says("/knowledge"), *[await shown(curator, action) for action in steps]]
    said = {text for each in texts for text in (each.text, *each.labels())} | set(curator.toasts)
    phrases = english(locale)
    assert not {(phrase, text) for text in said for phrase in phrases if phrase in text}
