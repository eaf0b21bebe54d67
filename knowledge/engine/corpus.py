"""The documents as texts that were analysed once."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from knowledge.engine.analysis import Analysis, Analyzer, is_chinese
from knowledge.engine.index import BODY_SHARE, Extra, Index, Row
from knowledge.engine.model import Document

CHINESE_FOR_MATCHING: Final = "zh-Hans"


class Corpus:
    """Entries with their texts, tags and answers; `previous` lends its analyses of the same texts."""

    def __init__(
        self, documents: Sequence[Document], synonyms: Sequence[Sequence[str]], previous: "Corpus | None" = None
    ) -> None:
        self.documents = sorted(documents, key=lambda d: (d.entry_id, d.locale, d.texts))
        groups = tuple(sorted(tuple(group) for group in synonyms))
        same = previous is not None and previous.analyzer.synonyms == groups
        self.analyzer: Analyzer = previous.analyzer if previous and same else Analyzer(groups)
        self.ids = sorted({document.entry_id for document in self.documents})
        self._analyses: dict[str, Analysis] = self._analysed(previous._analyses if previous and same else {})

    def _analysed(self, known: dict[str, Analysis]) -> dict[str, Analysis]:
        written = {d.entry_id for d in self.documents if d.locale == CHINESE_FOR_MATCHING}
        self._bodies = [
            document
            for document in self.documents
            # both Chinese scripts are folded into one, so that one answer tells the words of both
            if document.body and (not is_chinese(document.locale) or document.locale == CHINESE_FOR_MATCHING
                                  or document.entry_id not in written)
        ]  # fmt: skip
        texts = {text for document in self.documents for text in (*document.texts, *document.tags)}
        texts.update(document.body for document in self._bodies)
        new = sorted(texts - known.keys())
        return {text: known[text] for text in texts & known.keys()} | dict(
            zip(new, self.analyzer.analyse_all(new), strict=True)
        )

    @cached_property
    def rows(self) -> list[Row]:
        """Each question and phrasing once an entry, sorted by entry; both Chinese scripts fold together."""
        number = {entry_id: at for at, entry_id in enumerate(self.ids)}
        unique: dict[tuple[int, str], Row] = {}
        for document in self.documents:
            entry = number[document.entry_id]
            for text in document.texts:
                analysis = self._analyses[text]
                unique.setdefault((entry, analysis.key), Row(entry, text, analysis))
        return sorted(unique.values(), key=lambda row: row.entry)

    @cached_property
    def extras(self) -> list[Extra]:
        """Tags, and with a smaller share answers."""
        number = {entry_id: at for at, entry_id in enumerate(self.ids)}
        tags = {(number[d.entry_id], tag): 1.0 for d in self.documents for tag in d.tags}
        bodies = {(number[d.entry_id], d.body): BODY_SHARE for d in self._bodies}
        return [Extra(entry, self._analyses[text], share) for (entry, text), share in (bodies | tags).items()]

    def question(self, entry_id: str, locale: str) -> Analysis | None:
        """What the entry answers, in the language if it is written in it."""
        own = [d for d in self.documents if d.entry_id == entry_id and d.texts]
        spoken = [d for d in own if is_chinese(d.locale) == is_chinese(locale)] or own
        return self._analyses[spoken[0].texts[0]] if spoken else None

    def index(self) -> Index:
        return Index(self.ids, self.rows, self.extras)
