"""The regression set: questions whose entry is known, asked before a publication to show what it would change."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from knowledge.engine import Case, Decision, Engine

SET: Final = Path(__file__).parent / "regression.yaml"


@cache
def cases() -> tuple[Case, ...]:
    """The shipped set."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    written = yaml.load(SET.read_text(encoding="utf-8"), loader)  # noqa: S506  either is a safe loader
    return tuple(Case(case["text"], case["locale"], case["entry"], case.get("context")) for case in written)


@dataclass(frozen=True, slots=True)
class Difference:
    """A question that is decided otherwise than before."""

    case: Case
    before: Decision
    after: Decision


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to the regression set.

    `right_*` count questions answered by their entry, and those off-topic that are not answered. `gained` are decided
    better than before, `lost` worse; an offered entry lies between an answer and none.
    """

    questions: int
    right_before: int
    right_after: int
    gained: tuple[Difference, ...]
    lost: tuple[Difference, ...]

    @property
    def off_topic_answered(self) -> tuple[Difference, ...]:
        """Questions on other subjects that would be answered, and were not."""
        return tuple(each for each in self.lost if each.case.entry is None and each.after.kind == "answer")


def ask(engine: Engine, asked: Sequence[Case]) -> list[Decision]:
    return [engine.decide(case.text, case.locale, case.context) for case in asked]


def effect(asked: Sequence[Case], before: Sequence[Decision], after: Sequence[Decision]) -> Effect:
    """Compare two engines' decisions on the same questions."""
    each = [Difference(*one) for one in zip(asked, before, after, strict=True)]
    return Effect(
        questions=len(each),
        right_before=sum(_is_right(one.case, one.before) for one in each),
        right_after=sum(_is_right(one.case, one.after) for one in each),
        gained=tuple(one for one in each if _worth(one.case, one.after) > _worth(one.case, one.before)),
        lost=tuple(one for one in each if _worth(one.case, one.after) < _worth(one.case, one.before)),
    )


def _is_right(case: Case, decision: Decision) -> bool:
    return decision.kind != "answer" if case.entry is None else _worth(case, decision) == _BEST


_BEST = 3


def _worth(case: Case, decision: Decision) -> int:
    """Right, half right, no help, wrong: 3 to 0."""
    if case.entry is None:
        return {"answer": 0, "suggest": 2, "decline": _BEST}[decision.kind]
    if case.entry in [candidate.entry_id for candidate in decision.candidates]:
        return _BEST if decision.kind == "answer" else 2
    return 0 if decision.kind == "answer" else 1
