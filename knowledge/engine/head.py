"""What is learned from a knowledge base, apart from it: made by `fit_head`, kept as bytes, used by an engine.

A head may be older than the documents it is used with. It knows texts by hashes: what it has learned
from a text that is gone is left out, and entries it never saw are ranked without it.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from knowledge.engine import linear
from knowledge.engine.analysis import FUNCTION_WORDS, Analysis
from knowledge.engine.calibration import (
    ONE_TEXT_RANKING,
    Ranking,
    Trust,
    fit_ranking,
    fit_trust,
    imputing_columns,
    measures_of,
    signs_of,
)
from knowledge.engine.corpus import Corpus
from knowledge.engine.features import Bools, Floats, Hashes, Ints, hash_words
from knowledge.engine.index import Evidence, Extra, Index, Query, Row
from knowledge.engine.model import Document

MARK: Final = b"cipo advisor head 2\n"
"""Another one for each change to what is learned or how it is used."""
DIGEST: Final = 32

MOST_ENTRIES: Final = 600
MOST_CELLS: Final = 5_000_000
FEWEST_TEXTS: Final = 3.0
"""Texts an entry, on average, below which a head has nothing to learn from."""

FOLDS: Final = 4
MOST_KNOWN: Final = 1_600
MOST_PADDED: Final = 400
MOST_STRANGE: Final = 1_200
MOST_ESTRANGED: Final = 400
Kind = Literal["known", "padded", "strange", "estranged"]
SHARES: Final[dict[Kind, float]] = {"known": 0.55, "padded": 0.2, "strange": 0.15, "estranged": 0.1}
"""How many of all questions are taken to be about an entry, said briefly or at length, about what is close to some
entry, and far off."""

PADDING: Final = (0.3, 1.5)
"""How many words more a padded text has, as a share of its own."""

TESTED_SHARE: Final = 5
MOST_OF_ENTRY: Final = 20
FEWEST_CASES: Final = 60
NO_ENTRY: Final = -1
UNKNOWN: Final = "\ue000"
SHORTLIST: Final = 15

START: Final = np.array([1.0, 0.0, 0.0, 0.0, 3.0, 2.0, 0.0])
START_WITHOUT: Final = ONE_TEXT_RANKING.weights


NO_TEXTS: Final = np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted linear head in terms of one index: weights by feature and entry.

    `line_of` tells the line of weights for each place of the index's vocabulary, -1 where there is none. `texts` are
    those that the weights were made from, `hashes` the vocabulary.
    """

    weights: Floats
    bias: Floats
    column_of: Ints
    imputed: Floats
    line_of: Ints
    texts: Hashes
    hashes: Hashes

    def moved_to(self, index: Index, entries: Sequence[str]) -> "Linear":
        """The same in terms of another index that has all of these texts, and so their features."""
        hashes = index.vocabulary.hashes
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        line_of = np.where(self.hashes[at] == hashes, self.line_of[at], -1)
        return replace(self, column_of=_columns(index, entries), line_of=line_of, hashes=hashes)

    def knows(self, entry: int) -> bool:
        return bool(self.column_of[entry] >= 0)

    def logits(self, query: Query, evidence: Evidence) -> Floats:
        """One for each entry of the evidence; of an entry that the head does not know, a guess from its measures."""
        lines = self.line_of[query.places]
        known = lines >= 0
        told = self.weights[lines[known]].T @ query.weights[known] + self.bias
        columns = self.column_of[evidence.entries]
        if columns.min() >= 0:
            return np.asarray(told[columns], dtype=np.float64)
        guessed = imputing_columns(evidence) @ self.imputed
        return np.where(columns >= 0, told[columns], guessed)


