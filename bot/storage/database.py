"""Engines and transactions; what the operator wrote for an address, and what opening it says.

SQLite: WAL, foreign keys, one writer connection that begins with BEGIN IMMEDIATE (writers queue in the process
instead of polling a lock), readers that cannot write. PostgreSQL: one pool for both.
"""

import os
import sqlite3
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Dialect, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bot.settings import OperatorError
from bot.storage.types import Base

Tx = AsyncConnection
"""A transaction as use cases see it."""

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
KNOWN: Final = ("host", "port", "sslmode", "sslrootcert")
"""What may stand behind the question mark of a PostgreSQL address."""
UNCHECKED: Final = ("disable", "allow", "prefer", "require")
CHECKED: Final = ("verify-ca", "verify-full")


BUSY_MS: Final = 30_000

ANOTHER: Final = "name another one with CIPO_DATA_DIR or CIPO_DATABASE_URL"
MENDS: Final = (
    ("is full", "make room on the disk"),
    ("readonly", "see that its file and folder can be written here"),
    ("locked", "stop what else is using it"),
    ("unable to open", f"see that its folder can be written here, or {ANOTHER}"),
)
"""What SQLite says, and what to do."""


class Database:
    """`read()` and `write()` each give one transaction; `write()` commits at the end of the block, or rolls back.

    OperatorError for an address that cannot be one.
    """

    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        self.url = parsed.set(drivername=DRIVERS[parsed.get_backend_name()])
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_folder(Path(self.url.database or "").parent)
            self.writer = self._sqlite_engine("BEGIN IMMEDIATE", size=1)
            self.reader = self._sqlite_engine("BEGIN", size=4, read_only=True)
        else:
            tls = secured(dict(self.url.query))
            self.writer = self.reader = create_async_engine(
                self.url.difference_update_query(["sslmode", "sslrootcert"]),
                connect_args={} if tls is None else {"ssl": tls},
                pool_size=10,
                max_overflow=10,
                pool_timeout=90,
                pool_pre_ping=True,
                hide_parameters=True,
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

        @event.listens_for(engine.sync_engine, "do_connect")
        def opens(*_: Any) -> None:
            _keep_to_its_owner(self.url.database or "")

        @event.listens_for(engine.sync_engine, "connect")
        def opened(dbapi: Any, _: Any) -> None:
            dbapi.isolation_level = None  # we begin transactions ourselves, see below
            cursor = dbapi.cursor()
            pragmas = ["journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"]
            pragmas.append("secure_delete=ON")  # what is erased is overwritten, whatever this build's default is
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

    async def empty_log(self) -> bool:
        """Bring SQLite's write-ahead log to nothing, as deleted text stays in it until it is overwritten.

        Best effort, and never an error: False when readers or writers were in the way. True on PostgreSQL.
        """
        if not self.is_sqlite:
            return True
        try:
            async with self.writer.connect() as connection:
                # past SQLAlchemy, as it would begin a transaction, in which there is no checkpoint
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.execute("PRAGMA busy_timeout=200")  # writers wait for us meanwhile
                try:
                    rows = await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    await driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        except (SQLAlchemyError, sqlite3.Error):
            return False
        return not next(iter(rows))[0]

    @property
    def dialect(self) -> Dialect:
        return self.writer.dialect

    @property
    def address(self) -> str:
        """For people: without the driver and the password."""
        return self.url.set(drivername=self.url.get_backend_name(), query={}).render_as_string(hide_password=True)

    async def open(self) -> None:
        """See that it can be used; OperatorError with the reason and the mend."""
        try:
            async with self.read() as tx:
                await tx.execute(text("SELECT count(*) FROM sqlite_master" if self.is_sqlite else "SELECT 1"))
        except Exception as error:  # drivers raise whatever they like: TypeError, TimeoutError, errors of their own
            raise OperatorError(self.cannot_be_used(error)) from error

    def cannot_be_used(self, error: Exception) -> str:
        """The one line for the operator: reason and mend."""
        cause = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
        reason = (str(cause).splitlines() or [""])[0] or type(cause).__name__
        if self.url.password:
            reason = reason.replace(str(self.url.password), "***")
        if self.is_sqlite:
            mend = next((mend for told, mend in MENDS if told in reason), "put a backup in its place, or " + ANOTHER)
            return f"{self.url.database}: cannot be used as a database ({reason}); {mend}"
        return f"CIPO_DATABASE_URL: {self.address} cannot be used ({reason}); see that it runs, or mend the address"

    async def close(self) -> None:
        await self.writer.dispose()
        if self.reader is not self.writer:
            await self.reader.dispose()


def insert_into(on: Database | Tx, table: type[Base]) -> sqlite.Insert:
    """An INSERT that can say ON CONFLICT, which both dialects spell alike."""
    if on.dialect.name == "sqlite":
        return sqlite.insert(table)
    return cast(sqlite.Insert, postgresql.insert(table))


def _parsed(url: str) -> URL:
    """OperatorError without the address itself, as a slip may have put the password anywhere in it."""
    wrong = "CIPO_DATABASE_URL: is no address of a database; write postgresql://user:password@host:5432/name"
    hint = "special characters of the password as %XX"
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        raise OperatorError(f"{wrong}, with {hint}") from None
    if parsed.get_backend_name() not in DRIVERS or "@" in (parsed.host or ""):
        raise OperatorError(f"{wrong}, with {hint}")
    if parsed.port is not None and not 0 < parsed.port < 2**16:
        raise OperatorError(f"CIPO_DATABASE_URL: {parsed.port} is no port; PostgreSQL's own is 5432")
    return parsed


def secured(query: dict[str, Any]) -> ssl.SSLContext | str | None:
    """What asyncpg takes for `sslmode`, by which others name it; None leaves the choice to it."""
    if unknown := sorted(query.keys() - set(KNOWN)):
        known = ", ".join(KNOWN)
        raise OperatorError(f"CIPO_DATABASE_URL: '{unknown[0]}' is not known; leave it out, or use one of {known}")
    mode, root = query.get("sslmode"), query.get("sslrootcert")
    if mode not in (None, *UNCHECKED, *CHECKED):
        raise OperatorError(f"CIPO_DATABASE_URL: sslmode must be one of {', '.join((*UNCHECKED, *CHECKED))}")
    if mode not in CHECKED:
        return cast("str | None", mode)
    try:
        # asyncpg's own reading wants a file of root certificates; those of the system serve as well
        context = ssl.create_default_context(cafile=None if root in (None, "system") else str(root))
    except OSError as error:
        raise OperatorError(f"CIPO_DATABASE_URL: sslrootcert {root} cannot be read ({error.strerror})") from None
    context.check_hostname = mode == "verify-full"
    return context


def _keep_to_its_owner(path: str) -> None:
    """Others on the machine read no chats: SQLite gives its log the mode of the main file. Quiet where it fails."""
    if path in ("", ":memory:"):
        return
    # only a new file is opened: closing one that is in use here would drop the locks SQLite holds on it
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for file in (Path(path), Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            found = file.stat()
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077 and found.st_uid == os.geteuid():
                file.chmod(0o600)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OperatorError(f"CIPO_DATA_DIR: {folder} is or lies in a file; name a folder") from None
    except OSError as error:
        raise OperatorError(f"CIPO_DATA_DIR: {folder} cannot be made ({error.strerror}); name another folder") from None
