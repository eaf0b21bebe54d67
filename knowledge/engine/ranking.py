"""From measures to confidence, by hand-set weights.

Chosen on paraphrases and off-topic questions. Every measure but `unknown` and `aside` can only
raise the confidence of an entry.
"""

from typing import Final

import numpy as np

from knowledge.engine.analysis import Analysis
from knowledge.engine.index import Evidence, Floats, Index
from knowledge.engine.model import Candidate, Why

BEST: Final = 0.99
COSINE_SHARE: Final = 0.4
BM25_SHARE: Final = 0.3
COVERAGE_SHARE: Final = 0.3
KIN_BONUS: Final = 0.08
STEEPNESS: Final = 9.0
MIDDLE: Final = 0.3
LEAD_WEIGHT: Final = 0.2
CLEAR_MARGIN: Final = 0.1
UNKNOWN_WEIGHT: Final = 0.35
ASIDE_WEIGHT: Final = 0.4


class Ranking:
    """Ranks the entries of one index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._exact: dict[str, set[int]] = {}
        for row in index.rows:
            self._exact.setdefault(row.analysis.key, set()).add(row.entry)
        self._numbers = {entry_id: number for number, entry_id in enumerate(index.ids)}

    def best(self, analysis: Analysis, locale: str, kin: frozenset[str], k: int) -> list[Candidate]:
        """The likeliest `k` entries; `kin` are those that a follow-up question may mean."""
        exact = self._exact.get(analysis.key, set())
        if not exact and not analysis.has_content and not (kin and analysis.words):
            return []
        seen = self._index.measure(analysis, locale)
        strength = _strength(seen) + self._bonus(seen, kin)
        margin = _margin(strength)
        confidence = _confidence(strength, margin, seen)
        confidence[list(exact)] = BEST
        order = np.lexsort((np.arange(len(strength)), -strength, -confidence))[:k]
        return [
            self._candidate(int(at), float(confidence[at]), float(margin[at]), seen, at in exact)
            for at in order
            if confidence[at] > 0.0
        ]

    def _bonus(self, seen: Evidence, kin: frozenset[str]) -> Floats:
        bonus = np.zeros(len(self._index.ids))
        known = kin & self._numbers.keys()
        bonus[[self._numbers[entry_id] for entry_id in sorted(known)]] = KIN_BONUS
        return np.where(seen.coverage > 0.0, bonus, 0.0)

    def _candidate(self, at: int, confidence: float, margin: float, seen: Evidence, exact: bool) -> Candidate:
        why = Why(
            phrasing=self._index.rows[int(seen.nearest[at])].text,
            exact=exact,
            cosine=round(float(seen.cosine[at]), 4),
            bm25=round(float(seen.bm25[at]), 4),
            coverage=round(float(seen.coverage[at]), 4),
            unknown=round(seen.unknown, 4),
            aside=seen.aside,
            margin=round(margin, 4),
        )
        return Candidate(self._index.ids[at], round(confidence, 4), why)


def _strength(seen: Evidence) -> Floats:
    words: Floats = COSINE_SHARE * seen.cosine + BM25_SHARE * seen.bm25
    return words + COVERAGE_SHARE * seen.coverage


def _margin(strength: Floats) -> Floats:
    """The lead over the best other entry, negative for all but the first."""
    if len(strength) < 2:
        return strength.copy()
    second, first = np.partition(strength, -2)[-2:]
    margin: Floats = strength - np.where(strength == first, second, first)
    return margin


def _confidence(strength: Floats, margin: Floats, seen: Evidence) -> Floats:
    lead = np.tanh(margin / CLEAR_MARGIN)
    foreign = UNKNOWN_WEIGHT * seen.unknown + ASIDE_WEIGHT * seen.aside
    raised = strength + LEAD_WEIGHT * lead - foreign
    confidence: Floats = BEST / (1.0 + np.exp(-STEEPNESS * (raised - MIDDLE)))
    return np.where(strength > 0.0, confidence, 0.0)
