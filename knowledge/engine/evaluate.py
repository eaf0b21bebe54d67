"""How well an engine does on questions whose entry is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from knowledge.engine.model import Candidate, Decision


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the entry that answers it; `None` means that no entry does."""

    text: str
    locale: str | None
    entry: str | None


@dataclass(frozen=True, slots=True)
class Miss:
    """A case that went wrong, for reading."""

    case: Case
    decision: Decision


@dataclass(frozen=True, slots=True)
class Report:
    """Shares from 0 to 1. The first six are of questions with an entry, the rest of the others.

    `right_at_1` and `right_at_3` disregard the bands; `answered_right` and `answered_wrong` are
    answers given, `offered_right` suggestions that hold the entry.
    """

    questions: int
    right_at_1: float
    right_at_3: float
    answered_right: float
    answered_wrong: float
    offered_right: float
    offered_wrong: float
    declined: float
    off_topic: int
    off_topic_answered: float
    off_topic_offered: float
    misses: tuple[Miss, ...]


class Answering(Protocol):
    """What is measured: any engine of this interface."""

    def search(self, text: str, locale: str | None = None, k: int = 5) -> list[Candidate]:
        """The best `k` entries."""

    def decide(self, text: str, locale: str | None = None, context: str | None = None) -> Decision:
        """Answer, suggest or decline."""


def evaluate(engine: Answering, cases: Sequence[Case]) -> Report:
    """Ask every case and count."""
    decided = [(case, engine.decide(case.text, case.locale)) for case in cases]
    inside = [(case, decision) for case, decision in decided if case.entry is not None]
    outside = [decision for case, decision in decided if case.entry is None]
    found = [_ids(engine.search(case.text, case.locale, 3)) for case, _ in inside]
    expected = [case.entry for case, _ in inside]
    pairs = list(zip(expected, found, strict=True))
    return Report(
        questions=len(inside),
        right_at_1=_share([ids[:1] == [entry] for entry, ids in pairs]),
        right_at_3=_share([entry in ids for entry, ids in pairs]),
        answered_right=_share([d.kind == "answer" and _holds(d, c) for c, d in inside]),
        answered_wrong=_share([d.kind == "answer" and not _holds(d, c) for c, d in inside]),
        offered_right=_share([d.kind == "suggest" and _holds(d, c) for c, d in inside]),
        offered_wrong=_share([d.kind == "suggest" and not _holds(d, c) for c, d in inside]),
        declined=_share([d.kind == "decline" for _, d in inside]),
        off_topic=len(outside),
        off_topic_answered=_share([d.kind == "answer" for d in outside]),
        off_topic_offered=_share([d.kind == "suggest" for d in outside]),
        misses=tuple(Miss(case, decision) for case, decision in decided if _wrong(case, decision)),
    )


def _holds(decision: Decision, case: Case) -> bool:
    return case.entry in _ids(decision.candidates)


def _wrong(case: Case, decision: Decision) -> bool:
    if case.entry is None:
        return decision.kind != "decline"
    return decision.kind != "answer" or not _holds(decision, case)


def _ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.entry_id for candidate in candidates]


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0
