"""The engine: made of documents, at once or with a head that was learned from them; then search and decide."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

from knowledge.engine.analysis import detect_locale
from knowledge.engine.model import Bands, Candidate, Decision, Document, Kind, Why

if TYPE_CHECKING:  # numpy is loaded when an engine is made, not with the command line
    from knowledge.engine.corpus import Corpus
    from knowledge.engine.head import Head
    from knowledge.engine.matching import Matcher

VERSION: Final = "e6"
MOST_SUGGESTED: Final = 3
BEHIND: Final = 12
"""More entries to look at after an answer: what was answered stays in sight, however unlikely."""
THIRD_AT: Final = 0.05
GUESS_COSTS: Final = 0.4
"""How far from the band of an answer to certainty a reading of a follow-up has to come to be answered."""
FOLLOWING_SHARE: Final = 0.3
LEAST_HEAD: Final = 0.01
"""What the head has to give an entry by the follow-up alone, for that to be answered."""

Synonyms = Iterable[Sequence[str]]


class Engine:
    """Finds entries for a question. Never changed once made, safe to share between threads."""

    _corpus: "Corpus"
    _matcher: "Matcher | None"

    def __init__(
        self,
        documents: Sequence[Document],
        synonyms: Synonyms = (),
        head: "Head | None" = None,
        bands: Bands | None = None,
        previous: "Engine | None" = None,
    ) -> None:
        """`synonyms` are groups of terms, in any language, that mean the same thing; the order of these and of the
        documents does not matter.

        The head may have been learned from other documents, say before an edit; without one entries are ranked by
        their words alone. From `previous` is taken what it knows of unchanged texts.
        """
        from knowledge.engine.corpus import Corpus  # numpy costs 0.2 s
        from knowledge.engine.matching import Matcher

        self.bands = bands or Bands()
        self._corpus = Corpus(documents, list(synonyms), previous._corpus if previous else None)
        self.model = _model_id(self._corpus.documents, self._corpus.analyzer.synonyms, head)
        before = previous._matcher if previous else None
        self._matcher = Matcher(self._corpus, head, before) if self._corpus.rows else None
        self._unlisted = frozenset(d.entry_id for d in self._corpus.documents if not d.browsable)
        detect_locale("专", None)  # loads the character tables now, not at the first question

    @classmethod
    def fit(cls, documents: Sequence[Document], synonyms: Synonyms = (), bands: Bands | None = None) -> Self:
        """Learn a head and use it: many seconds for a few thousand texts."""
        from knowledge.engine.head import fit_head

        groups = list(synonyms)
        return cls(documents, groups, fit_head(documents, groups), bands)

    def search(self, text: str, locale: str | None = None, k: int = 5, context: str | None = None) -> list[Candidate]:
        """The best `k` entries, likeliest first; none when the text has no words. `context` as in `decide`."""
        return self._ranked(text, detect_locale(text, locale), context, k)[:k]

    def decide(self, text: str, locale: str | None = None, context: str | None = None) -> Decision:
        """Answer, suggest or decline. `context` is the entry that was answered just before."""
        answer_in = detect_locale(text, locale, self._matcher.knows_any if self._matcher else None)
        ranked = self._ranked(text, answer_in, context)
        kind, chosen = self._choose(ranked)
        return Decision(kind, chosen, answer_in, self.model, _features(ranked))

    def _ranked(self, text: str, locale: str, context: str | None, least: int = MOST_SUGGESTED) -> list[Candidate]:
        """The best entries for the text by itself or for what it means after the context, likeliest first."""
        if self._matcher is None or (asked := self._matcher.read(text)) is None:
            return []
        if context is None:
            return self._matcher.best(asked, least)
        alone = self._matcher.best(asked, least + BEHIND)
        following = self._matcher.following(asked, context, locale, least + BEHIND)
        if not following or (alone and alone[0].why.exact):
            return alone
        merged: dict[str, Candidate] = {}
        for candidate in sorted((*following, *alone), key=lambda candidate: -candidate.confidence):
            merged.setdefault(candidate.entry_id, candidate)
        return list(merged.values())

    def _choose(self, ranked: Sequence[Candidate]) -> tuple[Kind, tuple[Candidate, ...]]:
        if ranked and self._is_clear(ranked):
            return "answer", (ranked[0],)
        offered = self._offered(ranked)
        return ("suggest", offered) if len(offered) > 1 else ("decline", ())

    def _offered(self, ranked: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Two or three, the third only if it has a chance; none if the first is too weak.

        After an answer those come first that it may go on to, and the answer itself is among them: it may say what is
        asked. Such a question is about the field, so that asking back costs less.
        """
        listed = [candidate for candidate in ranked if candidate.entry_id not in self._unlisted]
        following = [c for c in listed if c.why.context and c.entry_id != c.why.context]
        before = [c for c in listed if c.entry_id == c.why.context]
        alone = [c for c in listed if not c.why.context]
        likeliest = max((c.confidence for c in (*following[:1], *before)), default=0.0)
        if likeliest >= self.bands.suggest_at * FOLLOWING_SHARE:
            likely = [*following[:1], *(c for c in following[1:2] if c.confidence >= THIRD_AT)]
            others = [c for c in alone if c.confidence >= self.bands.suggest_at or not likely]
            return (*likely, *others[:1], *before)[:MOST_SUGGESTED]
        if not alone or alone[0].confidence < self.bands.suggest_at:
            return ()
        others = [*before, *alone[1:2], *(c for c in alone[2:3] if c.confidence >= THIRD_AT)]
        return (alone[0], *others)[:MOST_SUGGESTED]

    def _is_clear(self, ranked: Sequence[Candidate]) -> bool:
        """One entry stands out.

        Small talk cannot be offered, so it needs to be less certain, where nothing speaks against it; what is read into
        a follow-up is a guess at what was left unsaid, so it needs to be more.
        """
        first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
        if first.entry_id == first.why.context:
            return False  # it has just been said
        enough = self.bands.answer_at
        if first.entry_id in self._unlisted and _is_undisputed(first.why):
            enough = (enough + self.bands.suggest_at) / 2
        elif first.why.context:
            if first.why.head is not None and first.why.head < LEAST_HEAD:
                return False
            enough += GUESS_COSTS * (1.0 - enough)
        return first.confidence >= enough and not (first.why.exact and second and second.why.exact)


