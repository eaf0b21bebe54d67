"""What a question is compared with: every stored text by cosine and BM25, every entry by its words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from knowledge.engine.analysis import FUNCTION_WORDS, Analysis
from knowledge.engine.features import (
    PAIRS,
    VIEWS,
    Bools,
    Floats,
    Hashes,
    Ints,
    features_of,
    ranges,
    view_bounds,
    words_of,
)
from knowledge.engine.spelling import Spelling, count_words

SHARES: Final = np.array([1.0, 0.4, 1.5], dtype=np.float32) / np.float32(2.9)
"""How much words, word pairs and character n-grams count in a cosine."""

K1: Final = 1.5
B: Final = 0.75
BODY_SHARE: Final = 0.4
SOFTNESS: Final = 8.0
ABOUT: Final = 0.25

MOST_RANKED: Final = 600
MOST_POSTINGS: Final = 250_000
"""Up to so many entries, and postings of a question's features, everything is compared; beyond, finalists."""

WORK: Final = 6_000
"""Postings, of the rarest features, that choose finalists."""
WORDS_FIRST: Final = 3.0
FINALISTS: Final = 24
MOST_ROWS: Final = 2_000

CHUNK: Final = 2_000
"""Rows whose features are counted at once."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored text of one entry; `entry` counts in the ids of the index."""

    entry: int
    text: str
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Extra:
    """What else tells an entry's words: a tag, or with a smaller `share` its answer."""

    entry: int
    analysis: Analysis
    share: float


