"""Transactions and the UTC type, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, StatementError

from bot.clock import SystemClock
from bot.people.models import Contact
from bot.people.privacy import Privacy, Shown
from bot.storage import Database, Tx, database_epoch

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def a_contact(db: Database, created_at: datetime = NOON) -> int:
    async with db.write() as tx:
        values = {"created_at": created_at, "locale": "en", "zone": "UTC"}
        return (await tx.execute(insert(Contact).values(values).returning(Contact.id))).scalar_one()


async def test_an_instant_comes_back_as_the_same_instant_in_utc(db: Database) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    contact = await a_contact(db, tokyo)
    async with db.read() as tx:
        read = (await tx.execute(select(Contact.created_at).where(Contact.id == contact))).scalar_one()
    assert read == NOON
    assert read.utcoffset() == timedelta(0)


async def test_a_naive_time_is_refused(db: Database) -> None:
    with pytest.raises(StatementError, match="an instant needs a zone"):
        await a_contact(db, datetime(2026, 11, 23, 12))


async def test_a_failing_block_leaves_nothing_behind(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.write() as tx:
            await tx.execute(insert(Contact).values(created_at=NOON, locale="en", zone="UTC"))
            raise ZeroDivisionError
    async with db.read() as tx:
        assert (await tx.execute(select(Contact.id))).all() == []


async def test_concurrent_writers_lose_no_update(db: Database) -> None:
    contact = await a_contact(db)

    async def bump() -> None:
        async with db.write() as tx:
            # the row is locked first, then read: the shape of every use case that counts
            await tx.execute(update(Contact).where(Contact.id == contact).values(zone="UTC"))
            name = (await tx.execute(select(Contact.name).where(Contact.id == contact))).scalar_one()
            await tx.execute(update(Contact).where(Contact.id == contact).values(name=str(int(name or 0) + 1)))

    await asyncio.gather(*(bump() for _ in range(50)))
    async with db.read() as tx:
        assert (await tx.execute(select(Contact.name).where(Contact.id == contact))).scalar_one() == "50"


async def test_a_cancelled_writer_leaves_no_lock(db: Database) -> None:
    started = asyncio.Event()

    async def never_ends() -> None:
        async with db.write() as tx:
            await tx.execute(insert(Contact).values(created_at=NOON, locale="en", zone="UTC"))
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(30):
        await a_contact(db)


async def test_a_reader_cannot_write_the_embedded_database(db: Database) -> None:
    if not db.is_sqlite:
        pytest.skip("PostgreSQL's pool is one for readers and writers")
    with pytest.raises(DBAPIError, match="readonly"):
        async with db.read() as tx:
            await tx.execute(text("DELETE FROM contact"))


async def test_the_databases_own_clock_counts_seconds_since_1970(db: Database) -> None:
    async with db.read() as tx:
        epoch = (await tx.execute(select(database_epoch()))).scalar_one()
    assert abs(epoch - datetime.now(UTC).timestamp()) < 60


async def test_deleted_text_is_in_no_file_once_the_log_is_emptied(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/cipo.db")
    try:
        async with db.write() as tx:
            await tx.execute(text("CREATE TABLE said (words TEXT)"))
            await tx.execute(text("INSERT INTO said VALUES ('a secret invention')"))
        async with db.write() as tx:
            await tx.execute(text("DELETE FROM said"))
        files = [tmp_path / "cipo.db", tmp_path / "cipo.db-wal"]
        assert any(b"a secret invention" in file.read_bytes() for file in files)
        assert await db.empty_log()
        assert not any(b"a secret invention" in file.read_bytes() for file in files)
        async with db.read() as tx:
            assert (await tx.execute(text("PRAGMA secure_delete"))).scalar_one() == 1
    finally:
        await db.close()


async def test_a_log_that_somebody_reads_stays_for_the_next_time(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/cipo.db")
    try:
        async with db.write() as tx:
            await tx.execute(text("CREATE TABLE said (words TEXT)"))
        async with db.read() as reader:
            await reader.execute(text("SELECT * FROM said"))
            async with db.write() as tx:
                await tx.execute(text("INSERT INTO said VALUES ('words')"))
            assert not await db.empty_log()
        assert await db.empty_log()
        async with db.writer.connect() as connection:
            assert (await connection.execute(text("PRAGMA busy_timeout"))).scalar_one() == 30_000
    finally:
        await db.close()


async def test_an_erasure_leaves_nothing_in_the_log(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/cipo.db")

    async def nothing(tx: Tx, shown: Shown) -> None: ...

    try:
        async with db.write() as tx:
            await tx.execute(text("CREATE TABLE said (words TEXT)"))
        assert (tmp_path / "cipo.db-wal").stat().st_size > 0
        await Privacy(db, SystemClock(), [], [], nothing).erase(1)
        assert (tmp_path / "cipo.db-wal").stat().st_size == 0
    finally:
        await db.close()
