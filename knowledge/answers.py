"""Answering: from a question to a curated text, an honest "did you mean", or a decline that offers a person."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

from bot.texts import Texts
from bot.texts.markdown import to_html
from knowledge.library import Category, Entry, Source
from knowledge.live import Live, View
from knowledge.questions import Considered, Logged, QuestionLog

RELATED = 3
RANKED = 5
RENDERED = 2048
"""Answers kept as HTML; rendering one takes as long as deciding."""


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry as it stands on a button."""

    id: str
    question: str


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry in one language, its answer as Telegram HTML. `review_due`: it may be out of date."""

    id: str
    category: str
    locale: str
    question: str
    html: str
    basis: str
    jurisdictions: tuple[str, ...]
    as_of: date
    review_due: bool
    sources: tuple[Source, ...]
    related: tuple[Heading, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    question: int
    entry: ShownEntry


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Two or three entries that may be meant; `locale` is the language to ask back in."""

    question: int
    locale: str
    entries: tuple[Heading, ...]


@dataclass(frozen=True, slots=True)
class Decline:
    question: int
    locale: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a question was decided as it was, from the log, beside the engine's ranking of all entries now.

    `same`: by the same model, so that the ranking is the one that was decided on.
    """

    logged: Logged
    ranking: tuple[Considered, ...]
    same: bool


class Answers:
    """Answers from the live knowledge; what comes before there is any waits for it.

    Each answer is given from one view, whatever is published in the meantime.
    """

    def __init__(self, log: QuestionLog, texts: Texts, live: Live, operator: Mapping[str, Any]) -> None:
        self._log = log
        self._texts = texts
        self._live = live
        self._operator = operator
        self._markdown = SandboxedEnvironment(autoescape=False)
        self._html = lru_cache(maxsize=RENDERED)(self._rendered)

    @property
    def is_ready(self) -> bool:
        return self._live.is_ready

    async def ask(self, contact_id: int, text: str, locale: str, asked_in: int) -> Answer | Suggestions | Decline:
        """Decide on a question and log it; the same update gives the same decision.

        It may go on from what this contact was answered just before: "and in Hong Kong?"
        """
        view = await self._live.view()
        before = await self._log.before(contact_id, asked_in)
        if before.logged is not None and (outcome := _repeated(before.logged, view)) is not None:
            return self._outcome(view, *outcome)
        decision = view.engine.decide(text, locale, before.context)
        question = await self._log.keep(contact_id, text, asked_in, before.context, decision)
        return self._outcome(view, question, decision.kind, decision.locale, [c.entry_id for c in decision.candidates])

    def _outcome(
        self, view: View, question: int, kind: str, locale: str, entries: Sequence[str]
    ) -> Answer | Suggestions | Decline:
        if kind == "answer":
            return Answer(question, self._show(view, entries[0], locale))
        if kind == "suggest":
            return Suggestions(question, locale, tuple(_heading(view, entry, locale) for entry in entries))
        return Decline(question, locale)

    async def pick(self, contact_id: int, question: int, entry: str, locale: str) -> Answer | None:
        """The asker chose one of the suggestions; None when the entry or the question is gone."""
        view = await self._live.view()
        if view.library.get(entry, view.day) is None:
            return None
        if not await self._log.picked(contact_id, question, entry):
            return None
        return Answer(question, self._show(view, entry, locale))

    async def why(self, question: int, asker: int | None) -> Evidence | None:
        """The evidence behind a logged question; only if `asker` asked it, where one is given."""
        logged = await self._log.logged(question, asker)
        if logged is None:
            return None
        view = await self._live.view()
        found = await asyncio.to_thread(view.engine.search, logged.text, logged.locale, RANKED, logged.context)
        ranking = tuple(Considered(each.entry_id, each.confidence, asdict(each.why)) for each in found)
        return Evidence(logged, ranking, view.engine.model == logged.model)

    async def count(self) -> int:
        """How many entries there are, small talk included."""
        view = await self._live.view()
        return len(view.library.valid(view.day))

    async def categories(self) -> list[Category]:
        view = await self._live.view()
        return view.library.categories(view.day)

    async def category(self, category: str, locale: str) -> list[Heading]:
        """The entries of a category, in the order they are written in."""
        view = await self._live.view()
        return [_heading(view, entry.id, locale) for entry in view.library.in_category(category, view.day)]

    async def entry(self, entry: str, locale: str) -> ShownEntry | None:
        view = await self._live.view()
        return self._show(view, entry, locale) if view.library.get(entry, view.day) else None

    async def open(self, contact_id: int, entry: str, locale: str) -> ShownEntry | None:
        """As `entry`, and the contact's next question may go on from it."""
        shown = await self.entry(entry, locale)
        if shown is not None:
            await self._log.opened(contact_id, entry)
        return shown

    def _show(self, view: View, entry_id: str, locale: str) -> ShownEntry:
        entry = _entry(view, entry_id)
        related = view.library.related(entry_id, view.day)[:RELATED]
        return ShownEntry(
            id=entry.id,
            category=entry.category,
            locale=locale,
            question=entry.texts[locale].question,
            html=self._html(entry.texts[locale].answer_markdown, locale),
            basis=entry.basis,
            jurisdictions=entry.jurisdictions,
            as_of=entry.as_of,
            review_due=entry.overdue_on(view.day),
            sources=entry.sources,
            related=tuple(_heading(view, other.id, locale) for other in related),
        )

    def _rendered(self, markdown: str, locale: str) -> str:
        say = self._texts.translator(locale)
        facts = {name: say.localized(fact) for name, fact in self._operator.items()}
        return str(to_html(self._markdown.from_string(markdown).render(operator=facts)))


def _repeated(logged: Logged, view: View) -> tuple[int, str, str, list[str]] | None:
    """What was decided when the same update was handled first; None when an entry of it is gone."""
    entries = [considered.entry_id for considered in logged.considered]
    if any(view.library.get(entry, view.day) is None for entry in entries):
        return None
    return logged.id, logged.outcome, logged.locale, entries


def _entry(view: View, entry: str) -> Entry:
    found = view.library.get(entry, view.day)
    assert found is not None, entry
    return found


def _heading(view: View, entry: str, locale: str) -> Heading:
    return Heading(entry, _entry(view, entry).texts[locale].question)