@dataclass(frozen=True, slots=True)
class Query:
    """A question's known features by place in the vocabulary, ready to be multiplied with rows.

    `places` are sorted, the first `in_words` of them are words. `words` are all its words and concepts,
    `idf` the most that BM25 could add up to, `unknown` the share of their weight that no entry has,
    `mended` the share of its words that were misspelt, `aside` the share of the field's subjects in it
    that no entry is about.
    """

    analysis: Analysis
    places: Ints
    weights: Floats
    in_words: int
    words: Hashes
    idf: float
    unknown: float
    mended: float
    aside: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Measures of the entries worth ranking, arrays side by side, each 0 to 1 (`rows` are counts).

    `near` is the cosine of the nearest text, `mean` a soft maximum over an entry's texts, `word`
    the cosine by words alone, `bm25` a share of what the question could reach, `cover` the share of
    the question's weight in words of the entry; `nearest` the number of the text that came closest.
    """

    entries: Ints
    near: Floats
    mean: Floats
    word: Floats
    bm25: Floats
    cover: Floats
    rows: Floats
    nearest: Ints


class Vocabulary:
    """Features in the order of their hashes, each with a weight: the fewer entries have it, the more.

    How many entries have a feature is counted by the perplexity of its spread, so that a stray use
    elsewhere hardly matters.
    """

    def __init__(self, hashes: Hashes, spread: Floats, entries: int) -> None:
        self.hashes = hashes
        self.weights = _weight(spread, entries)
        self.idf = _idf(spread, entries)
        self.unseen_weight = float(_weight(np.ones(1, dtype=np.float32), entries)[0])
        self.unseen_idf = float(_idf(np.ones(1, dtype=np.float32), entries)[0])
        self.bounds = view_bounds(hashes)

    def views(self, places: Ints) -> Ints:
        """The view of the feature at each place."""
        return np.searchsorted(self.bounds[1:-1], places, side="right")

    def places(self, hashes: Hashes) -> tuple[Ints, Bools]:
        """Where each hash stands, and whether it does."""
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return at, self.hashes[at] == hashes


def _weight(spread: Floats, entries: int) -> Floats:
    weight: Floats = (np.log((1.0 + entries) / (1.0 + spread)) + 1.0).astype(np.float32)
    return weight


def _idf(spread: Floats, entries: int) -> Floats:
    idf: Floats = np.log1p((entries - spread + 0.5) / (spread + 0.5)).astype(np.float32)
    return idf


class Index:
    """Everything that can be worked out before the first question. `rows` are sorted by entry.

    `learned` are weights of features as some head knew them; they replace the index's own. `previous` lends the
    features of the rows that it has too.
    """

    def __init__(
        self,
        ids: Sequence[str],
        rows: Sequence[Row],
        extras: Sequence[Extra] = (),
        learned: tuple[Hashes, Floats] | None = None,
        previous: "Index | None" = None,
    ) -> None:
        self.ids = list(ids)
        self.rows = list(rows)
        self._entry_of = np.array([row.entry for row in self.rows], dtype=np.int64)
        self._sizes = np.bincount(self._entry_of, minlength=len(self.ids)).astype(np.int64)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._present = np.flatnonzero(self._sizes)
        self._rarely = 1.0 / np.sqrt(np.maximum(self._sizes, 1))
        counted = _counted(self.rows) if previous is None else previous._counted_again(self.rows)
        hashes, self._columns, row_of, times = counted
        order = _sorting(self._columns)
        self._postings = row_of[order]
        self._posting_starts = np.append(0, np.cumsum(np.bincount(self._columns, minlength=len(hashes))))
        spread = _spread(self._postings, self._posting_starts, self._entry_of)
        self.vocabulary = Vocabulary(hashes, spread, len(self.ids))
        if learned:
            self._take_over(*learned)
        self._view_starts = self._starts_of_views(row_of)
        self._weigh_words(row_of, times)
        self._scale = self._scales()
        words = self._columns < self.vocabulary.bounds[PAIRS]
        own = self._entry_of[row_of[words]], hashes[self._columns[words]]
        self._cover: _Cover = _Cover(own, extras, len(self.ids), previous._cover if previous else None)
        self._subjects = _subjects(self.rows, self._sizes, extras)
        self._spelling = Spelling(count_words(run for row in self.rows for run in row.analysis.runs))

    def _counted_again(self, rows: Sequence[Row]) -> tuple[Hashes, Ints, Ints, Ints]:
        """As `_counted`, of rows most of which are here as well; how often is told of words alone, as it counts there.

        Runs of rows that stand together here as well are taken over as they are.
        """
        numbers = {id(row.analysis): number for number, row in enumerate(self.rows)}
        source = np.array([numbers.get(id(row.analysis), -1) for row in rows], dtype=np.int64)
        is_new = source < 0
        own, columns, row_of, times = _counted([row for row, new in zip(rows, is_new.tolist(), strict=True) if new])
        hashes = np.union1d(self._hashes_without(np.setdiff1d(np.arange(len(self.rows)), source)), own)
        new_starts = np.searchsorted(row_of, np.arange(is_new.sum() + 1))
        starts = np.append(self._view_starts[0], len(self._columns))
        old_columns = np.searchsorted(hashes, self.vocabulary.hashes).astype(np.int32)[self._columns]
        new_columns = np.searchsorted(hashes, own).astype(np.int32)[columns]
        old_times = np.ones(len(self._columns), dtype=np.int32)
        old_times[self._columns < self.vocabulary.bounds[PAIRS]] = self._times
        parts: list[tuple[Ints, Ints]] = []
        sizes = np.empty(len(rows), dtype=np.int64)
        for first, last in _runs(np.where(is_new, -1, source - np.arange(len(rows)) + len(rows))):
            begin = int(is_new[:first].sum() if is_new[first] else source[first])
            bounds = (new_starts if is_new[first] else starts)[begin : begin + last - first + 1]
            sizes[first:last] = np.diff(bounds)
            part = slice(int(bounds[0]), int(bounds[-1]))
            parts.append((new_columns[part], times[part]) if is_new[first] else (old_columns[part], old_times[part]))
        joined = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
        return hashes, next(joined), np.repeat(np.arange(len(rows), dtype=np.int32), sizes), next(joined)

    def _hashes_without(self, rows: Ints) -> Hashes:
        """The features that are left when these rows go."""
        starts, ends = self._view_starts[0, rows], self._view_starts[-1, rows]
        gone = np.bincount(self._columns[ranges(starts, ends - starts)], minlength=len(self.vocabulary.hashes))
        left: Hashes = self.vocabulary.hashes[np.diff(self._posting_starts) > gone]
        return left

    def _take_over(self, hashes: Hashes, weights: Floats) -> None:
        at, known = self.vocabulary.places(hashes)
        self.vocabulary.weights[at[known]] = weights[known]

    def _starts_of_views(self, row_of: Ints) -> Ints:
        """Where a row's features of each view begin, and the end; a row's columns are sorted, so its views are."""
        views = self.vocabulary.views(self._columns)
        counts = np.bincount(row_of * VIEWS + views, minlength=len(self.rows) * VIEWS).reshape(-1, VIEWS)
        ends = np.append(0, np.cumsum(counts))
        starts: Ints = np.stack([*ends[:-1].reshape(-1, VIEWS).T, ends[VIEWS::VIEWS]])
        return starts

    def _weigh_words(self, row_of: Ints, times: Ints) -> None:
        """How much BM25 a row gains by each of its words: in the order of rows, and in that of postings."""
        words = np.flatnonzero(self._columns < self.vocabulary.bounds[PAIRS])
        in_row = _sums(row_of[words], times[words].astype(np.float64), len(self.rows))
        longer = in_row / max(float(in_row.sum()) / max(1, len(in_row)), 1.0)
        slower = K1 * (1.0 - B + B * longer)[row_of[words]]
        gains = (self.vocabulary.idf[self._columns[words]] * times[words] / (times[words] + slower)).astype(np.float32)
        self._bm25_by_row = gains
        self._times = np.minimum(times[words], 2**16 - 1).astype(np.uint16)
        self._word_starts = np.searchsorted(words, self._view_starts[0])
        self._bm25_by_feature = gains[_sorting(self._columns[words])]

    def _scales(self) -> Floats:
        """What a row's sum of products is to be multiplied with, for each view."""
        squares = np.empty((VIEWS, len(self.rows)))
        for rows in _chunks(len(self.rows)):
            bounds = self._view_starts[:, rows]
            weights = self.vocabulary.weights[self._columns[bounds[0, 0] : bounds[-1, -1]]]
            upto = np.append(0.0, np.cumsum(weights**2, dtype=np.float64))
            squares[:, rows] = np.diff(upto[bounds - bounds[0, 0]], axis=0)
        return _unit(squares)

    def query(self, analysis: Analysis) -> Query:
        """A question in terms of this vocabulary, its spelling mended."""
        spelt = self._mended(analysis)
        vocabulary = self.vocabulary
        found = features_of([spelt]).hashes
        hashes = np.unique(found)
        at, known = vocabulary.places(hashes)
        weights = np.where(known, vocabulary.weights[at], np.float32(vocabulary.unseen_weight))
        bounds = view_bounds(hashes)
        views = np.searchsorted(bounds[1:-1], np.arange(len(hashes)), side="right")
        scale = _unit(_sums(views, weights**2, VIEWS).reshape(VIEWS, 1))[:, 0]
        words = slice(0, bounds[PAIRS])
        idf = np.where(known[words], vocabulary.idf[at[words]], vocabulary.unseen_idf)
        return Query(
            analysis=spelt,
            places=at[known],
            weights=(weights * scale[views])[known].astype(np.float32),
            in_words=int(known[words].sum()),
            words=hashes[words],
            idf=float(idf.sum()) or 1.0,
            unknown=self._cover.unknown(spelt, found),
            aside=self._aside(spelt),
            mended=sum(a != b for a, b in zip(spelt.runs, analysis.runs, strict=True)) / max(1, len(spelt.runs)),
        )

    def _aside(self, analysis: Analysis) -> float:
        return len(analysis.subjects - self._subjects) / max(1, len(analysis.subjects))

    def _mended(self, analysis: Analysis) -> Analysis:
        mended = {run: better for run in analysis.runs if (better := self._spelling.mend(run))}
        if not mended:
            return analysis
        tokens = tuple(mended.get(token, token) for token in analysis.tokens)
        return replace(analysis, tokens=tokens, runs=tuple(mended.get(run, run) for run in analysis.runs))

    def cover(self, analysis: Analysis, entries: Ints) -> Floats:
        """For each of the entries the share of a question's words, by weight, that it uses."""
        return self._cover.of(np.unique(words_of([analysis]).hashes), entries)

    def knows_any(self, analysis: Analysis) -> bool:
        """Whether an entry uses one of the words, or one that differs by a letter."""
        known = self._cover.knows_any(words_of([analysis]).hashes)
        return known or any(self._spelling.mend(token) for token in analysis.tokens)

    def measure(self, query: Query) -> Evidence:
        """Compare a question with all entries, or in a large base with the most promising."""
        starts = self._posting_starts[query.places]
        lengths = self._posting_starts[query.places + 1] - starts
        if len(self._present) <= MOST_RANKED and int(lengths.sum()) <= MOST_POSTINGS:
            cosines, bm25 = self._scores(query, starts, lengths)
            return self._evidence(query, self._present, cosines, bm25)
        entries = self._finalists(query, starts, lengths)
        cosines, bm25 = self._scores_of(query, ranges(self._starts[entries], self._sizes[entries]))
        return self._evidence(query, entries, cosines, bm25)

    def _scores(self, query: Query, starts: Ints, lengths: Ints) -> tuple[Floats, Floats]:
        """Cosine by view and BM25 of every row."""
        at = ranges(starts, lengths)
        rows = self._postings[at]
        products = query.weights * self.vocabulary.weights[query.places]
        size = len(self.rows)
        cells = rows + np.repeat(self.vocabulary.views(query.places) * size, lengths)
        sums = _sums(cells, np.repeat(products, lengths), VIEWS * size)
        in_words = int(lengths[: query.in_words].sum())
        bm25 = _sums(rows[:in_words], self._bm25_by_feature[at[:in_words]], size)
        return sums.reshape(VIEWS, size) * self._scale, bm25

    def _finalists(self, query: Query, starts: Ints, lengths: Ints) -> Ints:
        """The entries that the question's rarest features point to, words before parts of words."""
        rarest = np.argsort(lengths, kind="stable")
        chosen = np.sort(rarest[np.cumsum(lengths[rarest]) <= WORK])
        users = self._entry_of[self._postings[ranges(starts[chosen], lengths[chosen])]]
        products = query.weights[chosen] * self.vocabulary.weights[query.places[chosen]]
        products[chosen < query.in_words] *= WORDS_FIRST
        pointed = _sums(users, np.repeat(products, lengths[chosen]), len(self.ids))
        scores = (pointed * self._rarely)[self._present]
        count = min(FINALISTS, len(scores))
        best = np.argpartition(-scores, count - 1)[:count]
        best = best[np.lexsort((best, -scores[best]))]
        few_rows = np.cumsum(self._sizes[self._present[best]]) <= MOST_ROWS
        few_rows[0] = True
        return np.sort(self._present[best[few_rows]])

    def _scores_of(self, query: Query, rows: Ints) -> tuple[Floats, Floats]:
        """As `_scores`, of some rows."""
        wanted = np.zeros(len(self.vocabulary.hashes), dtype=np.float32)
        wanted[query.places] = query.weights * self.vocabulary.weights[query.places]
        bounds = self._view_starts[:, rows]
        lengths = bounds[-1] - bounds[0]
        products = wanted[self._columns[ranges(bounds[0], lengths)]]
        upto = np.append(0.0, np.cumsum(products, dtype=np.float64))
        inside = bounds - bounds[0] + (np.cumsum(lengths) - lengths)
        cosines = np.diff(upto[inside], axis=0) * self._scale[:, rows]
        return cosines, self._bm25_of(wanted, rows, bounds[0], bounds[PAIRS] - bounds[0])

    def _bm25_of(self, wanted: Floats, rows: Ints, starts: Ints, lengths: Ints) -> Floats:
        used = wanted[self._columns[ranges(starts, lengths)]] > 0.0
        gains = self._bm25_by_row[ranges(self._word_starts[rows], lengths)] * used
        return _sums(np.repeat(np.arange(len(rows)), lengths), gains, len(rows))

    def _evidence(self, query: Query, entries: Ints, cosines: Floats, bm25: Floats) -> Evidence:
        sizes = self._sizes[entries]
        starts = np.cumsum(sizes) - sizes
        cosine = cosines.sum(axis=0)
        near = np.maximum.reduceat(cosine, starts)
        soft = np.log(np.add.reduceat(np.exp(SOFTNESS * cosine), starts) / sizes) / SOFTNESS
        is_near = cosine >= np.repeat(near, sizes)
        first = np.flatnonzero(is_near)[np.searchsorted(np.flatnonzero(is_near), starts)]
        return Evidence(
            entries=entries,
            near=near,
            mean=soft,
            word=np.maximum.reduceat(cosines[0], starts),
            bm25=np.maximum.reduceat(bm25, starts) / query.idf,
            cover=self._cover.of(query.words, entries),
            rows=sizes.astype(np.float64),
            nearest=self._starts[entries] + first - starts,
        )

    def matrix(self, rows: Ints) -> Any:
        """The rows as a sparse matrix of unit vectors over the vocabulary."""
        from scipy.sparse import csr_matrix

        starts = self._view_starts[0, rows]
        lengths = self._view_starts[-1, rows] - starts
        columns = self._columns[ranges(starts, lengths)]
        scale = self._scale[self.vocabulary.views(columns), np.repeat(rows, lengths)]
        values = (self.vocabulary.weights[columns] * scale).astype(np.float32)
        shape = (len(rows), len(self.vocabulary.hashes))
        return csr_matrix((values, columns, np.append(0, np.cumsum(lengths))), shape=shape)


