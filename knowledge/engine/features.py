"""From analysed texts to numbers: every word, word pair and character n-gram as a 64-bit hash.

Hashes are the same in every process, so that what one process has learned another can use. All
texts are hashed in one go over one array of code points; there is no Python loop over n-grams.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from knowledge.engine.analysis import HAN_START, Analysis

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Hashes = NDArray[np.uint64]
Bools = NDArray[np.bool_]

WORDS: Final = 0
PAIRS: Final = 1
GRAMS: Final = 2
VIEWS: Final = 3

LONGEST_GRAM: Final = 5
SHORTEST_PADDED: Final = 2
LONGEST_HAN: Final = 3

_BASE: Final = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
_INVERSE: Final = pow(_BASE, -1, 1 << 64)


@dataclass(frozen=True, slots=True)
class Features:
    """Features of several texts, one line each, repeated as often as they occur: which text, which hash.

    The two highest bits of a hash are its view, so that sorted hashes are sorted by view.
    """

    rows: Ints
    hashes: Hashes


def features_of(analyses: Sequence[Analysis]) -> Features:
    """Words (with concepts), pairs of neighbouring words, and character n-grams."""
    tokens = [token for one in analyses for token in one.tokens]
    token_rows = _numbered([len(one.tokens) for one in analyses])
    concepts = [concept for one in analyses for concept in one.concepts]
    concept_rows = _numbered([len(one.concepts) for one in analyses])
    words = hash_words(tokens)
    pair_rows, pairs = _pairs(token_rows, words)
    gram_rows, grams = _grams(analyses)
    return Features(
        rows=np.concatenate([token_rows, concept_rows, pair_rows, gram_rows]),
        hashes=np.concatenate([_seen(words, WORDS), _seen(hash_words(concepts), WORDS), pairs, grams]),
    )


def words_of(analyses: Sequence[Analysis]) -> Features:
    """Words and concepts alone."""
    rows = _numbered([len(one.tokens) + len(one.concepts) for one in analyses])
    words = [word for one in analyses for word in (*one.tokens, *one.concepts)]
    return Features(rows, _seen(hash_words(words), WORDS))


def hash_words(words: Sequence[str]) -> Hashes:
    """One hash for each string, without a view."""
    if not words:
        return np.zeros(0, dtype=np.uint64)
    sums, unshift = _prefixes(_codes("".join(words)))
    ends = np.cumsum(_lengths(words))
    starts = ends - _lengths(words)
    return _mixed((sums[ends] - sums[starts]) * unshift[starts])


def view_bounds(hashes: Hashes) -> Ints:
    """Where each view begins in sorted hashes, and the end."""
    firsts = np.arange(VIEWS, dtype=np.uint64) << np.uint64(62)
    return np.append(np.searchsorted(hashes, firsts), len(hashes)).astype(np.int64)


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """All numbers of several ranges, one range after the other."""
    total = int(lengths.sum())
    before = np.cumsum(lengths) - lengths
    steps: Ints = np.arange(total, dtype=np.int64) + np.repeat(starts - before, lengths)
    return steps


def _numbered(counts: Sequence[int]) -> Ints:
    return np.repeat(np.arange(len(counts), dtype=np.int64), np.array(counts, dtype=np.int64))


def _lengths(words: Sequence[str]) -> Ints:
    return np.fromiter(map(len, words), dtype=np.int64, count=len(words))


def _codes(text: str) -> Hashes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)


def _prefixes(codes: Hashes) -> tuple[Hashes, Hashes]:
    """Sums of `code * base**place` up to each place, and what takes a place's power out again."""
    powers = np.full(len(codes) + 1, _BASE, dtype=np.uint64)
    inverses = np.full(len(codes) + 1, _INVERSE, dtype=np.uint64)
    powers[0] = inverses[0] = 1
    powers = np.cumprod(powers, dtype=np.uint64)
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum((codes + np.uint64(1)) * powers[:-1], dtype=np.uint64, out=sums[1:])
    return sums, np.cumprod(inverses, dtype=np.uint64)


def _mixed(hashes: Hashes) -> Hashes:
    """Spread every bit over the whole hash."""
    mixed = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Hashes = mixed ^ (mixed >> np.uint64(31))
    return result


def _seen(hashes: Hashes, view: int) -> Hashes:
    viewed: Hashes = (hashes >> np.uint64(2)) | np.uint64(view << 62)
    return viewed


def _pairs(rows: Ints, words: Hashes) -> tuple[Ints, Hashes]:
    together = np.flatnonzero(rows[:-1] == rows[1:])
    left, right = words[together], words[together + 1]
    return rows[together], _seen(_mixed(left * np.uint64(3) + right), PAIRS)


def _grams(analyses: Sequence[Analysis]) -> tuple[Ints, Hashes]:
    """Of a Chinese run 1 to 3 characters, of any other word with a space around it 2 to 5."""
    runs = [run if run[0] >= HAN_START else f" {run} " for one in analyses for run in one.runs if run]
    if not runs:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    lengths = _lengths(runs)
    run_of = np.repeat(np.arange(len(runs)), lengths)
    row_of = _numbered([sum(map(bool, one.runs)) for one in analyses])[run_of]
    codes = _codes("".join(runs))
    sums, unshift = _prefixes(codes)
    ends = np.cumsum(lengths)
    padded = (codes[ends - lengths] == np.uint64(32))[run_of]
    left = ends[run_of] - np.arange(len(codes))  # characters until the run ends
    sizes = np.arange(1, LONGEST_GRAM + 1)[:, np.newaxis]
    wanted = np.where(padded, sizes >= SHORTEST_PADDED, sizes <= LONGEST_HAN)
    shorter, at = np.nonzero((left >= sizes) & wanted)
    size = shorter + 1
    grams = (sums[at + size] - sums[at]) * unshift[at] + size.astype(np.uint64)
    return row_of[at], _seen(_mixed(grams), GRAMS)
