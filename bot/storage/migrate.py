"""Brings a database to the present schema. Revisions are numbered files: 0001_first.py, 0002_..."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.settings import OperatorError
from bot.storage.database import Database, Tx

FOLDER = Path(__file__).parent / "migrations"


def newest_revision() -> str:
    return _revisions()[-1]


def _revisions() -> list[str]:
    return sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))


async def is_current(db: Database) -> bool:
    """Whether the database is at the newest revision; OperatorError when it is at one that is not known here."""
    async with db.read() as tx:
        return await tx.run_sync(_known_revision) == newest_revision()


def _known_revision(connection: Connection) -> str | None:
    found = _revision(connection)
    if found is not None and found not in _revisions():
        raise OperatorError(
            f"the database is of a newer version (schema {found}, here {newest_revision()}); "
            "start the version that wrote it, or put back a backup from before"
        )
    return found


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


async def migrate(db: Database) -> None:
    """Run what is missing, in one transaction; harmless when nothing is. OperatorError as `is_current`."""
    async with _without_foreign_keys(db) as tx:
        await tx.run_sync(_known_revision)
        await tx.run_sync(_upgrade)


@asynccontextmanager
async def _without_foreign_keys(db: Database) -> AsyncIterator[Tx]:
    """SQLite changes a table by making it anew, and to drop the old one must not take along what points to it."""
    async with db.writer.connect() as connection:
        await _enforce_foreign_keys(db, connection, False)
        try:
            async with connection.begin():
                yield connection
        finally:
            await _enforce_foreign_keys(db, connection, True)


async def _enforce_foreign_keys(db: Database, connection: AsyncConnection, on: bool) -> None:
    if db.is_sqlite:  # on the driver's connection, as within a transaction this changes nothing
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")


def _upgrade(connection: Connection) -> None:
    from alembic import command  # costs a third of a second, wanted by few

    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection, metadata: Any = None) -> Any:
    """Alembic's configuration for a connection; with `metadata` it can compare it with the database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config
