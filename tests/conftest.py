"""Fixtures of the whole suite: every test that asks for `db` runs on SQLite and on PostgreSQL."""

import os
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.storage import Database, database
from knowledge import library, regression
from tests.e2e.nursery import Nursery
from tests.postgres import Postgres
from tests.schema import create_bare_schema, create_schema, small_knowledge

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


class Compiled(dict[Any, Any]):
    """Statements compiled for one kind of database, whichever engine was first: SQLAlchemy's keys begin with that."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key[1:], value)


@pytest.fixture(scope="session", autouse=True)
def statements_are_compiled_once() -> Iterator[None]:
    """Every test makes engines of its own, which would take a good part of its time to compile what others have."""
    compiled: dict[str, Compiled] = defaultdict(Compiled)

    def create(url: URL, **options: Any) -> AsyncEngine:
        kept = {"compiled_cache": compiled[url.drivername]}
        return create_async_engine(url, **options, execution_options=kept)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "create_async_engine", create)
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
    create_bare_schema(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where servers that run as processes of their own are started."""
    with Nursery() as started:
        yield started


ASK_NOTHING = ("channels", "outbox", "scheduler")
"""Folders whose tests ask no question: databases without the knowledge are copied in a fraction of the time."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh database with the whole schema and, where questions are asked, the knowledge."""
    bare = request.path.parent.name in ASK_NOTHING
    if request.param == "sqlite":
        template = request.getfixturevalue("bare_sqlite_template" if bare else "sqlite_template")
        shutil.copy(template, path := tmp_path / "test.db")
        return f"sqlite:///{path}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh("bare", create_bare_schema) if bare else server.fresh("whole", create_schema)


QUICK_ON_SQLITE = ("botapi", "channels", "chat", "knowledge", "test_languages.py")
"""Folders and files whose tests take SQLite alone in the quick run, and PostgreSQL in the long one. Where the two
differ most, in what locks, races and is owed, the quick run takes both, as for conversations in the web chat."""


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
