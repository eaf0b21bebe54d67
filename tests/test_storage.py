"""Transactions and the UTC type, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, StatementError

from bot.people.models import Contact
from bot.storage import Database, database_epoch

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
