"""The values that go into the engine and come out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["answer", "suggest", "decline"]

ANSWER_AT: Final = 0.87
SUGGEST_AT: Final = 0.30


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
    """Probability of being right at which the engine answers, and at which it asks "did you mean"."""

    answer_at: float = ANSWER_AT
    suggest_at: float = SUGGEST_AT

    def __post_init__(self) -> None:
        if not 0.0 < self.suggest_at <= self.answer_at <= 1.0:
            msg = f"bands must rise from 0 to 1: {self.suggest_at} and {self.answer_at}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Why:
    """The evidence for one candidate: the nearest stored text and the measures, each 0 to 1.

    `matched` are the words of the question, as asked, that the nearest text has too, `mended` the misspelt ones
    with what they were taken for. `head` is the learned head's probability, None without a head or
    where it does not know the entry. `aside` is the share of the field's subjects in the question that
    no entry is about. `margin` is the lead over the best other entry and may be
    negative. `context` is the entry answered before, if the question was read as going on from it.
    """

    phrasing: str
    exact: bool
    matched: tuple[str, ...]
    mended: tuple[tuple[str, str], ...]
    head: float | None
    cosine: float
    bm25: float
    coverage: float
    unknown: float
    aside: float
    margin: float
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may answer. `confidence` is the probability, 0 to 1, that it is the right one."""

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
