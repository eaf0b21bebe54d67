"""`chat` is the whole machine on a fresh database (both of them), with nobody in it; `town` has the sample data too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.settings import Settings
from tests.conftest import MovableClock
from tests.machine import Machine, machine


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, database_url=database_url)


@pytest.fixture
async def chat(settings: Settings, clock: MovableClock) -> AsyncIterator[Machine]:
    async with machine(settings, clock) as made:
        yield made


@pytest.fixture
async def town(chat: Machine) -> Machine:
    await chat.core.services.sample.load()
    return chat