class _Cover:
    """Which entry uses which words, in its questions, its tags or, for less, its answer.

    `asked` are entries and words of questions, side by side; `previous` lends the words of extras that it has too.
    """

    def __init__(
        self, asked: tuple[Ints, Hashes], extras: Sequence[Extra], entries: int, previous: "_Cover | None" = None
    ) -> None:
        self._told: dict[int, Hashes] = _words_told(extras, previous._told if previous else {})
        told = [self._told[id(extra.analysis)] for extra in extras]
        sizes = np.array([len(words) for words in told], dtype=np.int64)
        self._hashes, words = np.unique(np.concatenate([asked[1], *told]), return_inverse=True)
        entry_of = np.append(asked[0], np.repeat(np.array([extra.entry for extra in extras], dtype=np.int64), sizes))
        shares = np.array([extra.share for extra in extras], dtype=np.float32)
        share_of = np.append(np.ones(len(asked[0]), dtype=np.float32), np.repeat(shares, sizes))
        self._entries = entries
        self._uses, first = np.unique(words * entries + entry_of, return_inverse=True)  # by words, then by entries
        self._shares = np.zeros(len(self._uses), dtype=np.float32)
        np.maximum.at(self._shares, first, share_of)
        self._starts = np.searchsorted(self._uses, np.arange(len(self._hashes) + 1) * entries)
        self._idf = np.log1p(entries / np.maximum(1, np.diff(self._starts)))
        self._unseen = float(np.log1p(entries))

    def of(self, words: Hashes, entries: Ints) -> Floats:
        """For each of the entries the share of the words' weight that it covers."""
        at, known = self._places(words)
        used = at[known]
        weights = self._idf[used]
        total = weights.sum() + self._unseen * (~known).sum()
        lengths = self._starts[used + 1] - self._starts[used]
        if lengths.sum() > len(used) * len(entries):  # quicker to ask of each word and entry
            wanted = used[:, np.newaxis] * self._entries + entries
            places = np.minimum(np.searchsorted(self._uses, wanted), len(self._uses) - 1)
            shares = self._shares[places] * (self._uses[places] == wanted)
            return np.asarray(weights @ shares) / (total or 1.0)
        uses = ranges(self._starts[used], lengths)
        gains = np.repeat(weights, lengths) * self._shares[uses]
        return _sums(self._uses[uses] % self._entries, gains, self._entries)[entries] / (total or 1.0)

    def unknown(self, analysis: Analysis, features: Hashes) -> float:
        """The share of a question's weight in words that no entry uses; a function word is none."""
        told = (*analysis.tokens, *analysis.concepts)
        if not told:
            return 1.0
        at, known = self._places(features[: len(told)])  # its words and concepts come first
        weights = np.where(known, self._idf[at], self._unseen)
        strange = ~known & np.array([token not in FUNCTION_WORDS for token in told])
        return float(weights[strange].sum() / weights.sum())

    def knows_any(self, words: Hashes) -> bool:
        return bool(self._places(words)[1].any())

    def _places(self, hashes: Hashes) -> tuple[Ints, Bools]:
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return at, self._hashes[at] == hashes


