"""Fixtures of the whole suite: every test that asks for `db` runs on SQLite and on PostgreSQL."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from bot.storage import Database
from knowledge import library, regression
from tests.e2e.nursery import Nursery
from tests.postgres import Postgres
from tests.schema import create_schema, small_knowledge

# how long an example takes says more about the machine's neighbours than about the code
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""A Monday, 10:00 in Hong Kong."""


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by

    def set(self, now: datetime) -> None:
        self._now = now


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests mean the defaults, whatever is set where they run."""
    for name in [name for name in os.environ if name.startswith("CIPO_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def knowledge_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What ships in the eyes of most tests: a part, answered from and weighed in a fraction of the time.

    Those about the shipped texts themselves name `SHIPPED`.
    """
    folder = small_knowledge(tmp_path_factory.mktemp("knowledge"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "SHIPPED", folder / "entries")
        patch.setattr(regression, "SET", folder / "regression.yaml")
        patch.setenv("TEST_KNOWLEDGE", str(folder))  # for the processes that the nursery bears
        regression.cases.cache_clear()
        yield


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres().start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    create_schema(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def bare_sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "bare.db"
    create_schema(f"sqlite:///{path}", with_knowledge=False)
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    _administer(postgres, "CREATE DATABASE template_cipo")
    create_schema(postgres.url("template_cipo"))
    return "template_cipo"


@pytest.fixture(scope="session")
def bare_postgres_template(postgres: Postgres) -> str:
    _administer(postgres, "CREATE DATABASE template_bare")
    create_schema(postgres.url("template_bare"), with_knowledge=False)
    return "template_bare"


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where servers that run as processes of their own are started."""
    with Nursery() as started:
        yield started


_databases = count()

ASK_NOTHING = ("channels", "outbox", "scheduler")
"""Folders whose tests ask no question: databases without the knowledge are copied in a fraction of the time."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh database with the whole schema and, where questions are asked, the knowledge."""
    bare = "bare_" if request.path.parent.name in ASK_NOTHING else ""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue(f"{bare}sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue(f"{bare}postgres_template")
    name = f"test_{next(_databases)}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url(name)
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


QUICK_ON_SQLITE = ("botapi", "channels", "chat", "knowledge", "test_languages.py")
"""Folders and files whose tests take SQLite alone in the quick run, and PostgreSQL in the long one. Where the two differ most, in
what locks, races and is owed, the quick run takes both, as it does for conversations in the web chat."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or callspec.params.get("database_url") != "postgresql":
            continue
        if {item.path.name, item.path.parent.name} & {*QUICK_ON_SQLITE} or "in_telegram" in item.name:
            item.add_marker(pytest.mark.soak)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


def _administer(server: Postgres, statement: str) -> None:
    import asyncio

    async def run() -> None:
        import asyncpg

        connection = await asyncpg.connect(server.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
