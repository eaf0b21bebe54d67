"""Sparse indexes over the documents: TF-IDF cosine, BM25, and who knows which word."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import bm25s
import numpy as np
from numpy.typing import NDArray

from knowledge.engine.analysis import FUNCTION_WORDS, Analysis, Analyzer, is_chinese, sentences
from knowledge.engine.model import Document

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FUNCTION_WEIGHT: Final = 0.25
GRAM_SHARE: Final = 0.5
OTHER_LANGUAGE: Final = 0.95
NEAREST: Final = 4
BODY_SHARE: Final = 0.4
MAIN_SUBJECT: Final = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measures of every entry for one query: arrays over `Index.ids`, each 0 to 1.

    `unknown` is the share of the query's weight in words that no entry uses; `aside` whether it
    names a subject that no entry is about, and none that many are about; `nearest` the number of
    the row that came closest.
    """

    cosine: Floats
    bm25: Floats
    coverage: Floats
    unknown: float
    aside: bool
    nearest: Ints


@dataclass(frozen=True, slots=True)
class Row:
    """One stored text of one entry; `entry` counts in `Index.ids`."""

    entry: int
    chinese: bool
    text: str
    analysis: Analysis


class Rarity:
    """How much a feature says: rare among entries says much, a function word says little.

    A feature that no entry has counts as the rarest, so that it pulls every score down.
    """

    def __init__(self, features_of_entries: Sequence[Iterable[str]]) -> None:
        entries = len(features_of_entries)
        counts = Counter(f for features in features_of_entries for f in set(features))
        self._weights = {f: _rarity(entries, count) * _says(f) for f, count in counts.items()}
        self._unseen = _rarity(entries, 1)

    def of(self, feature: str) -> float:
        known = self._weights.get(feature)
        return self._unseen * _says(feature) if known is None else known

    def __contains__(self, feature: object) -> bool:
        return feature in self._weights


def _rarity(entries: int, count: int) -> float:
    return math.log(1.0 + entries / count)


def _says(feature: str) -> float:
    function = feature in FUNCTION_WORDS
    if " " in feature:
        function = all(word in FUNCTION_WORDS for word in feature.split())
    return FUNCTION_WEIGHT if function else 1.0


class CosineIndex:
    """TF-IDF cosine of a query with every text, over postings kept in plain arrays."""

    def __init__(self, texts: Sequence[Mapping[str, int]], rarity: Rarity) -> None:
        self._rarity = rarity
        self._size = len(texts)
        gathered: dict[str, list[tuple[int, float]]] = {}
        for row, counts in enumerate(texts):
            for feature, weight in self._unit(counts).items():
                gathered.setdefault(feature, []).append((row, weight))
        self._postings = {f: _arrays(pairs) for f, pairs in gathered.items()}

    def scores(self, counts: Mapping[str, int]) -> Floats:
        """Cosine of the query with each text, in the order given at the start."""
        found = np.zeros(self._size)
        for feature, weight in self._unit(counts).items():
            posting = self._postings.get(feature)
            if posting is not None:
                rows, weights = posting
                found[rows] += weight * weights
        return found

    def _unit(self, counts: Mapping[str, int]) -> dict[str, float]:
        raw = {f: (1.0 + math.log(n)) * self._rarity.of(f) for f, n in counts.items()}
        length = math.sqrt(sum(weight * weight for weight in raw.values()))
        return {f: weight / length for f, weight in raw.items()} if length else {}


def _arrays(pairs: list[tuple[int, float]]) -> tuple[Ints, Floats]:
    rows, weights = zip(*pairs, strict=True)
    return np.array(rows, dtype=np.int64), np.array(weights)


