"""Like questions together: a cluster is led by the question asked first, the others are near enough to it. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from knowledge.engine.analysis import FUNCTION_WORDS, Analyzer, is_han

ALIKE: Final = 0.5
"""Cosine from which two questions count as one, found by trying: other words around one subject, not two subjects."""

LONGEST: Final = 300
"""Characters of a question that are looked at."""

_WORD: Final = 2
"""A word counts as much as so many character n-grams."""

Vector = Mapping[str, float]


def clusters(texts: Sequence[str], analyzer: Analyzer) -> list[list[int]]:
    """The places of the texts, grouped; each group begins with its leader. The same texts give the same groups."""
    led: dict[int, list[int]] = {}
    by_feature: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for place, vector in enumerate(_vectors(texts, analyzer)):
        leader = _nearest(vector, by_feature)
        if leader is not None:
            led[leader].append(place)
            continue
        led[place] = [place]
        for feature, weight in vector.items():
            by_feature[feature].append((place, weight))
    return list(led.values())


def _nearest(vector: Vector, by_feature: Mapping[str, Sequence[tuple[int, float]]]) -> int | None:
    """The leader that is most alike, if any is enough; of equals the first."""
    cosines: dict[int, float] = defaultdict(float)
    for feature, weight in vector.items():
        for leader, there in by_feature.get(feature, ()):
            cosines[leader] += weight * there
    best = min(cosines, key=lambda leader: (-round(cosines[leader], 9), leader), default=None)
    return best if best is not None and cosines[best] >= ALIKE else None


def _vectors(texts: Sequence[str], analyzer: Analyzer) -> list[Vector]:
    """Of length 1; what many of the questions share weighs little."""
    counts = [_features(text, analyzer) for text in texts]
    shared = Counter(feature for each in counts for feature in each)
    rarity = {feature: 1 + math.log((1 + len(texts)) / (1 + n)) for feature, n in shared.items()}
    return [_unit({feature: (1 + math.log(n)) * rarity[feature] for feature, n in each.items()}) for each in counts]


def _features(text: str, analyzer: Analyzer) -> Counter[str]:
    """Of the words that say something; of all where none does."""
    seen = analyzer.analyse(text[:LONGEST])
    words = [token for token in _whole(seen.tokens) if token not in FUNCTION_WORDS] or list(seen.tokens)
    found = Counter(f"g {gram}" for word in words for gram in _grams(word))
    for term in (*words, *(f"{a} {b}" for a, b in pairwise(words)), *seen.concepts):
        found[f"w {term}"] += _WORD
    return found or Counter({f"k {seen.key or text.strip()}": 1})


def _whole(tokens: Sequence[str]) -> list[str]:
    """Without those parts of a Chinese word that are cut out beside it, and would count twice."""
    parts = {part for token in tokens if is_han(token) for part in tokens if part != token and part in token}
    return [token for token in tokens if token not in parts]


def _grams(word: str) -> list[str]:
    """Character n-grams: a Chinese character says as much as a syllable or two."""
    run, shortest, longest = (word, 1, 3) if is_han(word) else (f" {word} ", 3, 5)
    return [run[at : at + size] for size in range(shortest, longest + 1) for at in range(len(run) - size + 1)]


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {feature: weight / length for feature, weight in vector.items()}
