"""Mends a misspelt word into one that the knowledge base knows: one letter more, less, other or swapped.

A short word keeps its first letter, as many short words differ by that alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

SHORTEST: Final = 4
SHORT: Final = 5
LONGEST: Final = 24


class Spelling:
    """Known words by what is left of each when one letter is left out. `known` counts each word's uses."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self._known = {word: count for word, count in known.items() if _can_be_mended(word)}
        self._left: dict[str, list[str]] | None = None

    def mend(self, word: str) -> str | None:
        """The known word that differs by one letter, the likeliest of several; None: there is none."""
        if not _can_be_mended(word) or word in self._known:
            return None
        close = {other for rest in (word, *_one_less(word)) for other in self._leftovers.get(rest, ())}
        likely = [other for other in close if _is_one_edit(word, other)]
        if len(word) <= SHORT:
            likely = [other for other in likely if other[0] == word[0]]
        return min(likely, key=lambda other: (other[0] != word[0], -self._known[other], other), default=None)

    @property
    def _leftovers(self) -> Mapping[str, list[str]]:
        if self._left is None:
            left: dict[str, list[str]] = {}
            for word in self._known:
                for rest in {word, *_one_less(word)}:
                    left.setdefault(rest, []).append(word)
            self._left = left
        return self._left


def count_words(runs: Iterable[str]) -> Counter[str]:
    """How often each word that could be mended is used."""
    return Counter(run for run in runs if _can_be_mended(run))


def _can_be_mended(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and word.isascii() and word.isalpha()


def _one_less(word: str) -> Iterator[str]:
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]


def _is_one_edit(word: str, other: str) -> bool:
    """Equal but for one letter left out, put in, replaced, or swapped with its neighbour."""
    start = 0
    while start < min(len(word), len(other)) and word[start] == other[start]:
        start += 1
    rest, other_rest = word[start:], other[start:]
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
    )
