"""Migrations give the schema that the code describes."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from bot.storage import Base, Database
from bot.storage.migrate import alembic_config, is_current, migrate
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


async def test_no_id_is_given_twice(db: Database) -> None:
    """Keys against repeats, buttons under old messages and the audit are built on ids."""
    import_tables()
    numbered = {
        table.name
        for table in Base.metadata.tables.values()
        if table.autoincrement_column is not None and list(table.primary_key) == [table.autoincrement_column]
    }
    assert {"inbox", "outbox", "contact", "desk_question"} < numbered
    if db.is_sqlite:
        anew = "SELECT name FROM sqlite_master WHERE sql LIKE '%PRIMARY KEY AUTOINCREMENT%'"
        async with db.read() as tx:
            assert set((await tx.execute(text(anew))).scalars()) >= numbered


async def test_what_points_to_a_table_outlives_that_it_is_made_anew(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'older.db'}")
    await migrate_to(db, "0007")
    async with db.write() as tx:
        await tx.execute(
            text("INSERT INTO contact (id, locale, zone, created_at) VALUES (7, 'en', 'UTC', '2026-11-20')")
        )
        await tx.execute(text("INSERT INTO role (contact_id, role, granted_at) VALUES (7, 'admin', '2026-11-20')"))
    await migrate(db)
    async with db.write() as tx:
        assert (await tx.execute(text("SELECT role FROM role"))).scalars().all() == ["admin"]
        await tx.execute(text("DELETE FROM contact"))
        assert (await tx.execute(text("SELECT role FROM role"))).all() == []
        await tx.execute(text("INSERT INTO contact (locale, zone, created_at) VALUES ('en', 'UTC', '2026-11-20')"))
        assert (await tx.execute(text("SELECT id FROM contact"))).scalar_one() == 8
    await db.close()


async def migrate_to(db: Database, revision: str) -> None:
    """As an older version left it."""
    async with db.write() as tx:
        await tx.run_sync(lambda connection: command.upgrade(alembic_config(connection), revision))
