"""The shipped knowledge base on questions that were written apart from it."""

import re
from dataclasses import replace
from typing import Any

import opencc
import pytest
import yaml

from bot.texts import Texts
from handlers.cli.knowledge import report_lines
from handlers.web.page_texts import PAGE_TEXTS
from knowledge.engine import Case, Engine, Report, evaluate
from knowledge.library import LOCALES, SHIPPED, SMALL_TALK, WRITTEN, Library, load
from tests.knowledge.conftest import TODAY

WRITTEN_DOWN = yaml.safe_load((SHIPPED.parent / "regression.yaml").read_text(encoding="utf-8"))
CASES = [case for case in WRITTEN_DOWN if "context" not in case]


@pytest.fixture(scope="module")
def report(engine: Engine) -> Report:
    return evaluate(engine, [case for locale in LOCALES for case in _cases(locale)])


def _cases(locale: str) -> list[Case]:
    return [_case(case) for case in CASES if case["locale"] == locale]


def _case(written: dict[str, Any]) -> Case:
    return Case(written["text"], written["locale"], written["entry"], written.get("context"))


def test_a_question_that_goes_on_is_answered_or_offered_but_hardly_ever_answered_wrong(engine: Engine) -> None:
    going_on = evaluate(engine, [_case(case) for case in WRITTEN_DOWN if "context" in case]).follow_ups
    assert min(going_on.clear, going_on.open) >= 20
    assert going_on.answered_wrong <= 0.05
    assert going_on.answered_right >= 0.2
    assert going_on.reached >= 0.75


@pytest.mark.parametrize(
    ("text", "locale"), [("那要多久？", "zh-Hans"), ("and in Hong Kong?", "en"), ("how much?", "en")]
)
def test_after_most_answers_a_vague_question_is_asked_back_and_never_only_beside_the_point(
    engine: Engine, shipped: Library, text: str, locale: str
) -> None:
    topics = [entry.id for entry in shipped.valid(TODAY) if entry.category != SMALL_TALK]
    decisions = [engine.decide(text, locale, context) for context in topics]
    assert sum(decision.kind == "answer" for decision in decisions) <= len(topics) // 20
    offered = [decision.candidates for decision in decisions if decision.kind == "suggest"]
    assert offered
    assert all(any(candidate.why.context for candidate in candidates) for candidates in offered)


def test_most_questions_find_their_entry(report: Report) -> None:
    assert report.questions >= 470
    assert report.right_at_1 >= 0.85
    assert report.right_at_3 >= 0.95


def test_most_questions_are_answered_or_offered_right(report: Report) -> None:
    assert report.answered_right >= 0.68
    assert report.answered_right + report.offered_right >= 0.92
    assert report.answered_wrong <= 0.02


def test_other_topics_are_hardly_ever_answered(report: Report) -> None:
    assert report.off_topic >= 220
    assert report.off_topic_answered <= 0.04


BEFORE_IT = {
    "en": "my boss asked me over lunch yesterday and honestly nobody in our office had a clue, so: ",
    "zh-Hans": "昨天吃午饭的时候老板突然问我这件事，办公室里谁也说不清楚，",
    "zh-Hant": "琴日食飯嗰陣老闆突然問我呢件事，成個寫字樓都冇人講得清楚，",
}


def test_a_question_that_comes_with_its_story_is_still_trusted(engine: Engine) -> None:
    told = [replace(c, text=BEFORE_IT[str(c.locale)] + c.text) for locale in LOCALES for c in _cases(locale) if c.entry]
    report = evaluate(engine, told[::4])
    assert report.answered_right + report.offered_right >= 0.8
    assert report.answered_wrong <= 0.02


def test_no_language_is_far_behind(report: Report) -> None:
    first = [report.by_locale[locale].right_at_1.value for locale in LOCALES]
    assert max(first) - min(first) <= 0.04


def test_every_topic_is_asked_in_both_languages() -> None:
    asked = {(case["entry"], case["locale"]) for case in CASES if case["entry"]}
    topics = {entry.id for entry in load(SHIPPED).entries if entry.category != SMALL_TALK}
    assert {(topic, locale) for topic in topics for locale in WRITTEN} <= asked
    assert all(set(case) - {"context"} == {"text", "locale", "entry"} for case in WRITTEN_DOWN)
    assert {case["context"] for case in WRITTEN_DOWN if "context" in case} <= topics


def test_what_is_stored_finds_its_own_entry(engine: Engine, shipped: Library) -> None:
    """Of each entry the question and some of the ways to ask it, others from entry to entry."""
    for number, entry in enumerate(shipped.valid(TODAY)):
        for locale in LOCALES:
            text = entry.texts[locale]
            for question in (text.question, *text.phrasings[number % 5 :: 5]):
                best = engine.search(question, locale, 1)
                assert [c.entry_id for c in best] == [entry.id], question


@pytest.mark.parametrize("locale", LOCALES)
def test_what_the_empty_page_of_the_chat_offers_to_ask_is_answered_without_asking_back(
    engine: Engine, locale: str
) -> None:
    say = Texts().translator(locale)
    offered = [str(say(text)) for key, text in PAGE_TEXTS.items() if key.startswith("empty_question_")]
    assert len(offered) >= 2
    assert {text: engine.decide(text, locale).kind for text in offered} == dict.fromkeys(offered, "answer")


def test_both_chinese_scripts_find_the_same(engine: Engine) -> None:
    to_traditional = opencc.OpenCC("s2hk").convert
    simplified = [c["text"] for c in CASES if c["locale"] == "zh-Hans"]
    pairs = [(engine.search(t, k=1), engine.search(to_traditional(t), k=1)) for t in simplified]
    same = [[c.entry_id for c in a] == [c.entry_id for c in b] for a, b in pairs]
    assert all(same)


def test_no_question_of_the_set_is_a_stored_phrasing(engine: Engine) -> None:
    exact = [c["text"] for c in CASES if any(f.why.exact for f in engine.search(c["text"], k=1))]
    assert len(exact) <= len(CASES) // 20, exact


def test_the_printed_report_tells_each_language_with_its_intervals(report: Report) -> None:
    *whole, english, simplified, traditional = report_lines(report)
    assert "category@1" in whole[1]
    assert whole[-2].startswith("calibration error 0.")
    assert whole[-1].startswith("going on from an answer: ")
    for line, locale in ((english, "en"), (simplified, "zh-Hans"), (traditional, "zh-Hant")):
        assert re.fullmatch(
            rf"{locale}: \d+ questions(, [a-z0-9@ ]+ [0-9.]+% \[[0-9.]+%, [0-9.]+%\]){{3}}; .+", line
        ), line