def _words_told(extras: Sequence[Extra], known: Mapping[int, Hashes]) -> dict[int, Hashes]:
    """The words of each analysis, by its identity, which stands as long as the corpus that holds it."""
    new = list({id(extra.analysis): extra.analysis for extra in extras if id(extra.analysis) not in known}.values())
    found = words_of(new)
    order = np.argsort(found.rows, kind="stable")
    starts = np.searchsorted(found.rows[order], np.arange(1, len(new)))
    own = np.split(found.hashes[order], starts) if new else []
    told = {id(analysis): np.unique(words) for analysis, words in zip(new, own, strict=True)}
    return {id(extra.analysis): known.get(id(extra.analysis), told.get(id(extra.analysis), _NONE)) for extra in extras}


_NONE: Final = np.zeros(0, dtype=np.uint64)


def _subjects(rows: Sequence[Row], sizes: Ints, extras: Sequence[Extra]) -> frozenset[str]:
    """The subjects that some entry is about: it has them in a tag, or in many of its questions."""
    naming = Counter((row.entry, subject) for row in rows for subject in row.analysis.subjects)
    asked = {subject for (entry, subject), times in naming.items() if times >= ABOUT * sizes[entry]}
    return frozenset(asked.union(*(extra.analysis.subjects for extra in extras if extra.share == 1.0)))


