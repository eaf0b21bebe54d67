"""The answering engine behind the interface of a retrieval benchmark: texts by entry in, ranked entries out."""

from collections.abc import Iterable, Mapping, Sequence

from knowledge.engine import Document
from knowledge.engine import Engine as AnsweringEngine
from knowledge.engine.analysis import detect_locale

Hits = list[tuple[str, float]]


class Engine:
    """Fits and asks the engine as the product does."""

    def fit(self, entries: Iterable[Mapping[str, object]]) -> None:
        """`entries` hold one text each: `{"entry": id, "text": phrasing}`."""
        self._names: dict[str, object] = {}
        texts: dict[tuple[str, str], list[str]] = {}
        for row in entries:
            entry_id, text = str(row["entry"]), str(row["text"])
            self._names[entry_id] = row["entry"]
            locale = "en" if detect_locale(text, None) == "en" else "zh-Hans"
            texts.setdefault((entry_id, locale), []).append(text)
        documents = [Document(entry_id, locale, tuple(own)) for (entry_id, locale), own in texts.items()]
        self._engine = self._made(documents)

    def _made(self, documents: Sequence[Document]) -> AnsweringEngine:
        return AnsweringEngine.fit(documents)

    def search(self, text: str, k: int) -> Hits:
        """The best `k` entries with their confidence."""
        return [(self._names[c.entry_id], c.confidence) for c in self._engine.search(text, k=k)]

    def confidence(self, text: str, hits: Hits) -> float:
        """The probability that the first hit is right."""
        return hits[0][1] if hits else 0.0

    def search_many(self, texts: Sequence[str], k: int) -> list[tuple[Hits, float]]:
        """Each text by itself, as the product asks."""
        found = [self.search(text, k) for text in texts]
        return [(hits, self.confidence(text, hits)) for text, hits in zip(texts, found, strict=True)]


class LightEngine(Engine):
    """Without a head: what answers while one is fitted."""

    def _made(self, documents: Sequence[Document]) -> AnsweringEngine:
        return AnsweringEngine(documents)
