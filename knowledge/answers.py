"""Answering: from a question to a curated text, an honest "did you mean", or a decline that offers a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from jinja2.sandbox import SandboxedEnvironment
from sqlalchemy import delete, select, update
from sqlalchemy.sql.dml import ReturningInsert

from bot.clock import Clock
from bot.storage import Database, Tx
from bot.texts import Texts
from bot.texts.markdown import to_html
from knowledge.engine import Decision
from knowledge.library import Category, Entry, Source
from knowledge.live import Live, View
from knowledge.models import AskedQuestion

RELATED = 3
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


class Answers:
    """Answers from the live knowledge; what comes before there is any waits for it.

    Each answer is given from one view, whatever is published in the meantime.
    """

    def __init__(self, db: Database, clock: Clock, texts: Texts, live: Live, operator: Mapping[str, Any]) -> None:
        self._db = db
        self._clock = clock
        self._texts = texts
        self._live = live
        self._operator = operator
        self._markdown = SandboxedEnvironment(autoescape=False)
        self._html = lru_cache(maxsize=RENDERED)(self._rendered)
        self._logging = _logging(db)

    @property
    def is_ready(self) -> bool:
        return self._live.is_ready

    async def ask(self, contact_id: int, text: str, locale: str, asked_in: int) -> Answer | Suggestions | Decline:
        """Decide on a question and log it; the same update gives the same decision."""
        view = await self._live.view()
        decision = view.engine.decide(text, locale)
        question = await self._log(contact_id, text, asked_in, decision)
        if decision.kind == "answer":
            return Answer(question, self._show(view, decision.candidates[0].entry_id, decision.locale))
        if decision.kind == "suggest":
            headings = tuple(_heading(view, c.entry_id, decision.locale) for c in decision.candidates)
            return Suggestions(question, decision.locale, headings)
        return Decline(question, decision.locale)

    async def _log(self, contact_id: int, text: str, asked_in: int, decision: Decision) -> int:
        best = decision.candidates[0] if decision.candidates else None
        row = {
            "asked_in": asked_in,
            "contact_id": contact_id,
            "asked_at": self._clock.now(),
            "text": text,
            "locale": decision.locale,
            "outcome": decision.kind,
            "entry_id": best.entry_id if best and decision.kind == "answer" else None,
            "confidence": best.confidence if best else None,
            "model": decision.model,
        }
        async with self._db.write() as tx:
            return (await tx.execute(self._logging, row)).scalar_one()

    async def pick(self, contact_id: int, question: int, entry: str, locale: str) -> Answer | None:
        """The asker chose one of the suggestions; None when the entry or the question is gone."""
        view = await self._live.view()
        if view.library.get(entry, view.day) is None:
            return None
        mine = (AskedQuestion.id == question) & (AskedQuestion.contact_id == contact_id)
        chosen = update(AskedQuestion).where(mine).values(entry_id=entry)
        async with self._db.write() as tx:
            if (await tx.execute(chosen.returning(AskedQuestion.id))).first() is None:
                return None
        return Answer(question, self._show(view, entry, locale))

    async def rate(self, contact_id: int, question: int, helpful: bool) -> bool:
        """Keep the asker's 👍 or 👎; False for a question that is not theirs."""
        mine = (AskedQuestion.id == question) & (AskedQuestion.contact_id == contact_id)
        rated = update(AskedQuestion).where(mine).values(helpful=helpful)
        async with self._db.write() as tx:
            return (await tx.execute(rated.returning(AskedQuestion.id))).first() is not None

    async def text_of(self, contact_id: int, question: int) -> str | None:
        """What the contact asked under that number."""
        mine = (AskedQuestion.id == question) & (AskedQuestion.contact_id == contact_id)
        async with self._db.read() as tx:
            return (await tx.execute(select(AskedQuestion.text).where(mine))).scalar_one_or_none()

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

    name = "questions"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        table = AskedQuestion.__table__
        rows = await tx.execute(select(table).where(AskedQuestion.contact_id == contact_id))
        return {"asked": [dict(row._mapping) for row in rows]}

    async def erase(self, tx: Tx, contact_id: int) -> None:
        await tx.execute(delete(AskedQuestion).where(AskedQuestion.contact_id == contact_id))


def _entry(view: View, entry: str) -> Entry:
    found = view.library.get(entry, view.day)
    assert found is not None, entry
    return found


def _heading(view: View, entry: str, locale: str) -> Heading:
    return Heading(entry, _entry(view, entry).texts[locale].question)


def _logging(db: Database) -> ReturningInsert[int]:
    """Keep a question, or find it when the update is handled again. Built once, as every question needs it."""
    insert = db.insert(AskedQuestion)
    # an update that changes nothing, as only a row that was touched is returned
    kept = insert.on_conflict_do_update(index_elements=["asked_in"], set_={"asked_in": insert.excluded.asked_in})
    return kept.returning(AskedQuestion.id)
