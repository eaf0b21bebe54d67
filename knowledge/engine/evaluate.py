"""How well an engine does on questions whose entry is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from knowledge.engine.analysis import detect_locale
from knowledge.engine.model import Candidate, Decision

OFF_TOPIC_SHARE: Final = 0.25
"""The share of questions about something else that the calibration error assumes."""

RESAMPLES: Final = 1_000
BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the entry that answers it; `None` means that no entry does.

    `context` is the entry answered just before, where the question goes on from one.
    """

    text: str
    locale: str | None
    entry: str | None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Miss:
    """A case that went wrong, for reading."""

    case: Case
    decision: Decision


@dataclass(frozen=True, slots=True)
class Share:
    """A share from 0 to 1, and the interval that holds 95 % of its bootstrap resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LocaleReport:
    """One language: `reached` are questions answered or offered right."""

    questions: int
    right_at_1: Share
    right_at_3: Share
    answered_right: Share
    reached: Share
    off_topic: int
    off_topic_answered: Share


@dataclass(frozen=True, slots=True)
class FollowUps:
    """Questions that go on from an answer. `clear` have an entry: shares of these answered right, and answered or
    offered right; `open` have none; `answered_wrong` is the share of all that are answered by another entry.
    """

    clear: int
    answered_right: float
    reached: float
    open: int
    answered_wrong: float


@dataclass(frozen=True, slots=True)
class Report:
    """Shares from 0 to 1. Those up to `declined` are of questions with an entry, the rest of the others.

    `right_at_1`, `right_at_3` and `category_at_1` disregard the bands; `answered_right` and
    `answered_wrong` are answers given, `offered_right` suggestions that hold the entry.
    Questions that go on from an answer are counted in `follow_ups` alone.
    `calibration_error` is the mean distance between confidence and the share that is right.
    """

    questions: int
    right_at_1: float
    right_at_3: float
    category_at_1: float
    answered_right: float
    answered_wrong: float
    offered_right: float
    offered_wrong: float
    declined: float
    off_topic: int
    off_topic_answered: float
    off_topic_offered: float
    calibration_error: float
    by_locale: Mapping[str, LocaleReport]
    follow_ups: FollowUps
    misses: tuple[Miss, ...]


class Answering(Protocol):
    """What is measured: any engine of this interface."""

    def search(self, text: str, locale: str | None = None, k: int = 5) -> list[Candidate]:
        """The best `k` entries."""

    def decide(self, text: str, locale: str | None = None, context: str | None = None) -> Decision:
        """Answer, suggest or decline."""


@dataclass(frozen=True, slots=True)
class _Asked:
    case: Case
    found: tuple[str, ...]
    confidence: float
    decision: Decision

    @property
    def is_right(self) -> bool:
        return self.found[:1] == (self.case.entry,)

    @property
    def is_near(self) -> bool:
        return self.case.entry in self.found

    def did(self, kind: str, *, right: bool | None = None) -> bool:
        holds = self.case.entry in [candidate.entry_id for candidate in self.decision.candidates]
        return self.decision.kind == kind and right in (None, holds)


def evaluate(engine: Answering, cases: Sequence[Case], categories: Mapping[str, str] | None = None) -> Report:
    """Ask every case and count. Without `categories` an entry's is its id up to the last hyphen."""
    asked = [_ask(engine, case) for case in cases]
    alone = [one for one in asked if one.case.context is None]
    inside = [one for one in alone if one.case.entry is not None]
    outside = [one for one in alone if one.case.entry is None]
    return Report(
        questions=len(inside),
        right_at_1=_share(inside, lambda one: one.is_right),
        right_at_3=_share(inside, lambda one: one.is_near),
        category_at_1=_share(inside, lambda one: _same_category(one, categories)),
        answered_right=_share(inside, lambda one: one.did("answer", right=True)),
        answered_wrong=_share(inside, lambda one: one.did("answer", right=False)),
        offered_right=_share(inside, lambda one: one.did("suggest", right=True)),
        offered_wrong=_share(inside, lambda one: one.did("suggest", right=False)),
        declined=_share(inside, lambda one: one.did("decline")),
        off_topic=len(outside),
        off_topic_answered=_share(outside, lambda one: one.did("answer")),
        off_topic_offered=_share(outside, lambda one: one.did("suggest")),
        calibration_error=_calibration_error(inside, outside),
        by_locale=_by_locale(inside, outside),
        follow_ups=_follow_ups([one for one in asked if one.case.context is not None]),
        misses=tuple(Miss(one.case, one.decision) for one in asked if _wrong(one)),
    )