@dataclass(frozen=True)
class Head:
    """Arrays and names. `mixture` holds for each known text (a hash) what it adds to each entry's weights."""

    entries: tuple[str, ...]
    features: Hashes
    feature_weights: Floats
    texts: Hashes
    mixture: NDArray[np.float16]
    imputed: Floats
    ranking: Ranking
    trust: Trust | None

    @cached_property
    def id(self) -> str:
        """The same for the same content."""
        digest = hashlib.sha256(MARK + json.dumps(self.entries).encode())
        for name, array in self._arrays().items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:12]

    def to_bytes(self) -> bytes:
        """An npz of plain arrays behind a mark and a digest; `from_bytes` reads it back."""
        buffer = io.BytesIO()
        entries = np.frombuffer(json.dumps(self.entries).encode(), dtype=np.uint8)
        np.savez_compressed(buffer, entries=entries, **self._arrays())
        return MARK + hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """ValueError for anything that `to_bytes` did not write whole."""
        digest, content = data[len(MARK) :][:DIGEST], data[len(MARK) + DIGEST :]
        if not data.startswith(MARK) or hashlib.sha256(content).digest() != digest:
            raise ValueError("not a head of this version, or damaged")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        entries = tuple(json.loads(arrays.pop("entries").tobytes()))
        trust, ranking = _trust_of(arrays.pop("trust")), Ranking(arrays.pop("ranking"))
        return cls(entries=entries, ranking=ranking, trust=trust, **arrays)

    def _arrays(self) -> dict[str, Any]:
        return {
            "features": self.features,
            "feature_weights": self.feature_weights,
            "texts": self.texts,
            "mixture": self.mixture,
            "imputed": self.imputed,
            "ranking": self.ranking.weights,
            "trust": _as_array(self.trust),
        }

    def linear_for(self, index: Index, lent: Linear | None = None) -> Linear | None:
        """The linear head in terms of an index; None where nothing of it is left.

        `lent` is the one for an index that differs by texts which this head does not know.
        """
        known = {text: row for row, text in enumerate(self.texts.tolist())}
        found = [(row, known[text]) for row, text in enumerate(text_hashes(index).tolist()) if text in known]
        if not found:
            return None
        rows, mine = (np.array(column) for column in zip(*found, strict=True))
        texts = self.texts[mine]
        if lent is not None and np.array_equal(texts, lent.texts):
            return lent.moved_to(index, self.entries)
        mixture = self.mixture[mine].astype(np.float32)
        return _linear(index, rows, mixture, self.entries, self.imputed, texts)


def _as_array(trust: Trust | None) -> Floats:
    if trust is None:
        return np.zeros((3, 0))
    bias = np.full((3, 1), trust.bias)
    return np.hstack([np.stack([trust.centre, trust.spread, trust.weights]), bias])


def _trust_of(array: Floats) -> Trust | None:
    if not array.size:
        return None
    centre, spread, weights = array[:, :-1]
    return Trust(centre, spread, weights, bias=float(array[0, -1]))


def _linear(
    index: Index, rows: Ints, mixture: Floats, entries: Sequence[str], imputed: Floats, texts: Hashes = NO_TEXTS
) -> Linear:
    return Linear(
        weights=np.asarray(index.matrix(rows).T @ mixture),
        bias=linear.BIAS * mixture.sum(axis=0),
        column_of=_columns(index, entries),
        imputed=imputed,
        line_of=np.arange(len(index.vocabulary.hashes)),
        texts=texts,
        hashes=index.vocabulary.hashes,
    )


def _columns(index: Index, entries: Sequence[str]) -> Ints:
    column = {entry_id: number for number, entry_id in enumerate(entries)}
    return np.array([column.get(entry_id, -1) for entry_id in index.ids])


def text_hashes(index: Index) -> Hashes:
    """What a head knows each text of an index by: its entry and what is asked."""
    return hash_words([f"{index.ids[row.entry]}\n{row.analysis.key}" for row in index.rows])


@dataclass(frozen=True, slots=True)
class _Case:
    """A withheld text: what an engine without it saw, and the line of its entry, if there was one.

    `kind` says whether its entry stayed, and the text was padded, or had been withheld too, or the text was estranged.
    """

    query: Query
    evidence: Evidence
    logits: Floats | None
    right: int | None
    kind: Kind


