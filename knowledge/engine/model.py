"""The values that go into the engine and come out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["answer", "suggest", "decline"]

ANSWER_AT: Final = 0.78
SUGGEST_AT: Final = 0.35


@dataclass(frozen=True, slots=True)
class Document:
    """What one entry says in one language.

    `texts` are the question, first, and its phrasings, `body` the answer (it only tells which words the
    knowledge base knows), `kin` the entries that a follow-up question may mean. An entry that is
    not `browsable` (small talk) may answer but is never offered as a suggestion.
    """

    entry_id: str
    locale: str
    texts: tuple[str, ...]
    tags: tuple[str, ...] = ()
    body: str = ""
    kin: tuple[str, ...] = ()
    browsable: bool = True


@dataclass(frozen=True, slots=True)
class Bands:
    """Confidence at which the engine answers, and at which it asks "did you mean"."""

    answer_at: float = ANSWER_AT
    suggest_at: float = SUGGEST_AT

    def __post_init__(self) -> None:
        if not 0.0 < self.suggest_at <= self.answer_at <= 1.0:
            msg = f"bands must rise from 0 to 1: {self.suggest_at} and {self.answer_at}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Why:
    """The evidence for one candidate: the nearest stored text and the measures, each 0 to 1.

    `aside` tells that the query names a subject of the field that no entry is about, and none that
    many are about. `margin` is the lead over the best other entry and may be negative.
    """

    phrasing: str
    exact: bool
    cosine: float
    bm25: float
    coverage: float
    unknown: float
    aside: bool
    margin: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may answer, with a confidence from 0 to 1."""

    entry_id: str
    confidence: float
    why: Why


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a question: one candidate to answer, two or three to offer, or none.

    `locale` is the language to answer in, `model` names the fitted engine, `features` are the
    measures behind the decision, for the log.
    """

    kind: Kind
    candidates: tuple[Candidate, ...]
    locale: str
    model: str
    features: Mapping[str, float] = field(default_factory=dict)