class Bm25Index:
    """BM25 over all words of an entry in one language, as a share of what a query could reach."""

    def __init__(self, fields: Sequence[Sequence[str]]) -> None:
        words = sorted({word for field in fields for word in field})
        self._ids = {word: number for number, word in enumerate(words)}
        ids = [[self._ids[word] for word in field] for field in fields]
        self._bm25 = bm25s.BM25(method="lucene", k1=1.2, b=0.4)
        self._bm25.index((ids, dict(self._ids)), show_progress=False)
        self._size = len(fields)
        self._best = {word: self._reach(number) for word, number in self._ids.items()}
        self._unseen = max(self._best.values(), default=1.0)

    def scores(self, words: Sequence[str]) -> Floats:
        """Between 0 and 1 for each field: reached score over the best that all words allow."""
        ids = [self._ids[word] for word in words if word in self._ids]
        if not ids:
            return np.zeros(self._size)
        reach = sum(self._best.get(word, self._unseen * _says(word)) for word in words)
        scores: Floats = np.asarray(self._bm25.get_scores(ids), dtype=np.float64)
        return scores[: self._size] / reach

    def _reach(self, number: int) -> float:
        return float(self._bm25.get_scores([number]).max()) or 1.0


class Vocabulary:
    """Which entry uses which words: tells covered words from foreign ones.

    A word of the answer alone covers less than one that people ask with.
    """

    def __init__(self, words_of_entries: Sequence[Mapping[str, float]], rarity: Rarity) -> None:
        self._rarity = rarity
        self._entries = len(words_of_entries)
        users: dict[str, list[tuple[int, float]]] = {}
        for row, words in enumerate(words_of_entries):
            for word, share in words.items():
                users.setdefault(word, []).append((row, share))
        self._users = {word: _arrays(pairs) for word, pairs in users.items()}

    def coverage(self, analysis: Analysis) -> tuple[Floats, float]:
        """For each entry the share of the query's weight it covers, and the share none knows."""
        covered = np.zeros(self._entries)
        total = unknown = 0.0
        for word, share in self._units(analysis):
            weight = share * self._rarity.of(word)
            total += weight
            users = self._users.get(word)
            if users is not None:
                covered[users[0]] += weight * users[1]
            elif word not in FUNCTION_WORDS:
                unknown += weight
        return (covered / total, unknown / total) if total else (covered, 1.0)

    def _units(self, analysis: Analysis) -> Iterator[tuple[str, float]]:
        """Words with a share; an unknown one by its synonyms, or a Chinese one by its parts."""
        for word in analysis.words:
            alias = analysis.aliases.get(word)
            parts = _pairs_of(word)
            if word in self._users:
                yield word, 1.0
            elif alias in self._users:
                yield str(alias), 1.0
            elif len(parts) > 1:
                yield from ((part, 1.0 / len(parts)) for part in parts)
            else:
                yield word, 1.0