def fit_head(documents: Sequence[Document], synonyms: Iterable[Sequence[str]] = ()) -> Head:
    """Learn from documents: many seconds on one core for a few thousand texts.

    The same documents and synonyms, in any order, give the same head.
    """
    corpus = Corpus(documents, [tuple(group) for group in synonyms])
    return _learn(corpus.index(), corpus.extras)


def _learn(index: Index, extras: Sequence[Extra]) -> Head:
    entries = sorted({row.entry for row in index.rows})
    ids = tuple(index.ids[entry] for entry in entries)
    worthwhile = _is_worthwhile(len(index.rows), len(entries))
    cases = list(_cases(index, extras, worthwhile))
    brief = [case for case in cases if case.kind != "padded"]  # learning to rank from padding costs half a point
    imputed = _fit_imputing(brief)
    ranking = fit_ranking(list(_shortlists(brief)), START if worthwhile else START_WITHOUT)
    mixture = np.zeros((0, len(entries)), dtype=np.float16)
    texts = np.zeros(0, dtype=np.uint64)
    if worthwhile:
        mixture = _fit_mixture(index).astype(np.float16)
        texts = text_hashes(index)
    return Head(
        entries=ids,
        features=index.vocabulary.hashes,
        feature_weights=index.vocabulary.weights,
        texts=texts,
        mixture=mixture,
        imputed=imputed,
        ranking=ranking,
        trust=_fit_trust(cases, ranking),
    )


def _is_worthwhile(texts: int, entries: int) -> bool:
    return 2 <= entries <= MOST_ENTRIES and texts >= FEWEST_TEXTS * entries and texts * entries <= MOST_CELLS


def _fit_mixture(index: Index) -> Floats:
    numbers = np.array([row.entry for row in index.rows])
    present, column = np.unique(numbers, return_inverse=True)
    return linear.fit(index.matrix(np.arange(len(index.rows))), column, len(present))


