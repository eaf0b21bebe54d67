"""From measures to a ranking, and from a ranking to the probability that its first entry is right.

Both are small logistic models. They start from built-in weights and are bent towards what a knowledge
base shows when some of its own texts, and whole entries, are withheld.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from knowledge.engine.features import Bools, Floats
from knowledge.engine.index import Evidence, Query
from knowledge.engine.linear import softmax

MEASURES: Final = ("head", "near", "mean", "word", "bm25", "cover", "few")
"""What entries are ranked by; `few` is the head's say where an entry has few texts."""

SIGNS: Final = {
    "chance": 1, "near": 1, "near_lead": 1, "bm25": 1, "cover": 1, "agreement": 1,
    "length": 0, "entropy": 0, "unknown": -1, "mended": -1, "aside": -1,
}  # fmt: skip
"""What tells whether the first entry is right, and whether more of it may only raise trust, or only lower it."""

PRIOR_OF_RANKING: Final = 0.3
PRIOR_OF_TRUST: Final = 1.0
LEAST_SPREAD: Final = 0.01
LEFT_OUT: Final = 1e9
STEPS: Final = 30


@dataclass(frozen=True, slots=True)
class Ranked:
    """The entries of some evidence with a line of measures and a probability each."""

    evidence: Evidence
    measures: Floats
    chances: Floats
    strengths: Floats


@dataclass(frozen=True, slots=True)
class Ranking:
    """Weights of the measures."""

    weights: Floats

    def rank(self, evidence: Evidence, logits: Floats | None) -> Ranked:
        """`logits` are the head's, one for each entry of the evidence, or None without a head."""
        measures = measures_of(evidence, logits)
        strengths = np.zeros(len(evidence.entries)) if logits is None else logits
        return Ranked(evidence, measures, softmax(measures @ self.weights), strengths)


@dataclass(frozen=True, slots=True)
class Trust:
    """Weights of the signs, for signs less `centre` and by `spread`."""

    centre: Floats
    spread: Floats
    weights: Floats
    bias: float

    def probability(self, signs: Floats) -> Floats:
        scaled = np.clip((signs - self.centre) / self.spread, -4.0, 4.0)
        chances: Floats = 1.0 / (1.0 + np.exp(-(scaled @ self.weights + self.bias)))
        return chances


ONE_TEXT_RANKING: Final = Ranking(np.array([0.0, 0.0, 16.0, 0.0, 8.0, 3.0, 0.0]))
"""Without a head, where most entries have but one text: then BM25 tells more."""

# Fitted on five knowledge bases at once, without heads. On each of four that was left out the expected
# calibration error was 0.03 to 0.05; on the fifth, whose phrasings differ most, 0.16.
LIGHT_RANKING: Final = Ranking(np.array([0.0, -2.7, 18.2, 2.7, -0.3, 7.1, 0.0]))
LIGHT_TRUST: Final = Trust(
    centre=np.array([0.673, 0.434, 0.094, 0.193, 0.611, 0.781, 2.28, 2.05, 0.165, 0.002, 0.012]),
    spread=np.array([2.88, 0.206, 0.17, 0.108, 0.243, 0.254, 0.466, 1.57, 0.239, 0.028, 0.11]),
    weights=np.array([2.38, 0.17, 0.0, 0.0, 0.43, 0.25, 0.26, 1.06, -0.36, 0.0, -0.06]),
    bias=0.16,
)


def measures_of(evidence: Evidence, logits: Floats | None) -> Floats:
    """One line for each entry, in the order of `MEASURES`."""
    head = np.zeros(len(evidence.entries)) if logits is None else logits - _log_sum(logits)
    few = head / evidence.rows
    columns = [head, evidence.near, evidence.mean, evidence.word, evidence.bm25, evidence.cover, few]
    return np.stack(columns, axis=1).astype(np.float64)


def imputing_columns(evidence: Evidence) -> Floats:
    """From what a head's logit is guessed, one line for each entry."""
    ones = np.ones(len(evidence.entries))
    columns = [ones, evidence.near, evidence.mean, evidence.word, evidence.bm25, evidence.cover]
    return np.stack(columns, axis=1).astype(np.float64)


def signs_of(query: Query, ranked: Ranked) -> Floats:
    """One number for each of `SIGNS`."""
    evidence, chances = ranked.evidence, ranked.chances
    first = int(chances.argmax())
    chance = float(np.clip(chances[first], 1e-6, 1.0 - 1e-6))
    near_others = np.delete(evidence.near, first)
    votes = [ranked.strengths, evidence.near, evidence.bm25, evidence.cover]
    told = chances[chances > 1e-9]
    return np.array([
        np.log(chance / (1.0 - chance)),
        evidence.near[first],
        evidence.near[first] - (near_others.max() if len(near_others) else 0.0),
        evidence.bm25[first],
        evidence.cover[first],
        np.mean([vote[first] >= vote.max() for vote in votes]),
        np.log1p(len(set(query.analysis.tokens))),
        -(told * np.log(told)).sum(),
        query.unknown,
        query.mended,
        query.aside,
    ])  # fmt: skip


def fit_ranking(cases: Sequence[tuple[Floats, int]], start: Floats) -> Ranking:
    """Bend the weights towards the right entry (a line number) of each case's measures.

    Newton's method on the conditional likelihood, held to `start`.
    """
    weights = start.astype(np.float64)
    for _ in range(STEPS if cases else 0):
        slope = PRIOR_OF_RANKING * (weights - start)
        bend = PRIOR_OF_RANKING * np.eye(len(weights))
        for measures, right in cases:
            chances = softmax(measures @ weights)
            mean = chances @ measures
            slope += mean - measures[right]
            bend += (measures * chances[:, None]).T @ measures - np.outer(mean, mean)
        step = np.linalg.solve(bend, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-4:
            break
    return Ranking(weights)


def fit_trust(signs: Floats, right: Bools, importance: Floats) -> Trust:
    """Logistic regression; a sign that would count the wrong way on these cases is left out."""
    centre, spread = signs.mean(axis=0), signs.std(axis=0) + LEAST_SPREAD
    scaled = np.column_stack([np.clip((signs - centre) / spread, -4.0, 4.0), np.ones(len(signs))])
    ways = np.array([*SIGNS.values(), 0])
    prior = np.append(np.full(signs.shape[1], PRIOR_OF_TRUST), 1e-3)
    while True:
        weights = _fit_logistic(scaled, right, importance, prior)
        wrong = (weights * ways < 0.0) & (prior < LEFT_OUT)
        if not wrong.any():
            break
        prior[np.argmin(np.where(wrong, weights * ways, 0.0))] = LEFT_OUT
    return Trust(centre, spread, weights[:-1], float(weights[-1]))


def _fit_logistic(lines: Floats, right: Bools, importance: Floats, prior: Floats) -> Floats:
    """Newton's method."""
    weights = np.zeros(lines.shape[1])
    for _ in range(STEPS):
        chances = 1.0 / (1.0 + np.exp(-lines @ weights))
        slope = lines.T @ (importance * (chances - right)) + prior * weights
        bend = (lines * (importance * chances * (1.0 - chances))[:, None]).T @ lines + np.diag(prior)
        step = np.linalg.solve(bend, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _log_sum(logits: Floats) -> float:
    highest = logits.max()
    return float(highest + np.log(np.exp(logits - highest).sum()))
