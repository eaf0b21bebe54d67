"""Servers to be killed, on a database that is ready and has the sample data."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.settings import Settings
from run_bot import build_core
from tests.botapi import BotApi, running_bot_api
from tests.conftest import MovableClock
from tests.e2e.nursery import Nursery
from tests.e2e.runner import INBOX_LEASE, OUTBOX_LEASE, POLL
from tests.e2e.server import Server

SHORT_LEASES = {INBOX_LEASE: "2", OUTBOX_LEASE: "2"}


@pytest.fixture
async def server(sqlite_template: Path, tmp_path: Path, nursery: Nursery) -> AsyncIterator[Server]:
    """Not yet started, on SQLite, at the start of the tests' time."""
    shutil.copy(sqlite_template, tmp_path / "cipo.db")
    await load_samples(Settings(_env_file=None, data_dir=tmp_path))
    server = Server(tmp_path, nursery, **SHORT_LEASES)
    server.set_clock()
    yield server
    await server.killed_at_last()


@pytest.fixture
async def replicas(database_url: str, tmp_path: Path, nursery: Nursery) -> AsyncIterator[list[Server]]:
    """Two, not yet started, on one database."""
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=database_url)
    await load_samples(settings)
    common = {**SHORT_LEASES, "CIPO_DATABASE_URL": database_url, "CIPO_SECRET_KEY": settings.signing_key()}
    servers = [Server(tmp_path / name, nursery, **common) for name in ("one", "two")]
    for each in servers:
        each.set_clock()
    yield servers
    for each in servers:
        await each.killed_at_last()


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[BotApi]:
    async with running_bot_api(tmp_path) as api:
        yield api


@pytest.fixture
async def telegram_replicas(
    database_url: str, telegram: BotApi, tmp_path: Path, nursery: Nursery
) -> AsyncIterator[list[Server]]:
    """Two, not yet started, on one database and one token, without sample data."""
    common = {
        **SHORT_LEASES,
        POLL: "1",
        "CIPO_DATABASE_URL": database_url,
        "CIPO_TELEGRAM_TOKEN": telegram.token,
        "CIPO_TELEGRAM_API_URL": telegram.url,
    }
    servers = [Server(tmp_path / name, nursery, **common) for name in ("one", "two")]
    yield servers
    for each in servers:
        await each.killed_at_last()


async def load_samples(settings: Settings) -> None:
    core = build_core(settings, MovableClock())
    await core.services.sample.load()
    await core.close()
