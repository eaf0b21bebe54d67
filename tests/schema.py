"""Brings an empty database to the present schema and knowledge, as `run_bot.py migrate` does."""

import asyncio
import fcntl
import hashlib
import importlib
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import insert

from bot.storage import Database
from bot.storage.migrate import migrate
from knowledge import engine, library, regression
from knowledge.engine import Engine, Head, fit_head
from knowledge.heads import content_key
from knowledge.library import Library
from knowledge.models import KnowledgeModel
from knowledge.shipped import merge_shipped

INSTALLED = datetime(2026, 11, 20, tzinfo=UTC)
FITTED_KEPT = 4
FITTED = Path(__file__).parents[1] / ".pytest_cache" / "heads"

EVERY = 3
"""Of the regression questions one in so many."""

TABLES = [
    "bot.channels.conversation",
    "bot.channels.webchat.models",
    "bot.desk.models",
    "bot.inbox",
    "bot.outbox.models",
    "bot.people.models",
    "knowledge.models",
    "scheduler.appointments.models",
    "scheduler.events.models",
    "scheduler.reminders.models",
]


def import_tables() -> None:
    """Make the code's description of the schema whole, whichever tests run."""
    for module in TABLES:
        importlib.import_module(module)


def create_bare_schema(url: str) -> None:
    """Without the knowledge."""
    asyncio.run(_create(url, migrate))


def create_schema(url: str) -> None:
    """With the knowledge, and the head fitted to it."""
    asyncio.run(_create(url, migrate, merge_installed, store_head))


async def _create(url: str, *steps: Callable[[Database], Awaitable[object]]) -> None:
    db = Database(url)
    for step in steps:
        await step(db)
    await db.close()


async def merge_installed(db: Database) -> None:
    await merge_shipped(db, INSTALLED)


SMALL = ("cipo", "events_training", "appointments", "bot_privacy", "patents", library.SMALL_TALK)
"""Categories of the small knowledge base: what conversations of the tests are about."""


def small_knowledge(folder: Path) -> Path:
    """Write a knowledge base of a few categories: entries as shipped but for what points elsewhere, some questions."""
    (folder / "entries").mkdir()
    shipped = {category: _read(library.SHIPPED / f"{category}.yaml") for category in SMALL}
    ids = {entry["id"] for entries in shipped.values() for entry in entries}
    for category, entries in shipped.items():
        for entry in entries:
            entry["related"] = [other for other in entry["related"] if other in ids]
        _write(folder / "entries" / f"{category}.yaml", entries)
    shutil.copy(library.SHIPPED.parent / "glossary.csv", folder)
    asked = [case for case in _read(regression.SET) if case["entry"] in ids or case["entry"] is None]
    _write(folder / "regression.yaml", asked[::EVERY])
    return folder


def _read(file: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return listed


def _write(file: Path, content: list[dict[str, Any]]) -> None:
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


async def store_head(db: Database) -> None:
    """The head that a running machine would have fitted to the shipped entries by now."""
    key, head = fitted_once(library.load(), date(2026, 11, 20))
    row = {"key": key, "lease_until": 0.0, "failures": 0, "head_id": head.id, "head": head.to_bytes()}
    async with db.write() as tx:
        await tx.execute(insert(KnowledgeModel).values(**row, stored_at=INSTALLED))


def fitted_once(base: Library, day: date) -> tuple[str, Head]:
    """The head of a knowledge base, and its key; fitted again only when the entries or the engine changed.

    Workers of one run wait for the first.
    """
    documents, synonyms = base.documents(day), base.synonyms()
    key = content_key(documents, synonyms)
    code = b"".join(file.read_bytes() for file in sorted(Path(engine.__file__).parent.glob("*.py")))
    file = FITTED / hashlib.sha256(key.encode() + code).hexdigest()[:32]
    FITTED.mkdir(parents=True, exist_ok=True)
    with (FITTED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            older = sorted(FITTED.glob("[0-9a-f]*"), key=lambda each: each.stat().st_mtime)
            for each in older[:-FITTED_KEPT]:
                each.unlink()
            file.write_bytes(fit_head(documents, synonyms).to_bytes())
    return key, Head.from_bytes(file.read_bytes())


def engine_of(base: Library, day: date) -> Engine:
    """The engine that a running machine would answer from by now."""
    _, head = fitted_once(base, day)
    return Engine(base.documents(day), base.synonyms(), head)
