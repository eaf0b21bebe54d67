"""Engines and transactions.

SQLite: WAL, foreign keys, one writer connection that begins with BEGIN IMMEDIATE (writers queue in the process
instead of polling a lock), readers that cannot write. PostgreSQL: one pool for both.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bot.settings import OperatorError
from bot.storage.types import Base

Tx = AsyncConnection
"""A transaction as use cases see it."""

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Database:
    """`read()` and `write()` each give one transaction; `write()` commits at the end of the block, or rolls back."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.url = parsed.set(drivername=DRIVERS[parsed.get_backend_name()])
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_folder(Path(self.url.database or "").parent)
            self.writer = self._sqlite_engine("BEGIN IMMEDIATE", size=1)
            self.reader = self._sqlite_engine("BEGIN", size=4, read_only=True)
        else:
            self.writer = self.reader = create_async_engine(
                self.url, pool_size=10, max_overflow=10, pool_timeout=90, pool_pre_ping=True, hide_parameters=True
            )

    def _sqlite_engine(self, begin: str, size: int, read_only: bool = False) -> AsyncEngine:
        # parameters hold what people typed, and errors end up in logs
        engine = create_async_engine(
            self.url,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=90,
            hide_parameters=True,
        )

        @event.listens_for(engine.sync_engine, "connect")
        def opened(dbapi: Any, _: Any) -> None:
            dbapi.isolation_level = None  # we begin transactions ourselves, see below
            cursor = dbapi.cursor()
            pragmas = ["journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"]
            for pragma in pragmas + ["query_only=ON"] * read_only:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        async with self.reader.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        async with self.writer.connect() as connection, connection.begin():
            yield connection

    def insert(self, table: type[Base]) -> sqlite.Insert:
        """An INSERT that can say ON CONFLICT, which both dialects spell alike."""
        if self.is_sqlite:
            return sqlite.insert(table)
        return cast(sqlite.Insert, postgresql.insert(table))

    async def ping(self) -> None:
        async with self.read() as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.writer.dispose()
        if self.reader is not self.writer:
            await self.reader.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"CIPO_DATA_DIR: {folder} cannot be made ({error.strerror}); name another folder") from None