def _runs(marks: Ints) -> Iterator[tuple[int, int]]:
    """First and beyond the last of each run of equal marks."""
    changes = np.flatnonzero(np.diff(marks)) + 1
    yield from pairwise([0, *changes.tolist(), len(marks)])


def _sorting(columns: Ints) -> Ints:
    """What sorts numbers below 2**32 and keeps equal ones in order: by halves, as numpy is fast with 16 bits."""
    low = np.argsort((columns & 0xFFFF).astype(np.uint16), kind="stable")
    order: Ints = low[np.argsort((columns[low] >> 16).astype(np.uint16), kind="stable")]
    return order


def _chunks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, CHUNK):
        yield slice(start, min(start + CHUNK, rows))


def _counted(rows: Sequence[Row]) -> tuple[Hashes, Ints, Ints, Ints]:
    """All features, sorted; and for each feature of each row, by rows: which one, in which row, how often.

    In chunks, as the hashes of a large base take much more room than the numbers of its features.
    """
    parts = [_counted_at_once(rows[chunk], chunk.start) for chunk in _chunks(len(rows))]
    if not parts:
        empty = np.zeros(0, dtype=np.int32)
        return np.zeros(0, dtype=np.uint64), empty, empty, empty
    hashes = parts[0][0] if len(parts) == 1 else np.unique(np.concatenate([own for own, *_ in parts]))
    columns = [np.searchsorted(hashes, own).astype(np.int32)[column] for own, column, _, _ in parts]
    row_of, times = (np.concatenate([part[at] for part in parts]) for at in (2, 3))
    return hashes, np.concatenate(columns), row_of, times