def _is_undisputed(why: Why) -> bool:
    """Whether the head and the nearest text say the same, of words as they were written."""
    return why.margin > 0.0 and (why.head is None or why.head >= 0.5) and not why.mended


def _features(ranked: Sequence[Candidate]) -> Mapping[str, float]:
    if not ranked:
        return {}
    why = ranked[0].why
    return {
        "confidence": ranked[0].confidence,
        "exact": float(why.exact),
        "head": why.head or 0.0,
        "cosine": why.cosine,
        "bm25": why.bm25,
        "coverage": why.coverage,
        "unknown": why.unknown,
        "aside": why.aside,
        "mended": float(len(why.mended)),
        "margin": why.margin,
    }


def _model_id(documents: Sequence[Document], synonyms: Sequence[Sequence[str]], head: "Head | None") -> str:
    """Version, hash of the content, and the head."""
    import hashlib  # with json a third of the time to import this package
    import json

    parts = [list(map(digest_of, documents)), synonyms]
    content = hashlib.sha256(json.dumps(parts, ensure_ascii=False, default=list).encode())
    return f"{VERSION}-{content.hexdigest()[:12]}-{head.id if head else 'light'}"


@lru_cache(maxsize=2**14)
def digest_of(document: Document) -> str:
    """The same for the same document."""
    import hashlib
    import json

    return hashlib.sha256(json.dumps(asdict(document), ensure_ascii=False).encode()).hexdigest()
