"""From a question to candidates: measures, ranking, trust, and what was answered just before."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from knowledge.engine.analysis import FUNCTION_WORDS, Analysis
from knowledge.engine.calibration import LIGHT_RANKING, LIGHT_TRUST, ONE_TEXT_RANKING, Ranked, Ranking, signs_of
from knowledge.engine.corpus import Corpus
from knowledge.engine.features import Floats, Ints
from knowledge.engine.head import Head, Linear
from knowledge.engine.index import Evidence, Index, Query
from knowledge.engine.linear import softmax
from knowledge.engine.model import Candidate, Why

BEST: Final = 0.99
LEAST: Final = 1e-4

FEW_TEXTS: Final = 2.0
SHORT_WORDS: Final = 3
SHORT_HAN: Final = 7
KIN: Final = 2.0
BESIDE: Final = 0.1
ABOUT_IT: Final = 0.5
_GOES_ON = re.compile(r"(?:and|what about|how about|or|but|then|also|so)\b|那|那么|呢|还有|如果|要是|换成|换做")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question by itself, in terms of one index: both ways to understand it begin here."""

    text: str
    analysis: Analysis
    exact: frozenset[int]
    query: Query
    ranked: Ranked


class Matcher:
    """One index, with a head or without, and what follows from both. Made once, never changed.

    `previous` lends what it knows of texts that did not change.
    """

    def __init__(self, corpus: Corpus, head: Head | None, previous: "Matcher | None" = None) -> None:
        self._corpus = corpus
        self._head = head
        learned = (head.features, head.feature_weights) if head else None
        before = previous if previous and previous._corpus.analyzer is corpus.analyzer else None
        self._index: Index = Index(corpus.ids, corpus.rows, corpus.extras, learned, before._index if before else None)
        lent = before._linear if before and before._head is head else None
        self._linear: Linear | None = head.linear_for(self._index, lent) if head else None
        usable = head if head and (self._linear or not len(head.texts)) else None
        self._ranking = usable.ranking if usable else _built_in_ranking(self._index)
        self._trust = (usable and usable.trust) or LIGHT_TRUST
        exact: dict[str, set[int]] = {}
        for row in self._index.rows:
            exact.setdefault(row.analysis.key, set()).add(row.entry)
        self._exact = {key: frozenset(entries) for key, entries in exact.items()}
        self._numbers = {entry_id: number for number, entry_id in enumerate(corpus.ids)}
        self._kin = {document.entry_id: document.kin for document in corpus.documents}
        unlisted = {document.entry_id for document in corpus.documents if not document.browsable}
        self._listed = np.array([entry_id not in unlisted for entry_id in corpus.ids], dtype=np.int64)

    def knows_any(self, words: Sequence[str]) -> bool:
        """Whether one of the words, as they are written, is used here or is spelt nearly like one that is."""
        return self._index.knows_any(self._corpus.analyzer.analyse(" ".join(words)))

    def read(self, text: str) -> Asked | None:
        """The question weighed against all entries; None without a word."""
        analysis = self._corpus.analyzer.analyse(text)
        exact = self._exact.get(analysis.key, frozenset())
        if not exact and not analysis.has_words:
            return None
        query = self._index.query(analysis)
        return Asked(text, analysis, exact, query, self._ranked(query))

    def best(self, asked: Asked, k: int) -> list[Candidate]:
        """The likeliest entries for a question that stands alone, up to the `k`th that can be offered.

        None if it says nothing.
        """
        ranked = asked.ranked
        if not (asked.exact or asked.analysis.has_content) or not ranked.evidence.near.any():
            return []
        trust = float(self._trust.probability(signs_of(asked.query, ranked)))
        confidence = trust * ranked.chances / ranked.chances.max()
        confidence[np.isin(ranked.evidence.entries, sorted(asked.exact))] = BEST
        return self._candidates(asked, confidence, k)

    def following(self, asked: Asked, context: str, locale: str, k: int) -> list[Candidate]:
        """As `best`, for a short question that goes on from the context, which may be one of them.

        Entries are ranked by the question alone and by the question together with what was asked before, the context's
        kin and category before all others. Such a reading is trusted as far as an entry has the question's own words,
        stands out from all entries, and the whole question would be trusted if the context itself were not there.
        """
        before = self._corpus.question(context, locale)
        if before is None or not asked.analysis.has_words or not _goes_on(asked):
            return []
        joined = self._index.query(_joined(before, asked.analysis))
        alone, together = asked.ranked, self._ranked(joined)
        entries = alone.evidence.entries
        openness = self._openness(entries, context)
        likely = np.sqrt(alone.chances * _chances_of(entries, together)) * openness
        share = likely / (likely.sum() or 1.0)
        cover = self._index.cover(_content(asked.analysis), entries)
        trust = float(self._trust.probability(signs_of(joined, self._without(together, context))))
        open_to = (openness > BESIDE) & (cover >= ABOUT_IT)
        confidence = np.minimum(share * cover * trust, BEST) * open_to
        confidence[entries == self._numbers[context]] += LEAST  # it stays in sight
        return self._candidates(asked, confidence, k, context)

    def _without(self, ranked: Ranked, entry_id: str) -> Ranked:
        """The ranking as it would be without an entry."""
        evidence = ranked.evidence
        others = evidence.entries != self._numbers[entry_id]
        chances = ranked.chances[others]
        if not chances.any():
            return ranked
        left = {field.name: getattr(evidence, field.name)[others] for field in fields(evidence)}
        return Ranked(Evidence(**left), ranked.measures[others], chances / chances.sum(), ranked.strengths[others])

    def _openness(self, entries: Ints, context: str) -> Floats:
        """How much an entry may be meant after the context: kin more than the rest of its category, others hardly."""
        kin = {self._numbers[entry_id] for entry_id in self._kin[context] if entry_id in self._numbers}
        category = context.rpartition("-")[0]
        near = {number for entry_id, number in self._numbers.items() if entry_id.rpartition("-")[0] == category}
        return np.array([
            KIN if entry in kin else 1.0 if entry in near else BESIDE for entry in entries.tolist()
        ])  # fmt: skip

    def _ranked(self, query: Query) -> Ranked:
        evidence = self._index.measure(query)
        return self._ranking.rank(evidence, self._linear.logits(query, evidence) if self._linear else None)

    def _candidates(self, asked: Asked, confidence: Floats, k: int, context: str | None = None) -> list[Candidate]:
        query, ranked = asked.query, asked.ranked
        evidence = ranked.evidence
        order = np.lexsort((evidence.entries, -ranked.chances, -confidence))
        listed = self._listed[evidence.entries[order]]
        likeliest = order[(np.cumsum(listed) - listed < k) & (confidence[order] >= LEAST)]
        head = softmax(ranked.strengths) if self._linear else None
        written = self._corpus.analyzer.written(asked.text)
        runs = zip(asked.analysis.runs, query.analysis.runs, strict=True)
        mended = tuple(pair for pair in runs if pair[0] != pair[1])
        meant = dict(mended)
        first, second = (*np.sort(evidence.near)[::-1][:2], 0.0)[:2]
        found = []
        for at in likeliest.tolist():
            entry = int(evidence.entries[at])
            nearest = self._index.rows[int(evidence.nearest[at])]
            near = float(evidence.near[at])
            why = Why(
                phrasing=nearest.text,
                exact=entry in asked.exact,
                matched=tuple(
                    word for word, token in written.items() if meant.get(token, token) in nearest.analysis.tokens
                ),
                mended=mended,
                head=round(float(head[at]), 4) if head is not None and self._is_learned(entry) else None,
                cosine=round(near, 4),
                bm25=round(float(evidence.bm25[at]), 4),
                coverage=round(float(evidence.cover[at]), 4),
                unknown=round(query.unknown, 4),
                aside=round(query.aside, 4),
                margin=round(near - float(second if near == first else first), 4),
                context=context,
            )
            found.append(Candidate(self._corpus.ids[entry], round(float(confidence[at]), 4), why))
        return found

    def _is_learned(self, entry: int) -> bool:
        return self._linear is not None and self._linear.knows(entry)


