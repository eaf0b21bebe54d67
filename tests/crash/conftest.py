"""Servers to be killed, on SQLite: each starts from a copy of one prepared data folder."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.settings import Settings
from handlers.sample import SampleData
from run_bot import build_core
from tests.conftest import MovableClock
from tests.e2e.server import Server


@pytest.fixture
async def server(sqlite_template: Path, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Server]:
    """Not yet started, on a database with the sample data, at the start of the tests' time."""
    server = Server(tmp_path)
    shutil.copy(sqlite_template, tmp_path / "cipo.db")
    await load_samples(Settings(_env_file=None, data_dir=tmp_path), clock)
    server.set_clock()
    yield server
    await server.killed_at_last()


async def load_samples(settings: Settings, clock: MovableClock) -> None:
    core = build_core(settings, clock)
    await core.services.sample.load()
    await core.close()
