"""Like questions together: a cluster is led by the question asked first, the others are near enough to it. Pure."""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from knowledge.engine.analysis import FUNCTION_WORDS, Analyzer, is_han

ALIKE: Final = 0.5
"""Cosine from which two questions count as one, found by trying: other words around one subject, not two subjects."""

LONGEST: Final = 200
"""Characters of a question that are looked at."""

MOST_FEATURES: Final = 120
"""Of a question, the heaviest."""

WORK: Final = 2_000
"""Features of leaders that a question is held against to choose those worth comparing, its rarest features first."""

COMPARED: Final = 8

LONGEST_PART: Final = 4
"""Characters of a Chinese word that may be cut out of a longer one."""

_WORD: Final = 2
"""A word counts as much as so many character n-grams."""

Vector = Mapping[str, float]


def clusters(texts: Sequence[str], analyzer: Analyzer) -> list[list[int]]:
    """The places of the texts, grouped; each group begins with its leader. The same texts give the same groups.

    The work grows with the number of texts and no faster, however they are worded.
    """
    vectors = _vectors(texts, analyzer)
    led: dict[int, list[int]] = {}
    leader_of: dict[str, int] = {}
    users: dict[str, list[int]] = defaultdict(list)
    for place, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
        leader = leader_of.get(text)
        if leader is None:
            leader = _nearest(vector, vectors, users)
        leader_of[text] = place if leader is None else leader
        if leader is not None:
            led[leader].append(place)
            continue
        led[place] = [place]
        for feature in vector:
            users[feature].append(place)
    return list(led.values())


def _nearest(vector: Vector, vectors: Sequence[Vector], users: Mapping[str, Sequence[int]]) -> int | None:
    """The leader that is most alike, if any is enough; of equals the first."""
    cosines = {leader: _cosine(vector, vectors[leader]) for leader in promising(vector, users)}
    best = min(cosines, key=lambda leader: (-round(cosines[leader], 9), leader), default=None)
    return best if best is not None and cosines[best] >= ALIKE else None


def promising(vector: Vector, users: Mapping[str, Sequence[int]]) -> list[int]:
    """The leaders that share most of the weight of the question's rarest features; what many have says little."""
    shared: dict[int, float] = defaultdict(float)
    left = WORK
    for feature in sorted(vector.keys() & users.keys(), key=lambda feature: (len(users[feature]), feature)):
        left -= len(users[feature])
        if left < 0:
            break
        for leader in users[feature]:
            shared[leader] += vector[feature]
    return heapq.nsmallest(COMPARED, shared, key=lambda leader: (-round(shared[leader], 9), leader))


def _cosine(one: Vector, other: Vector) -> float:
    return sum(weight * other[feature] for feature, weight in one.items() if feature in other)


def _vectors(texts: Sequence[str], analyzer: Analyzer) -> list[Vector]:
    """Of length 1; what many of the questions share weighs little."""
    counts = [_features(text, analyzer) for text in texts]
    shared = Counter(feature for each in counts for feature in each)
    rarity = {feature: 1 + math.log((1 + len(texts)) / (1 + n)) for feature, n in shared.items()}
    weights = ({feature: (1 + math.log(n)) * rarity[feature] for feature, n in each.items()} for each in counts)
    return [_unit(_heaviest(each)) for each in weights]


def _heaviest(weights: Vector) -> Vector:
    if len(weights) <= MOST_FEATURES:
        return weights
    return dict(heapq.nsmallest(MOST_FEATURES, weights.items(), key=lambda item: (-item[1], item[0])))


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
    known, long = set(tokens), [token for token in tokens if len(token) > 1 and is_han(token)]
    parts = {part for token in long for part in _runs(token, 1, LONGEST_PART) if part != token and part in known}
    return [token for token in tokens if token not in parts]


def _grams(word: str) -> list[str]:
    """Character n-grams: a Chinese character says as much as a syllable or two."""
    run, shortest, longest = (word, 1, 3) if is_han(word) else (f" {word} ", 3, 5)
    return list(_runs(run, shortest, longest))


def _runs(text: str, shortest: int, longest: int) -> Iterator[str]:
    for size in range(shortest, longest + 1):
        yield from (text[at : at + size] for at in range(len(text) - size + 1))


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {feature: weight / length for feature, weight in vector.items()}