def _cases(index: Index, extras: Sequence[Extra], worthwhile: bool) -> Iterator[_Case]:
    """Ask for withheld texts: of entries that are left (some padded as well), of entries gone whole, and estranged."""
    for kept, known, strange in _folds(np.array([row.entry for row in index.rows])):
        rows = [row for row, keep in zip(index.rows, kept, strict=True) if keep]
        left = {row.entry for row in rows}
        if len(left) < 2:
            continue
        part = Index(index.ids, rows, [extra for extra in extras if extra.entry in left])
        head = None
        if worthwhile:
            ids = [index.ids[entry] for entry in sorted(left)]
            head = _linear(part, np.arange(len(rows)), _fit_mixture(part), ids, np.zeros(0))
        for number in (*known, *strange):
            row = index.rows[number]
            yield _case(part, head, row.analysis, row.entry, "known" if row.entry in left else "strange")
        chance = np.random.default_rng(len(rows))
        for number in known[: MOST_PADDED // FOLDS]:
            row = index.rows[number]
            yield _case(part, head, _padded(row.analysis, rows, chance), row.entry, "padded")
        for number in known[: MOST_ESTRANGED // FOLDS]:
            yield _case(part, head, _estranged(index.rows[number].analysis, chance), NO_ENTRY, "estranged")


def _estranged(analysis: Analysis, chance: np.random.Generator) -> Analysis:
    """As if about something far off: all but a third of the words that say something are ones nobody knows."""
    content = sorted({token for token in analysis.tokens if token not in FUNCTION_WORDS})
    kept = set(chance.permutation(content)[: max(1, len(content) // 3)].tolist())
    odd = {token: UNKNOWN * len(token) + str(at) for at, token in enumerate(content) if token not in kept}
    tokens = tuple(odd.get(token, token) for token in analysis.tokens)
    return replace(analysis, tokens=tokens, runs=tokens, concepts=(), subjects=frozenset())


def _padded(analysis: Analysis, rows: Sequence[Row], chance: np.random.Generator) -> Analysis:
    """As if told at length: with more words before it, half of them such as nobody knows, half from other texts."""
    more = []
    for at in range(int(len(analysis.tokens) * chance.uniform(*PADDING)) + 1):
        tokens = rows[int(chance.integers(len(rows)))].analysis.tokens
        is_known = chance.random() < 0.5 and len(tokens) > 0
        more.append(tokens[chance.integers(len(tokens))] if is_known else UNKNOWN * 3 + str(at))
    return replace(analysis, tokens=(*more, *analysis.tokens), runs=(*more, *analysis.runs))


def _case(index: Index, head: Linear | None, analysis: Analysis, entry: int, kind: Kind) -> _Case:
    query = index.query(analysis)
    evidence = index.measure(query)
    lines = np.flatnonzero(evidence.entries == entry)
    logits = head.logits(query, evidence) if head else None
    return _Case(query, evidence, logits, int(lines[0]) if len(lines) else None, kind)


def _folds(entry_of: Ints) -> Iterator[tuple[Bools, Ints, Ints]]:
    """For each fold which texts stay, which are asked though their entry stays, and which although it goes."""
    chance = np.random.default_rng(0)
    entries = chance.permutation(np.unique(entry_of))
    for fold in range(FOLDS):
        gone = np.isin(entry_of, entries[fold::FOLDS])
        left = np.unique(entry_of[~gone])
        tested = [_tested(chance.permutation(np.flatnonzero(entry_of == entry))) for entry in left]
        known = np.concatenate(tested) if tested else np.zeros(0, dtype=np.int64)
        kept = ~gone
        kept[known] = False
        strange = chance.permutation(np.flatnonzero(gone))
        yield kept, chance.permutation(known)[: MOST_KNOWN // FOLDS], strange[: MOST_STRANGE // FOLDS]


def _tested(texts: Ints) -> Ints:
    """A share of an entry's texts, at least one, as long as one stays."""
    share = min(MOST_OF_ENTRY, max(1, len(texts) // TESTED_SHARE))
    return texts[: min(share, len(texts) - 1)]


def _shortlists(cases: Sequence[_Case]) -> Iterator[tuple[Floats, int]]:
    for case in cases:
        if case.right is not None:
            measures = measures_of(case.evidence, case.logits)
            likely = np.argsort(-(measures @ (START if case.logits is not None else START_WITHOUT)))[:SHORTLIST]
            lines = np.unique(np.append(likely, case.right))
            yield measures[lines], int(np.searchsorted(lines, case.right))


def _fit_imputing(cases: Sequence[_Case]) -> Floats:
    """What a head would say of an entry, from the index's measures, by least squares."""
    seen = [(imputing_columns(case.evidence), case.logits) for case in cases if case.logits is not None]
    if not seen:
        return np.zeros(0)
    lines = np.concatenate([columns for columns, _ in seen])
    told = np.concatenate([logits for _, logits in seen])
    guess: Floats = np.linalg.lstsq(lines, told, rcond=None)[0]
    return guess


def _fit_trust(cases: Sequence[_Case], ranking: Ranking) -> Trust | None:
    ranked = [ranking.rank(case.evidence, case.logits) for case in cases]
    right = np.array([one.chances.argmax() == case.right for case, one in zip(cases, ranked, strict=True)])
    kinds = np.array([case.kind for case in cases])
    counts = {kind: int((kinds == kind).sum()) for kind in SHARES}
    if len(cases) < FEWEST_CASES or not right.any() or not counts["known"] or not counts["strange"]:
        return None
    signs = np.array([signs_of(case.query, one) for case, one in zip(cases, ranked, strict=True)])
    importance = np.array([SHARES[case.kind] * len(cases) / counts[case.kind] for case in cases])
    return fit_trust(signs, right, importance)