class Index:
    """Everything that can be worked out before the first question."""

    def __init__(self, documents: Sequence[Document], analyzer: Analyzer) -> None:
        self.ids = sorted({document.entry_id for document in documents})
        self.rows = _rows(documents, self.ids, analyzer)
        entries = [list(rows) for _, rows in groupby(self.rows, key=lambda row: row.entry)]
        terms = Rarity([[t for row in rows for t in row.analysis.terms] for rows in entries])
        grams = Rarity([[g for row in rows for g in row.analysis.grams] for rows in entries])
        self._terms = CosineIndex([row.analysis.terms for row in self.rows], terms)
        self._grams = CosineIndex([row.analysis.grams for row in self.rows], grams)
        self._fields = Bm25Index([_field(rows) for rows in entries])
        self._vocabulary = Vocabulary(_all_words(documents, self.ids, analyzer), terms)
        self._subjects = _subjects(documents, analyzer)
        self._chinese = np.array([row.chinese for row in self.rows])
        self._slots = _slots([len(rows) for rows in entries])
        self._texts = np.minimum((self._slots >= 0).sum(axis=1), NEAREST)

    def measure(self, analysis: Analysis, locale: str) -> Evidence:
        """Compare a query with every entry; texts in the reader's language count a little more."""
        cosine = (1.0 - GRAM_SHARE) * self._terms.scores(analysis.terms)
        cosine += GRAM_SHARE * self._grams.scores(analysis.grams)
        cosine[self._chinese != is_chinese(locale)] *= OTHER_LANGUAGE
        coverage, unknown = self._vocabulary.coverage(analysis)
        return Evidence(
            cosine=self._near(cosine),
            bm25=self._fields.scores(sorted(analysis.terms)),
            coverage=coverage,
            unknown=unknown,
            aside=self._is_aside(analysis.subjects),
            nearest=self._nearest(cosine),
        )

    def _is_aside(self, subjects: frozenset[str]) -> bool:
        strange = any(subject not in self._subjects for subject in subjects)
        return strange and all(self._subjects[s] < MAIN_SUBJECT for s in subjects)

    def _near(self, cosine: Floats) -> Floats:
        """The mean of an entry's nearest texts: one lucky text says less than several."""
        ranked = np.sort(np.where(self._slots < 0, 0.0, cosine[self._slots]), axis=1)
        near: Floats = ranked[:, -NEAREST:].sum(axis=1) / self._texts
        return near

    def _nearest(self, cosine: Floats) -> Ints:
        best = np.where(self._slots < 0, -1.0, cosine[self._slots]).argmax(axis=1)
        nearest: Ints = self._slots[np.arange(len(best)), best]
        return nearest


def _pairs_of(word: str) -> list[str]:
    """The two-character parts of a Chinese word."""
    return [word[at : at + 2] for at in range(len(word) - 1)] if _is_han(word) else []


def _is_han(word: str) -> bool:
    return "\u3400" <= word[0] <= "\u9fff"


def _rows(documents: Sequence[Document], ids: list[str], analyzer: Analyzer) -> list[Row]:
    """Each text once an entry; both Chinese scripts fold together."""
    number = {entry_id: at for at, entry_id in enumerate(ids)}
    unique: dict[tuple[int, str], Row] = {}
    for document in sorted(documents, key=lambda d: (d.entry_id, d.locale)):
        for text in document.texts:
            analysis = analyzer.analyse(text)
            row = Row(number[document.entry_id], is_chinese(document.locale), text, analysis)
            unique.setdefault((row.entry, analysis.key), row)
    return sorted(unique.values(), key=lambda row: row.entry)


def _slots(sizes: Sequence[int]) -> Ints:
    """The row numbers of each entry, one line an entry, filled up with -1."""
    slots = np.full((len(sizes), max(sizes)), -1, dtype=np.int64)
    start = 0
    for entry, size in enumerate(sizes):
        slots[entry, :size] = np.arange(start, start + size)
        start += size
    return slots


def _field(rows: Sequence[Row]) -> list[str]:
    return [term for row in rows for term in row.analysis.terms]


def _all_words(documents: Sequence[Document], ids: list[str], analyzer: Analyzer) -> list[dict[str, float]]:
    words: dict[str, dict[str, float]] = {entry_id: {} for entry_id in ids}
    for document in documents:
        own = words[document.entry_id]
        for text in (*document.texts, *document.tags):
            own.update(dict.fromkeys(_with_aliases(analyzer.analyse(text)), 1.0))
        for sentence in sentences(document.body):
            for word in _with_aliases(analyzer.analyse(sentence)):
                own.setdefault(word, BODY_SHARE)
    return [words[entry_id] for entry_id in ids]


def _subjects(documents: Sequence[Document], analyzer: Analyzer) -> Counter[str]:
    """How many entries are about what: they name it in a question or a tag, not in passing."""
    naming = {
        (document.entry_id, subject)
        for document in documents
        for text in (*document.texts[:1], *document.tags)
        for subject in analyzer.analyse(text).subjects
    }
    return Counter(subject for _, subject in naming)


def _with_aliases(analysis: Analysis) -> set[str]:
    return {*analysis.words, *analysis.aliases.values()}
