"""The learning loop: what is logged, what got no good answer, what becomes of it, and who is told."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.channels.translate import send_method
from bot.people.models import AuditRecord, Role
from bot.texts import Button, Message, decode
from bot.texts.actions import (
    PickSuggestion,
    PromoteToEntry,
    PromoteToPhrasing,
    PublishRevision,
    RateAnswer,
    SendMissToDesk,
    SetMissAside,
    ShowEntry,
    ShowMiss,
    ShowMisses,
    ShowWhy,
    TellMe,
    TypeEntryId,
    TypeWording,
)
from knowledge.clusters import clusters
from knowledge.curation import Published
from knowledge.engine.analysis import Analyzer
from knowledge.misses import LONGEST_WORDING
from knowledge.models import AskedQuestion, DealtMiss, Wish
from tests.conftest import MovableClock
from tests.machine import Machine, Visitor
from tests.test_languages import english

OWL = "Where does the owl keep its ledger?"
OWLS = (OWL, "where does the owl keep the ledger", "Where is the ledger of the owl?")
BREAD = "how do I bake sourdough bread"
TELL = "Tell me when there is an answer"
ANSWERED = "There is an answer to your question now"


async def rows(chat: Machine, table: Any) -> list[Any]:
    """In the order of their ids: a database that was emptied may keep them in any other."""
    async with chat.core.db.read() as tx:
        return list((await tx.execute(select(table.__table__).order_by(*table.__table__.primary_key))).all())


async def asks(chat: Machine, *texts: str) -> Visitor:
    visitor = await chat.visitor()
    for text in texts:
        await visitor.says(text)
    return visitor


async def presses(presser: Visitor, action: Any) -> str:
    """Press a button that stands under some message, an old one perhaps; what is shown then."""
    button = Message("here", ((Button("press", action),),))
    await presser.machine.app.web_bot(send_method(presser.chat_id, button))
    return (await presser.presses("press")).text


async def publishes_drafts(chat: Machine, curator: Visitor) -> None:
    """Through the dialog that shows drafts, as far as these can be published."""
    for draft in await chat.core.services.curation.drafts():
        await presses(curator, PublishRevision(draft.id))
    await chat.core.live.look()
    await chat.core.services.wishes.look()
    await chat.settled()


async def said(visitor: Visitor, text: str) -> int:
    """In how many messages they read that."""
    return sum(text in message.text for message in await visitor.page())


def told(page: list[Any]) -> list[str]:
    return [message.text for message in page if ANSWERED in message.text]


# What is logged


async def test_every_question_is_logged_with_what_decided_it(chat: Machine) -> None:
    await asks(chat, "What does a CIPO do?", OWL)
    answered, declined = await rows(chat, AskedQuestion)
    assert (answered.outcome, answered.entry_id) == ("answer", "cipo-01")
    assert answered.model == (await chat.core.live.view()).engine.model
    assert answered.features["confidence"] == pytest.approx(answered.confidence)
    assert answered.considered[0]["entry_id"] == "cipo-01"
    assert answered.considered[0]["why"]["phrasing"]
    assert declined.outcome == "decline"
    assert declined.considered == []


async def test_a_decision_can_be_repeated_from_the_log(chat: Machine) -> None:
    await asks(chat, "What does a CIPO do?", "and its tasks?", "你好", OWL, "那要多久？")
    engine = (await chat.core.live.view()).engine
    for row in await rows(chat, AskedQuestion):
        decision = engine.decide(row.text, row.locale, row.context)
        assert (decision.kind, decision.model, decision.locale) == (row.outcome, row.model, row.locale)
        assert [candidate.entry_id for candidate in decision.candidates] == [c["entry_id"] for c in row.considered]


async def test_questions_are_deleted_when_they_were_kept_long_enough(chat: Machine, clock: MovableClock) -> None:
    ann = await asks(chat, OWL)
    await ann.presses(TELL)
    clock.advance(timedelta(days=179))
    await ann.says(BREAD)
    clock.advance(timedelta(days=2))
    await chat.core.services.questions.forget_old()
    assert [row.text for row in await rows(chat, AskedQuestion)] == [BREAD]
    assert await rows(chat, Wish) == []


async def test_a_copy_of_my_data_holds_my_wishes_and_nothing_of_staff(chat: Machine) -> None:
    ann, curator = await asks(chat, OWL), await chat.staff("curator")
    await ann.presses(TELL)
    await presses(curator, SetMissAside(1))
    data = json.loads(await ann.downloads(await ann.says("/export")))["questions"]
    assert [(wish["question_id"], wish["locale"]) for wish in data["to_be_told"]] == [(1, "en")]
    assert "dealt" not in json.dumps(data)


# Going on from an answer


async def contexts(chat: Machine) -> list[str | None]:
    return [row.context for row in await rows(chat, AskedQuestion)]


async def test_a_question_goes_on_from_the_answer_just_before(chat: Machine, clock: MovableClock) -> None:
    ann = await asks(chat, "What does a CIPO do?", "thank you")
    await ann.says("and in Hong Kong?")
    clock.advance(timedelta(minutes=31))
    await ann.says("那要多久？")
    await asks(chat, "and in Hong Kong?")
    assert await contexts(chat) == [None, "cipo-01", "cipo-01", None, None]


async def test_a_question_goes_on_from_what_was_opened_last(chat: Machine) -> None:
    ann = await asks(chat, "What does a CIPO do?")
    await presses(ann, ShowEntry("cipo-02", None))
    await ann.says("and in Hong Kong?")
    assert (await contexts(chat))[-1] == "cipo-02"
    await presses(ann, ShowEntry("apt-01", None))
    await ann.says("thank you")
    await ann.says("那香港呢？")
    assert (await contexts(chat))[-1] == "apt-01"


async def test_a_question_goes_on_from_a_suggestion_that_was_picked(chat: Machine) -> None:
    ann = await asks(chat, OWL, "What does a CIPO do?")
    await presses(ann, PickSuggestion(1, "apt-05"))
    await ann.says("and in Hong Kong?")
    assert await contexts(chat) == [None, None, "apt-05"]


async def test_a_question_without_an_answer_ends_what_was_talked_about(chat: Machine) -> None:
    ann = await asks(chat, "What does a CIPO do?")
    await presses(ann, ShowEntry("cipo-02", None))
    await ann.says(OWL)
    await ann.says("and in Hong Kong?")
    assert await contexts(chat) == [None, "cipo-02", None]


async def test_an_answer_that_did_not_help_is_nothing_to_go_on_from(chat: Machine) -> None:
    ann = await asks(chat, "What does a CIPO do?")
    await ann.presses("👎")
    await ann.says("and in Hong Kong?")
    assert await contexts(chat) == [None, None]


async def test_an_update_handled_again_gives_the_same_answer_whatever_was_published(chat: Machine) -> None:
    ann = await chat.visitor()
    await ann.says("What does a CIPO do?")
    first, _ = (await rows(chat, AskedQuestion))[0], await ann.says("and its tasks?")
    answers, curation = chat.core.services.answers, chat.core.services.curation
    before = await answers.ask(first.contact_id, OWL, "en", 10**6)
    assert type(before).__name__ == "Decline"
    drafted: Any = await curation.add_phrasing(None, "cipo-02", "en", OWL)
    await curation.publish(None, drafted.revision.id)
    await chat.core.live.look()
    assert await answers.ask(first.contact_id, OWL, "en", 10**6) == before
    after: Any = await answers.ask(first.contact_id, OWL, "en", 10**6 + 1)
    assert after.entry.id == "cipo-02"
    assert len(await rows(chat, AskedQuestion)) == 4


# What counts as a miss


async def misses(chat: Machine) -> list[str]:
    return sorted(miss.text for each in await chat.core.services.misses.clusters() for miss in each.misses)


async def test_a_thumb_down_makes_a_miss_until_it_is_turned(chat: Machine) -> None:
    ann = await asks(chat, "What does a CIPO do?")
    assert await misses(chat) == []
    await ann.presses("👎")
    assert await misses(chat) == ["What does a CIPO do?"]
    await ann.presses("👍")
    assert await misses(chat) == []


async def test_suggestions_are_a_miss_until_one_is_picked(chat: Machine) -> None:
    ann = await chat.visitor()
    question = await _suggested(ann)
    assert await misses(chat) == [question]
    pick = next(data for _, data in (await ann.last()).buttons if data and data.startswith("pick:"))
    await ann.sends_data(pick, (await ann.last()).id)
    assert await misses(chat) == []


async def _suggested(visitor: Visitor) -> str:
    """Ask until the bot asks back, whatever it is sure of."""
    for question in (
        "grace period or priority",
        "what happens to my data and my appointment",
        "patents abroad and at home",
        "certificate",
        "languages",
    ):
        if "Is it one of these?" in (await visitor.says(question)).text:
            return question
        await presses(visitor, RateAnswer(1, True))
        async with visitor.machine.core.db.write() as tx:
            await tx.execute(AskedQuestion.__table__.delete())
    raise AssertionError("no question was asked back")


async def test_like_questions_stand_together_the_largest_group_first(chat: Machine) -> None:
    await asks(chat, BREAD, *OWLS)
    curator = await chat.staff("curator")
    seen = await curator.says("/misses")
    assert "4 questions in 2 groups" in seen.text
    assert [label.partition("×")[0] for label in seen.labels()] == ["3", "1"]
    seen = await curator.presses("3×")
    assert all(text in seen.text for text in OWLS)
    assert BREAD not in seen.text
    assert "Add as a way to ask" in seen.labels()


async def test_questions_are_grouped_once_however_often_they_are_looked_at(
    chat: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped: list[int] = []

    def counting(texts: Sequence[str], analyzer: Analyzer) -> list[list[int]]:
        grouped.append(len(texts))
        return clusters(texts, analyzer)

    monkeypatch.setattr("knowledge.misses.clusters", counting)
    await asks(chat, BREAD, *OWLS)
    curator = await chat.staff("curator")
    for _ in range(2):
        await curator.says("/misses")
        await curator.presses("3×")
    assert grouped == [4]
    await presses(curator, SetMissAside(1))
    assert "Where does the owl" in (await curator.says("/misses")).text
    assert grouped == [4, 3]


async def test_administrators_see_them_and_nobody_else_does(chat: Machine) -> None:
    await asks(chat, OWL)
    assert OWL in (await (await chat.staff("admin")).says("/misses")).text
    for outsider in (await chat.staff("expert"), await chat.visitor()):
        assert OWL not in (await outsider.says("/misses")).text
        for action in (ShowMisses(), SetMissAside(1), PromoteToPhrasing(1, "cipo-01"), SendMissToDesk(1)):
            assert OWL not in await presses(outsider, action)
    assert await misses(chat) == [OWL]
    assert await rows(chat, DealtMiss) == []


# What becomes of them


async def test_who_wished_is_told_once_when_a_way_to_ask_is_published(chat: Machine) -> None:
    ann, bob, curator = await asks(chat, OWL), await asks(chat, OWLS[1]), await chat.staff("curator")
    assert "tell you here, once" in (await ann.presses(TELL)).text
    await curator.says("/misses")
    await curator.presses("2×")
    await curator.presses("Add as a way to ask")
    await curator.presses("Another entry")
    assert "no such entry" in (await curator.says("cheese-01")).text
    seen = await curator.says("cipo-02")
    assert "Noted as a draft for 2 questions." in seen.text
    assert "There is none" in (await curator.says("/misses")).text
    assert told(await ann.page()) == []
    await publishes_drafts(chat, curator)
    [message] = told(await ann.page())
    assert OWL in message
    assert "as of" in message
    assert told(await bob.page()) == []  # he did not ask for it
    await chat.core.services.wishes.look()
    await chat.settled()
    assert len(told(await ann.page())) == 1
    [row] = [row for row in await rows(chat, AskedQuestion) if row.text == OWL]
    assert (row.outcome, row.entry_id, row.helpful) == ("decline", "cipo-02", None)
    assert await misses(chat) == []
    await ann.presses("👎")  # that does not help either
    assert await misses(chat) == [OWL]


async def test_who_wished_is_told_of_the_words_that_a_curator_found_for_a_long_question(chat: Machine) -> None:
    long = f"{OWL} I have looked in the forest, the barn and the belfry; " + "nobody could tell me anything. " * 5
    assert len(long) > LONGEST_WORDING
    ann, bob, curator = await asks(chat, long), await asks(chat, BREAD), await chat.staff("curator")
    for asker in (ann, bob):
        await asker.presses(TELL)
    assert "no words for it" in await presses(curator, PromoteToPhrasing(1, "cipo-02"))
    await curator.presses("Other words")
    await curator.says("the owl's own office")
    await chat.core.services.curation.add_phrasing(None, "cipo-02", "en", "the barn and the belfry")  # goes on from it
    await publishes_drafts(chat, curator)
    assert (await chat.core.live.view()).engine.decide(long).kind != "answer"
    [message] = told(await ann.page())
    assert "as of" in message
    assert told(await bob.page()) == []
    assert [row.settled_at is None for row in await rows(chat, Wish)] == [False, True]
    assert await misses(chat) == [BREAD]


async def test_who_was_told_in_vain_is_told_again_of_another_answer_only(chat: Machine, clock: MovableClock) -> None:
    ann, curator = await asks(chat, OWL), await chat.staff("curator")
    await ann.presses(TELL)
    await presses(curator, PromoteToPhrasing(1, "cipo-02"))
    await publishes_drafts(chat, curator)
    clock.advance(timedelta(minutes=1))
    seen = await ann.presses("👎")
    assert "I will tell you here when there is another answer." in seen.text
    assert "Do not tell me after all" in seen.labels()
    assert "Ask an expert" in seen.labels()
    await publishes_drafts(chat, curator)
    assert len(told(await ann.page())) == 1
    clock.advance(timedelta(minutes=1))
    await presses(curator, TypeWording(1, "cipo-03"))
    await curator.says("the owl's own office")
    await publishes_drafts(chat, curator)
    assert len(told(await ann.page())) == 2
    await ann.presses("👎")
    await ann.presses("👍")  # after all
    assert [row.settled_at is None for row in await rows(chat, Wish)] == [False]


async def test_who_was_answered_in_vain_can_wish_and_is_told_when_the_answer_is_rewritten(
    chat: Machine, clock: MovableClock
) -> None:
    ann, curator = await asks(chat, "What does a CIPO do?"), await chat.staff("curator")
    clock.advance(timedelta(minutes=1))
    seen = await ann.presses("👎")
    assert TELL in seen.labels()
    assert "I will tell you" not in seen.text
    await ann.presses(TELL)
    [first] = await chat.core.services.curation.history("cipo-01")
    clock.advance(timedelta(days=1))
    assert isinstance(await chat.core.services.curation.still_right(None, first.id), Published)  # which is no news
    await chat.core.services.curation.add_phrasing(None, "cipo-02", "en", "the owl's own office")
    await publishes_drafts(chat, curator)
    assert told(await ann.page()) == []
    clock.advance(timedelta(minutes=1))
    seen = await curator.says("/misses")
    seen = await curator.presses("1×")
    assert "Answered in vain by\ncipo-01 👎 1" in seen.text
    await curator.presses("Edit cipo-01 (👎 1)")
    await curator.presses("Rewrite the answer")
    await curator.presses("English")
    await curator.says("It leads all work on what the mind has made.")
    await publishes_drafts(chat, curator)
    [message] = told(await ann.page())
    assert "what the mind has made" in message


async def test_the_answer_comes_in_the_language_of_the_reader(chat: Machine) -> None:
    ann, curator = await chat.visitor("zh-Hant"), await chat.staff("curator")
    await ann.says("貓頭鷹的帳本放在哪裏？")
    await ann.presses("有答案時通知我")
    await presses(curator, PromoteToPhrasing(1, "cipo-02"))
    await publishes_drafts(chat, curator)
    last = await ann.last()
    assert "您的問題現在有答案了" in last.text
    assert "貓頭鷹的帳本放在哪裏？" in last.text


async def test_who_changes_their_mind_is_not_told(chat: Machine) -> None:
    ann, curator = await asks(chat, OWL), await chat.staff("curator")
    await ann.presses(TELL)
    assert "will not tell you" in (await ann.presses("Do not tell me after all")).text
    await presses(curator, PromoteToPhrasing(1, "cipo-02"))
    await publishes_drafts(chat, curator)
    assert told(await ann.page()) == []
    await ann.presses(TELL)  # and back again
    await chat.core.services.wishes.look()
    await chat.settled()
    assert len(told(await ann.page())) == 1


async def test_a_wish_undone_on_the_way_stops_the_message(chat: Machine) -> None:
    ann, curator = await asks(chat, OWL), await chat.staff("curator")
    await ann.presses(TELL)
    await presses(curator, PromoteToPhrasing(1, "cipo-02"))
    [draft] = await chat.core.services.curation.drafts()
    await chat.core.services.curation.publish(None, draft.id)
    await chat.core.live.look()
    await chat.core.services.wishes.look()
    [asked] = await rows(chat, AskedQuestion)
    assert await chat.core.services.wishes.withdraw(asked.contact_id, asked.id)
    await chat.settled()
    assert told(await ann.page()) == []


async def test_nobody_is_told_who_was_erased(chat: Machine) -> None:
    ann, curator = await asks(chat, OWL), await chat.staff("curator")
    await ann.presses(TELL)
    await presses(curator, PromoteToPhrasing(1, "cipo-02"))
    await ann.says("/erase")
    await ann.presses("Yes, erase everything")
    await publishes_drafts(chat, curator)
    assert told(await ann.page()) == []
    assert await rows(chat, Wish) == []
    assert await rows(chat, DealtMiss) == []


async def test_nobody_wishes_for_somebody_else(chat: Machine) -> None:
    await asks(chat, OWL)
    eve = await chat.visitor()
    await eve.says("hello")
    await presses(eve, TellMe(1, True))
    assert "no longer here" in eve.toasts[-1]
    assert await rows(chat, Wish) == []


async def test_of_two_curators_the_later_is_told_what_became_of_them(chat: Machine) -> None:
    await asks(chat, OWL)
    ann, bob = await chat.staff("curator"), await chat.staff("admin")
    assert "Set 1 question aside." in await presses(ann, SetMissAside(1))
    assert "Set 1 question aside." in await presses(ann, SetMissAside(1))
    assert "already set these questions aside" in await presses(bob, SetMissAside(1))
    assert "already set these questions aside" in await presses(bob, PromoteToPhrasing(1, "cipo-02"))
    async with chat.core.db.read() as tx:
        mine = select(func.count()).where(AuditRecord.action == "miss.aside")
        assert (await tx.execute(mine)).scalar_one() == 1
    assert await chat.core.services.curation.drafts() == []


async def test_questions_come_back_when_their_draft_is_discarded(chat: Machine) -> None:
    await asks(chat, OWL, BREAD)
    curator = await chat.staff("curator")
    for question in (1, 2):
        assert "Noted as a draft" in await presses(curator, PromoteToPhrasing(question, "cipo-02"))
    assert await misses(chat) == []
    [draft] = await chat.core.services.curation.drafts()  # the second went on from the first
    await chat.core.services.curation.discard(None, draft.id)
    assert await misses(chat) == sorted([OWL, BREAD])
    assert "Noted as a draft" in await presses(curator, PromoteToPhrasing(1, "cipo-03"))
    assert await misses(chat) == [BREAD]


async def test_words_that_the_entry_has_already_are_not_dealt_with(chat: Machine) -> None:
    ann, curator = await asks(chat, "What does a CIPO actually do?"), await chat.staff("curator")
    await ann.presses("👎")
    assert "has these words already" in await presses(curator, PromoteToPhrasing(1, "cipo-01"))
    assert len(await misses(chat)) == 1
    await curator.presses("Other words")
    assert "Noted as a draft" in (await curator.says("the owl's own office")).text
    assert await misses(chat) == []


async def test_a_new_entry_is_drafted_in_the_chat_and_says_what_it_lacks(chat: Machine) -> None:
    await asks(chat, OWL)
    curator = await chat.staff("curator")
    await curator.says("/misses")
    await curator.presses("1×")
    await curator.presses("Write a new entry")
    await curator.presses("CIPO role and programme")
    assert "Please keep" not in (await curator.presses("International")).text
    await curator.presses("Where does the owl")
    assert "in Chinese" in (await curator.says("In the **tree**.")).text
    seen = await curator.presses("Leave this language out for now")
    assert "The new entry is a draft." in seen.text
    assert "zh-Hans.question is not written yet" in seen.text
    assert "en has 0 phrasings; write at least 6" in seen.text
    [draft] = await chat.core.services.curation.drafts()
    content = await chat.core.services.curation.content(draft.id)
    assert content is not None
    assert content[0]["en"] == {"question": OWL, "phrasings": [], "answer": "In the **tree**."}
    assert draft.entry_id == "cipo-l01"  # no number that an update may bring
    assert "cannot be published yet" in await presses(curator, PublishRevision(draft.id))
    assert await misses(chat) == []


async def test_a_new_entry_in_both_languages_is_published_and_who_wished_is_told(chat: Machine) -> None:
    ann, curator = await asks(chat, OWL), await chat.staff("curator")
    await ann.presses(TELL)
    await curator.says("/misses")
    await curator.presses("1×")
    await curator.presses("Write a new entry")
    for label in ("CIPO role and programme", "Hong Kong"):
        await curator.presses(label)
    for text in ("Where is the ledger of the owl?", "In the tree.", "貓頭鷹的帳本在哪裏？", "在樹上。"):
        seen = await curator.says(text)
    assert "zh-Hans has 0 phrasings" in seen.text
    [draft] = await chat.core.services.curation.drafts()
    for number in range(6):
        for locale, words in (("en", f"owl ledger place {number}"), ("zh-Hans", f"猫头鹰账本第{number}处")):
            await chat.core.services.curation.add_phrasing(None, draft.entry_id, locale, words)
    await publishes_drafts(chat, curator)
    [message] = told(await ann.page())
    assert "In the tree." in message
    for locale, answer in (("zh-Hans", "在树上。"), ("zh-Hant", "在樹上。")):
        entry = await chat.core.services.answers.entry(draft.entry_id, locale)
        assert entry is not None
        assert entry.html == answer


async def test_a_form_of_yesterday_and_a_language_too_few_are_answered_kindly(chat: Machine) -> None:
    await asks(chat, OWL)
    curator = await chat.staff("curator")
    await curator.says("/misses")
    await curator.presses("1×")
    first = await curator.presses("Write a new entry")
    assert "Please press one of the buttons." in (await curator.says("some topic")).text
    await curator.presses("CIPO role and programme", first)
    await curator.presses("CIPO role and programme", first)
    assert "no longer open" in curator.toasts[-1]
    await curator.presses("Hong Kong")
    await curator.presses("Leave this language out")
    await curator.presses("Leave this language out")
    assert "at least one language" in curator.toasts[-1]
    assert await chat.core.services.curation.drafts() == []


async def test_only_who_agreed_is_sent_to_the_desk_and_gets_the_reply(chat: Machine) -> None:
    ann, bob, curator = await asks(chat, OWL), await asks(chat, OWLS[1]), await chat.staff("curator")
    await presses(curator, SendMissToDesk(1))
    assert "None of the askers agreed" in curator.toasts[-1]
    await ann.presses(TELL)
    await presses(curator, SendMissToDesk(1))
    assert await said(curator, "1 question is at the desk") == 1
    await presses(curator, SendMissToDesk(1))  # the same again
    assert await said(curator, "1 question is at the desk") == 2
    assert await said(curator, "Question 1 at the desk") == 1
    await curator.presses("Reply")
    await curator.says("In the tree.")
    assert "In the tree." in (await ann.last()).text
    assert "In the tree." not in (await bob.last()).text
    assert await misses(chat) == [OWLS[1]]
    assert (await rows(chat, Wish))[0].settled_at is not None


async def test_of_many_at_once_one_deals_with_them(chat: Machine) -> None:
    await asks(chat, *OWLS)
    for _ in range(3):
        await chat.staff("curator")
    service = chat.core.services.misses
    async with chat.core.db.read() as tx:
        curators = list((await tx.execute(select(Role.contact_id))).scalars())
    outcomes: list[Any] = await asyncio.gather(
        service.set_aside(curators[0], 1),
        service.add_phrasings(curators[1], 1, "cipo-02"),
        service.add_phrasings(curators[2], 1, "cipo-03"),
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyDealt", "AlreadyDealt", "Dealt"]
    dealt = await rows(chat, DealtMiss)
    assert len(dealt) == 3
    assert len({(row.how, row.dealt_by, row.revision_id) for row in dealt}) == 1
    assert len(await chat.core.services.curation.drafts()) == (dealt[0].how == "phrasing")


@pytest.mark.parametrize("locale", ["zh-Hans", "zh-Hant"])
async def test_no_english_reaches_a_curator_who_reads_chinese(locale: str, chat: Machine) -> None:
    reader, curator = await chat.visitor(locale), await chat.staff("curator", locale=locale)
    for text in ("猫头鹰的账本在哪里", "木星有多少卫星"):
        await reader.says(text)
    wish = next(data for _, data in (await reader.last()).buttons if data and data.startswith("tell:"))
    await reader.sends_data(wish, (await reader.last()).id)
    shown = [await curator.says("/misses"), await curator.says("你好")]
    steps: tuple[Any, ...] = (
        ShowMiss(1), SendMissToDesk(1), PromoteToPhrasing(1, None), TypeEntryId(1), PromoteToPhrasing(1, "cipo-02"),
        ShowWhy(1), SetMissAside(1), SetMissAside(99), SendMissToDesk(2), PromoteToEntry(2),
    )  # fmt: skip
    for action in steps:
        await presses(curator, action)
        shown += await curator.page()
    said_there = {text for each in [*shown, *await reader.page()] for text in (each.text, *each.labels())}
    phrases = english(locale)
    assert not {(phrase, text) for text in [*said_there, *curator.toasts] for phrase in phrases if phrase in text}


# Why


async def test_staff_see_why_behind_a_button_and_others_do_not(chat: Machine) -> None:
    curator, ann = await chat.staff("curator"), await chat.visitor()
    assert "Why this answer?" in (await curator.says("What does a CIPO do?")).labels()
    seen = await curator.presses("Why this answer?")
    why = (await rows(chat, AskedQuestion))[0]
    assert why.model in seen.text
    for name in why.features:
        assert name in seen.text
    for name in why.considered[0]["why"]:
        assert name in seen.text
    assert "with this very model" in seen.text
    assert "Why this answer?" not in (await ann.says("What does a CIPO do?")).labels()
    assert why.model not in await presses(ann, ShowWhy(1))


async def test_why_weighs_a_question_after_the_answer_that_it_goes_on_from(chat: Machine) -> None:
    going_on = ("and its tasks?", "and in Hong Kong?", "how much does it cost?")
    await asks(chat, *(said for text in going_on for said in ("What does a CIPO do?", text)))
    read_on: list[str] = []
    for asked in (await rows(chat, AskedQuestion))[1::2]:
        assert asked.context is not None
        evidence = await chat.core.services.answers.why(asked.id, None)
        assert evidence is not None
        assert evidence.ranking[0].confidence == pytest.approx(asked.features["confidence"])
        read_on += [each.why["context"] for each in evidence.ranking if each.why["context"]]
    assert read_on  # some were read after the answer before, as they were when they were decided


async def test_an_expert_sees_why_of_their_own_questions_only(chat: Machine) -> None:
    await asks(chat, OWL)
    expert = await chat.staff("expert")
    await expert.says(BREAD)
    assert "Decided: declined." in (await expert.presses("Why this answer?")).text
    await presses(expert, ShowWhy(1))
    assert "no longer here" in expert.toasts[-1]


async def test_why_of_long_questions_fits(chat: Machine) -> None:
    curator = await chat.staff("curator")
    await curator.says("<owl> & ledger " * 270)
    assert "Decided" in (await curator.presses("Why this answer?")).text + (await curator.page())[-2].text
    assert isinstance(decode((await curator.says("/misses")).data_of("1×")), object)
