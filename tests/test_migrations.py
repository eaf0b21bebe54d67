"""Migrations give the schema that the code describes."""

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from bot.storage import Base, Database
from bot.storage.migrate import is_current, migrate
from tests.schema import import_tables


async def test_a_migrated_database_has_every_table_as_the_code_describes_it(db: Database) -> None:
    import_tables()
    async with db.read() as tx:
        differences = await tx.run_sync(_differences)
    assert differences == []


def _differences(connection: Connection) -> list[Any]:
    return compare_metadata(MigrationContext.configure(connection), Base.metadata)


async def test_migrating_twice_changes_nothing(db: Database) -> None:
    assert await is_current(db)
    await migrate(db)
    assert await is_current(db)


async def test_an_empty_database_is_not_current(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert not await is_current(db)
    await db.close()


async def test_the_database_itself_refuses_overlapping_appointments(db: Database) -> None:
    async with db.read() as tx:
        if db.is_sqlite:
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
            found = (await tx.execute(text(triggers))).scalars().all()
            assert found == ["tr_appointment_no_overlap_insert", "tr_appointment_no_overlap_update"]
        else:
            exclusions = "SELECT conname FROM pg_constraint WHERE contype = 'x'"
            assert (await tx.execute(text(exclusions))).scalars().all() == ["ex_appointment_no_overlap"]
