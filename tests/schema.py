"""Brings an empty database to the present schema and knowledge, as `run_bot.py migrate` does."""

import asyncio
import importlib
from datetime import UTC, datetime

from bot.storage import Database
from bot.storage.migrate import migrate
from knowledge.shipped import merge_shipped

INSTALLED = datetime(2026, 11, 20, tzinfo=UTC)

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


def create_schema(url: str) -> None:
    async def create() -> None:
        db = Database(url)
        await migrate(db)
        await merge_shipped(db, INSTALLED)
        await db.close()

    asyncio.run(create())