def _built_in_ranking(index: Index) -> Ranking:
    return LIGHT_RANKING if len(index.rows) >= FEW_TEXTS * len(index.ids) else ONE_TEXT_RANKING


def _goes_on(asked: Asked) -> bool:
    """Whether a question reads as if something had been said before."""
    if asked.exact:
        return False
    han = sum(len(run) for run in asked.analysis.runs if run[0] >= "\u3400")
    words = sum(token not in FUNCTION_WORDS for token in asked.analysis.tokens if token[0] < "\u3400")
    return bool(_GOES_ON.match(asked.text.strip().lower())) or (han <= SHORT_HAN and words <= SHORT_WORDS)


def _content(analysis: Analysis) -> Analysis:
    """Without function words, as long as anything is left."""
    tokens = tuple(token for token in analysis.tokens if token not in FUNCTION_WORDS)
    return replace(analysis, tokens=tokens or analysis.tokens)


def _joined(before: Analysis, after: Analysis) -> Analysis:
    return replace(
        after,
        tokens=before.tokens + after.tokens,
        runs=before.runs + after.runs,
        concepts=before.concepts + after.concepts,
    )


def _chances_of(entries: Ints, ranked: Ranked) -> Floats:
    """The chances of some entries in a ranking that may be of others."""
    chance = dict(zip(ranked.evidence.entries.tolist(), ranked.chances.tolist(), strict=True))
    return np.array([chance.get(entry, 0.0) for entry in entries.tolist()])
