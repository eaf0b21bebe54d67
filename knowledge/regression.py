"""The regression set: questions whose entry is known, asked before a publication to show what it would change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from bot.texts import LOCALES
from knowledge.engine import Case, Decision, Engine
from knowledge.reading import LibraryError, items, text_of

SET: Final = Path(__file__).parent / "regression.yaml"


@cache
def cases() -> tuple[Case, ...]:
    """The shipped set; LibraryError when it cannot be read."""
    return tuple(_read())


def problems() -> list[str]:
    """What is wrong with the shipped set: nothing, or a line."""
    try:
        cases()
    except LibraryError as fault:
        return [str(fault)]
    return []


def _read() -> Iterator[Case]:
    for origin, case in items(text_of(SET, SET.name), SET.name, "questions", "text"):
        text, locale, entry, context = (case.get(name) for name in ("text", "locale", "entry", "context"))
        if not isinstance(text, str) or locale not in LOCALES or not _names(entry) or not _names(context):
            raise LibraryError(f"{origin.place(())}: a question has text, locale and entry, the id or null")
        yield Case(text, locale, entry, context)


def _names(entry: object) -> bool:
    return entry is None or isinstance(entry, str)


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
