"""The engine: fit on documents, then search and decide."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Final, Self

from knowledge.engine.analysis import Analyzer, detect_locale
from knowledge.engine.model import Bands, Candidate, Decision, Document, Kind

VERSION: Final = "e2"
MOST_SUGGESTED: Final = 3
THIRD_AT: Final = 0.1


class Engine:
    """Finds entries for a question. Made by `fit`, never changed afterwards, safe to share."""

    def __init__(self, documents: Sequence[Document], synonyms: Sequence[Sequence[str]], bands: Bands) -> None:
        from knowledge.engine.index import Index  # numpy and bm25s cost 0.4 s
        from knowledge.engine.ranking import Ranking

        self.bands = bands
        self.model = _model_id(documents, synonyms, bands)
        self._analyzer = Analyzer(synonyms)
        self._ranking = Ranking(Index(documents, self._analyzer)) if documents else None
        self._unlisted = frozenset(d.entry_id for d in documents if not d.browsable)
        self._kin = {d.entry_id: frozenset(d.kin) for d in documents}
        detect_locale("专", None)  # loads the character tables now, not at the first question

    @classmethod
    def fit(
        cls,
        documents: Sequence[Document],
        synonyms: Iterable[Sequence[str]] = (),
        bands: Bands | None = None,
    ) -> Self:
        """Index the documents: about a second for a few thousand texts.

        `synonyms` are groups of terms, in any language, that mean the same thing. The order of
        documents and synonyms does not matter.
        """
        ordered = sorted(documents, key=lambda d: (d.entry_id, d.locale, d.texts))
        return cls(ordered, sorted(tuple(group) for group in synonyms), bands or Bands())

    def search(self, text: str, locale: str | None = None, k: int = 5) -> list[Candidate]:
        """The best `k` entries, likeliest first; none when the text has no words."""
        return self._ranked(text, detect_locale(text, locale), None, k)

    def decide(self, text: str, locale: str | None = None, context: str | None = None) -> Decision:
        """Answer, suggest or decline. `context` is the entry that was answered just before."""
        answer_in = detect_locale(text, locale)
        ranked = self._ranked(text, answer_in, context, MOST_SUGGESTED + len(self._unlisted))
        kind, chosen = self._choose(ranked)
        return Decision(kind, chosen, answer_in, self.model, _features(ranked))

    def _ranked(self, text: str, locale: str, context: str | None, k: int) -> list[Candidate]:
        if self._ranking is None:
            return []
        kin = self._kin.get(context, frozenset()) if context else frozenset()
        return self._ranking.best(self._analyzer.analyse(text), locale, kin, k)

    def _choose(self, ranked: Sequence[Candidate]) -> tuple[Kind, tuple[Candidate, ...]]:
        if not ranked or ranked[0].confidence < self.bands.suggest_at:
            return "decline", ()
        if self._is_clear(ranked):
            return "answer", (ranked[0],)
        offered = self._offered(ranked)
        return ("suggest", offered) if len(offered) > 1 else ("decline", ())

    def _offered(self, ranked: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Two or three, the third only if it has a chance; none if the first is too weak."""
        listed = [c for c in ranked if c.entry_id not in self._unlisted][:MOST_SUGGESTED]
        if not listed or listed[0].confidence < self.bands.suggest_at:
            return ()
        return tuple(listed[:2]) + tuple(c for c in listed[2:] if c.confidence >= THIRD_AT)

    def _is_clear(self, ranked: Sequence[Candidate]) -> bool:
        """One entry stands out. Small talk cannot be offered, so it needs to be less certain."""
        first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
        enough = self.bands.answer_at
        if first.entry_id in self._unlisted:
            enough = (enough + self.bands.suggest_at) / 2
        rival = second is not None and second.confidence >= self.bands.answer_at
        alone = first.why.exact and not (second and second.why.exact)
        return first.confidence >= enough and (alone or not rival)


def _features(ranked: Sequence[Candidate]) -> Mapping[str, float]:
    if not ranked:
        return {}
    why = ranked[0].why
    return {
        "confidence": ranked[0].confidence,
        "exact": float(why.exact),
        "cosine": why.cosine,
        "bm25": why.bm25,
        "coverage": why.coverage,
        "unknown": why.unknown,
        "aside": float(why.aside),
        "margin": why.margin,
    }


def _model_id(documents: Sequence[Document], synonyms: Sequence[Sequence[str]], bands: Bands) -> str:
    import hashlib  # with json a third of the time to import this package
    import json

    parts = [VERSION, [asdict(d) for d in documents], synonyms, asdict(bands)]
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=list)
    return f"{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
