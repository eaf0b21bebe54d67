"""Answering: from a question to a curated text, an honest "did you mean", or a decline that offers a person."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from jinja2.sandbox import SandboxedEnvironment
from sqlalchemy import delete, select, update
from sqlalchemy.sql.dml import ReturningInsert

from bot.clock import Clock
from bot.storage import Database, Tx
from bot.texts import Texts
from bot.texts.markdown import to_html
from knowledge.engine import Candidate, Decision, Engine
from knowledge.library import Category, Entry, Library, Source
from knowledge.models import AskedQuestion

RELATED = 3


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
    """The engine is fitted by `prepare`, in a thread; questions asked meanwhile wait for it."""

    def __init__(self, db: Database, clock: Clock, texts: Texts, library: Library, operator: Mapping[str, Any]) -> None:
        self._db = db
        self._clock = clock
        self._texts = texts
        self._library = library
        self._operator = operator
        self._markdown = SandboxedEnvironment(autoescape=False)
        self._html: dict[tuple[str, str, date | None], str] = {}
        self._logging = _logging(db)
        self._engine: Engine | None = None
        self._ready = asyncio.Event()

    async def prepare(self) -> None:
        """Fit the engine, which takes seconds, beside whatever else goes on."""
        self.use(await asyncio.to_thread(self.fit))

    def use(self, engine: Engine) -> None:
        """Answer with this engine from now on."""
        self._engine = engine
        self._ready.set()

    def fit(self) -> Engine:
        documents = self._library.documents(self._today())
        return Engine.fit(documents, self._library.glossary.synonyms())

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def ask(self, contact_id: int, text: str, locale: str, asked_in: int) -> Answer | Suggestions | Decline:
        """Decide on a question and log it; the same update gives the same decision."""
        await self._ready.wait()
        decision = self.decide(text, locale)
        question = await self._log(contact_id, text, asked_in, decision)
        if decision.kind == "answer":
            return Answer(question, self._show(decision.candidates[0].entry_id, decision.locale))
        if decision.kind == "suggest":
            headings = tuple(self._heading(c.entry_id, decision.locale) for c in decision.candidates)
            return Suggestions(question, decision.locale, headings)
        return Decline(question, decision.locale)

    def decide(self, text: str, locale: str | None, context: str | None = None) -> Decision:
        """The bare decision, nothing logged."""
        assert self._engine is not None, "prepare() comes first"
        return self._engine.decide(text, locale, context)

    def search(self, text: str, locale: str | None) -> list[Candidate]:
        """The best entries with the evidence for each."""
        assert self._engine is not None, "prepare() comes first"
        return self._engine.search(text, locale)

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
        if self._library.get(entry, self._today()) is None:
            return None
        mine = (AskedQuestion.id == question) & (AskedQuestion.contact_id == contact_id)
        chosen = update(AskedQuestion).where(mine).values(entry_id=entry)
        async with self._db.write() as tx:
            if (await tx.execute(chosen.returning(AskedQuestion.id))).first() is None:
                return None
        return Answer(question, self._show(entry, locale))

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

    def categories(self) -> list[Category]:
        return list(self._library.categories())

    def category(self, category: str, locale: str) -> list[Heading]:
        """The entries of a category, in the order they are written in."""
        entries = self._library.in_category(category, self._today())
        return [self._heading(entry.id, locale) for entry in entries]

    def entry(self, entry: str, locale: str) -> ShownEntry | None:
        return self._show(entry, locale) if self._library.get(entry, self._today()) else None

    def _today(self) -> date:
        return self._clock.now().date()

    def _entry(self, entry: str) -> Entry:
        found = self._library.get(entry, self._today())
        assert found is not None, entry
        return found

    def _heading(self, entry: str, locale: str) -> Heading:
        return Heading(entry, self._entry(entry).texts[locale].question)

    def _show(self, entry_id: str, locale: str) -> ShownEntry:
        entry = self._entry(entry_id)
        related = self._library.related(entry_id, self._today())[:RELATED]
        return ShownEntry(
            id=entry.id,
            category=entry.category,
            locale=locale,
            question=entry.texts[locale].question,
            html=self._answer_html(entry, locale),
            basis=entry.basis,
            jurisdictions=entry.jurisdictions,
            as_of=entry.as_of,
            review_due=entry.overdue_on(self._today()),
            sources=entry.sources,
            related=tuple(self._heading(other.id, locale) for other in related),
        )

    def _answer_html(self, entry: Entry, locale: str) -> str:
        key = (entry.id, locale, entry.valid_from)
        if key not in self._html:
            markdown = self._markdown.from_string(entry.texts[locale].answer_markdown)
            say = self._texts.translator(locale)
            facts = {name: say.localized(fact) for name, fact in self._operator.items()}
            self._html[key] = str(to_html(markdown.render(operator=facts)))
        return self._html[key]

    name = "questions"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        table = AskedQuestion.__table__
        rows = await tx.execute(select(table).where(AskedQuestion.contact_id == contact_id))
        return {"asked": [dict(row._mapping) for row in rows]}

    async def erase(self, tx: Tx, contact_id: int) -> None:
        await tx.execute(delete(AskedQuestion).where(AskedQuestion.contact_id == contact_id))


def _logging(db: Database) -> ReturningInsert[int]:
    """Keep a question, or find it when the update is handled again. Built once, as every question needs it."""
    insert = db.insert(AskedQuestion)
    # an update that changes nothing, as only a row that was touched is returned
    kept = insert.on_conflict_do_update(index_elements=["asked_in"], set_={"asked_in": insert.excluded.asked_in})
    return kept.returning(AskedQuestion.id)