def _counted_at_once(rows: Sequence[Row], first: int) -> tuple[Hashes, Ints, Ints, Ints]:
    found = features_of([row.analysis for row in rows])
    hashes, features = np.unique(found.hashes, return_inverse=True)
    pairs, times = np.unique(found.rows * len(hashes) + features, return_counts=True)
    row_of, columns = np.divmod(pairs, max(len(hashes), 1))
    return hashes, columns.astype(np.int32), (row_of + first).astype(np.int32), times.astype(np.int32)


def _spread(postings: Ints, starts: Ints, entry_of: Ints) -> Floats:
    """Over how many entries each feature is spread: the perplexity of its uses.

    The rows of all postings, those of each feature sorted and beginning at `starts`; the entries of rows.
    """
    spread = np.empty(len(starts) - 1, dtype=np.float32)
    bounds = np.searchsorted(starts, np.arange(0, len(postings), CHUNK * 100))
    for low, high in pairwise([*bounds.tolist(), len(spread)]):
        own = starts[low : high + 1] - starts[low]
        users = entry_of[postings[starts[low] : starts[high]]]
        changes = np.diff(users, prepend=-1) != 0
        changes[own[:-1]] = True
        begins = np.flatnonzero(changes)
        times = np.diff(np.append(begins, len(users)))
        feature = np.searchsorted(own, begins, side="right") - 1
        shares = times / np.diff(own)[feature]
        spread[low:high] = np.exp(_sums(feature, -shares * np.log(shares), high - low))
    return spread


def _sums(cells: Ints, weights: Floats, size: int) -> Floats:
    """The sum of the weights in each cell."""
    return np.asarray(np.bincount(cells, weights=weights, minlength=size), dtype=np.float64)


def _unit(squares: Floats) -> Floats:
    """From sums of squares by view (a line each) to factors that make vectors of length one."""
    there = squares > 0.0
    shares = np.where(there, SHARES[:, None], 0.0)
    whole = np.maximum(shares.sum(axis=0), 1e-9)
    factors: Floats = np.sqrt(shares / whole / np.where(there, squares, 1.0)).astype(np.float32)
    return factors
