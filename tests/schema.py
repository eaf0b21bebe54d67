"""Brings an empty database to the present schema and knowledge, as `run_bot.py migrate` does."""

import asyncio
import fcntl
import hashlib
import importlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import insert

from bot.storage import Database
from bot.storage.migrate import migrate
from knowledge import engine, library
from knowledge.engine import Head, fit_head
from knowledge.heads import content_key
from knowledge.models import KnowledgeModel
from knowledge.shipped import merge_shipped

INSTALLED = datetime(2026, 11, 20, tzinfo=UTC)
FITTED = Path(__file__).parents[1] / ".pytest_cache" / "heads"

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


def create_schema(url: str, with_knowledge: bool = True) -> None:
    async def create() -> None:
        db = Database(url)
        await migrate(db)
        if with_knowledge:
            await merge_shipped(db, INSTALLED)
            await store_head(db)
        await db.close()

    asyncio.run(create())


async def store_head(db: Database) -> None:
    """The head that a running machine would have fitted to the shipped entries by now."""
    shipped = library.load()
    documents, synonyms = shipped.documents(date(2026, 11, 20)), shipped.synonyms()
    key = content_key(documents, synonyms)
    data = fitted_once(key, lambda: fit_head(documents, synonyms).to_bytes())
    row = {"key": key, "lease_until": 0.0, "failures": 0, "head_id": Head.from_bytes(data).id, "head": data}
    async with db.write() as tx:
        await tx.execute(insert(KnowledgeModel).values(**row, stored_at=INSTALLED))


def fitted_once(key: str, fit: Callable[[], bytes]) -> bytes:
    """Fitted again only when the entries or the engine changed; workers of one run wait for the first."""
    code = b"".join(file.read_bytes() for file in sorted(Path(engine.__file__).parent.glob("*.py")))
    file = FITTED / hashlib.sha256(key.encode() + code).hexdigest()[:32]
    FITTED.mkdir(parents=True, exist_ok=True)
    with (FITTED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            for older in FITTED.glob("[0-9a-f]*"):
                older.unlink()
            file.write_bytes(fit())
        return file.read_bytes()
