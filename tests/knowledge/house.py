"""Replicas of the answering side on one database, with two small entries."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, update

from bot.background import Background
from bot.clock import Clock
from bot.storage import Database
from knowledge.changes import Content
from knowledge.curation import Curation, Drafted, Published
from knowledge.engine import Case, Decision, Document, fit_head
from knowledge.heads import Fitter, Heads
from knowledge.live import Live
from knowledge.models import EntryRevision, KnowledgeModel, KnowledgeState
from knowledge.shipped import Merged, merge_shipped
from tests.knowledge.conftest import ENTRY

ZONE = "Asia/Hong_Kong"
QUESTIONS = (
    Case("What does a CIPO do?", "en", "cipo-01"),
    Case("who needs one", "en", "cipo-02"),
    Case("duties of the office", "en", "cipo-01"),
    Case("where is the cheese", "en", None),
)


async def fit_here(documents: Sequence[Document], synonyms: Sequence[Sequence[str]]) -> bytes:
    """What the process beside would give, at once."""
    return fit_head(documents, synonyms).to_bytes()


@dataclass
class Replica:
    live: Live
    curation: Curation
    heads: Heads
    background: Background

    async def decides(self, text: str) -> Decision:
        return (await self.live.view()).engine.decide(text)

    async def answers(self, text: str) -> str | None:
        """The entry that answers; None where there is none."""
        decision = await self.decides(text)
        return decision.candidates[0].entry_id if decision.kind == "answer" else None

    async def content(self, entry_id: str) -> Content:
        """What is published under that id."""
        newest = next(r for r in await self.curation.history(entry_id) if r.state == "published")
        found = await self.curation.content(newest.id)
        assert found is not None
        return found

    async def publishes(self, entry_id: str, content: Content) -> Published:
        drafted = await self.curation.draft(None, entry_id, content)
        assert isinstance(drafted, Drafted), drafted
        published = await self.curation.publish(None, drafted.revision.id)
        assert isinstance(published, Published), published
        return published


@asynccontextmanager
async def replica(
    db: Database, clock: Clock, name: str = "one", fitter: Fitter | None = fit_here
) -> AsyncIterator[Replica]:
    """One replica that has taken up what is published."""
    background = Background()
    heads = Heads(db, clock, name, fitter)
    live = Live(db, clock, ZONE, heads, background)
    curation = Curation(db, clock, live, lambda: QUESTIONS)
    try:
        await live.look()
        yield Replica(live, curation, heads, background)
    finally:
        await background.close()


async def ship(db: Database, clock: Clock, folder: Path, rewrite: Callable[[str], str] = str) -> Merged | None:
    """Put a file of two entries in the folder, rewritten, and merge it as an upgrade does."""
    (folder / "cipo.yaml").write_text(rewrite(ENTRY), encoding="utf-8")
    return await merge_shipped(db, clock.now(), folder)


async def forget_knowledge(db: Database) -> None:
    """As right after the first migration."""
    async with db.write() as tx:
        await tx.execute(delete(EntryRevision))
        await tx.execute(delete(KnowledgeModel))
        await tx.execute(update(KnowledgeState).values(version=0, shipped=""))


def answering(content: Content, answer: str) -> Content:
    """The same text with another English answer."""
    return [{**version, "en": {**version["en"], "answer": answer}} for version in content]


def asking(content: Content, *phrasings: str) -> Content:
    """The same text with more English phrasings."""
    return [
        {**version, "en": {**version["en"], "phrasings": [*version["en"]["phrasings"], *phrasings]}}
        for version in content
    ]


def without(entry_id: str) -> Callable[[str], str]:
    """A rewriting that takes an entry out of the file."""
    return lambda text: re.sub(rf"(?ms)^- id: {entry_id}$.*?(?=^- id: |\Z)", "", text)