def calibration_error(confidences: Sequence[float], right: Sequence[bool], weights: Sequence[float]) -> float:
    """The weighted mean, over tenths of confidence, of how far it is from the share that is right."""
    off = [0.0] * BINS
    for confidence, is_right, weight in zip(confidences, right, weights, strict=True):
        off[min(int(confidence * BINS), BINS - 1)] += weight * (is_right - confidence)
    return sum(map(abs, off)) / (sum(weights) or 1.0)


def bootstrap(hits: Sequence[float]) -> Share:
    """The mean of some hits, with its interval; always the same for the same hits."""
    if not hits:
        return Share(0.0, 0.0, 0.0)
    import numpy as np  # not for the command line's help

    drawn = np.random.default_rng(0).integers(0, len(hits), (RESAMPLES, len(hits)))
    means = np.asarray(hits, dtype=np.float64)[drawn].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Share(sum(hits) / len(hits), float(low), float(high))


def _ask(engine: Answering, case: Case) -> _Asked:
    found = engine.search(case.text, case.locale, 3)
    confidence = found[0].confidence if found else 0.0
    ids = tuple(candidate.entry_id for candidate in found)
    return _Asked(case, ids, confidence, engine.decide(case.text, case.locale, case.context))


def _follow_ups(asked: Sequence[_Asked]) -> FollowUps:
    clear = [one for one in asked if one.case.entry is not None]
    return FollowUps(
        clear=len(clear),
        answered_right=_share(clear, lambda one: one.did("answer", right=True)),
        reached=_share(clear, lambda one: one.did("answer", right=True) or one.did("suggest", right=True)),
        open=len(asked) - len(clear),
        answered_wrong=_share(asked, lambda one: one.did("answer", right=False)),
    )


def _same_category(asked: _Asked, categories: Mapping[str, str] | None) -> bool:
    def category(entry_id: str) -> str:
        return entry_id.rpartition("-")[0] if categories is None else categories.get(entry_id, "")

    return bool(asked.found) and category(asked.found[0]) == category(str(asked.case.entry))


def _by_locale(inside: Sequence[_Asked], outside: Sequence[_Asked]) -> dict[str, LocaleReport]:
    locales = sorted({_locale(one) for one in (*inside, *outside)})
    return {
        locale: _locale_report(
            [one for one in inside if _locale(one) == locale], [one for one in outside if _locale(one) == locale]
        )
        for locale in locales
    }


def _locale(asked: _Asked) -> str:
    return asked.case.locale or detect_locale(asked.case.text, None)


def _locale_report(inside: Sequence[_Asked], outside: Sequence[_Asked]) -> LocaleReport:
    answered = [one.did("answer", right=True) for one in inside]
    offered = [one.did("suggest", right=True) for one in inside]
    return LocaleReport(
        questions=len(inside),
        right_at_1=bootstrap([one.is_right for one in inside]),
        right_at_3=bootstrap([one.is_near for one in inside]),
        answered_right=bootstrap(answered),
        reached=bootstrap([a or b for a, b in zip(answered, offered, strict=True)]),
        off_topic=len(outside),
        off_topic_answered=bootstrap([one.did("answer") for one in outside]),
    )


def _calibration_error(inside: Sequence[_Asked], outside: Sequence[_Asked]) -> float:
    weight = OFF_TOPIC_SHARE / (1.0 - OFF_TOPIC_SHARE) * len(inside) / (len(outside) or 1)
    asked = [*inside, *outside]
    right = [one.case.entry is not None and one.is_right for one in asked]
    weights = [1.0] * len(inside) + [weight] * len(outside)
    return calibration_error([one.confidence for one in asked], right, weights)


def _wrong(asked: _Asked) -> bool:
    return not asked.did("decline") if asked.case.entry is None else not asked.did("answer", right=True)


def _share(asked: Sequence[_Asked], counts: Callable[[_Asked], bool]) -> float:
    return sum(map(counts, asked)) / len(asked) if asked else 0.0
