"""Counting how well an engine does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.engine import Case, evaluate
from knowledge.engine.evaluate import bootstrap, calibration_error
from knowledge.engine.model import Candidate, Decision, Why

WHY = Why("", False, (), (), None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Scripted:
    """Finds what is in the question, `id:confidence ...`; answers from 0.8, suggests from 0.4."""

    def search(self, text: str, locale: str | None = None, k: int = 5) -> list[Candidate]:
        pairs = (word.split(":") for word in text.split())
        return [Candidate(entry, float(confidence), WHY) for entry, confidence in pairs][:k]

    def decide(self, text: str, locale: str | None = None, context: str | None = None) -> Decision:
        found = self.search(text, locale)
        best = found[0].confidence if found else 0.0
        kind, chosen = ("answer", found[:1]) if best >= 0.8 else ("suggest", found) if best >= 0.4 else ("decline", [])
        return Decision(kind, tuple(chosen), locale or "en", "scripted")  # type: ignore[arg-type]


def test_questions_are_counted_by_what_was_found_and_what_was_done() -> None:
    cases = [
        Case("pat-1:0.9 pat-2:0.1", "en", "pat-1"),
        Case("pat-1:0.9 pat-2:0.1", "en", "pat-2"),
        Case("tm-1:0.5 pat-2:0.4", "zh-Hans", "pat-2"),
        Case("", "zh-Hans", "pat-2"),
        Case("tm-1:0.9", "en", None),
        Case("tm-1:0.2", "en", None),
    ]
    report = evaluate(Scripted(), cases)
    assert (report.questions, report.off_topic) == (4, 2)
    assert (report.right_at_1, report.right_at_3, report.category_at_1) == (0.25, 0.75, 0.5)
    assert (report.answered_right, report.answered_wrong) == (0.25, 0.25)
    assert (report.offered_right, report.offered_wrong, report.declined) == (0.25, 0.0, 0.25)
    assert (report.off_topic_answered, report.off_topic_offered) == (0.5, 0.0)
    assert len(report.misses) == 4
    english, chinese = report.by_locale["en"], report.by_locale["zh-Hans"]
    assert (english.questions, english.right_at_1.value, english.off_topic_answered.value) == (2, 0.5, 0.5)
    assert (chinese.right_at_3.value, chinese.reached.value, chinese.off_topic) == (0.5, 0.5, 0)


def test_categories_can_be_told() -> None:
    report = evaluate(Scripted(), [Case("a:0.9", "en", "b")], {"a": "one", "b": "one"})
    assert (report.right_at_1, report.category_at_1) == (0.0, 1.0)


def test_confidence_that_keeps_its_word_has_no_calibration_error() -> None:
    assert calibration_error([0.75] * 4, [True, True, True, False], [1.0] * 4) == pytest.approx(0.0)
    assert calibration_error([0.9] * 2, [False, False], [1.0] * 2) == pytest.approx(0.9)
    assert calibration_error([0.9, 0.1], [True, True], [3.0, 1.0]) == pytest.approx((3 * 0.1 + 0.9) / 4)


@given(st.lists(st.booleans(), max_size=60))
def test_an_interval_holds_its_share_and_is_the_same_each_time(hits: list[bool]) -> None:
    share = bootstrap(hits)
    assert 0.0 <= share.low <= share.value + 1e-9
    assert share.value - 1e-9 <= share.high <= 1.0
    assert share == bootstrap(hits)
