"""Brings an empty database to the present schema, as `run_bot.py migrate` does."""

import asyncio
import importlib

from bot.storage import Base, Database

ROOMS = [
    "bot.people.models",
    "bot.outbox.models",
    "bot.channels.webchat.models",
    "scheduler.events.models",
    "scheduler.reminders.models",
    "scheduler.appointments.models",
    "bot.inbox",
    "bot.desk.models",
    "knowledge.models",
    "bot.channels.state",
]


def create_schema(url: str) -> None:
    for room in ROOMS:
        try:
            importlib.import_module(room)
        except ModuleNotFoundError as error:
            if error.name != room and not room.startswith(str(error.name)):
                raise

    async def create() -> None:
        db = Database(url)
        async with db.writer.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await db.close()

    asyncio.run(create())
