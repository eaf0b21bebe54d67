from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiogram import Bot

from tests.botapi import BotApi, running_bot_api
from tests.conftest import MovableClock


@pytest.fixture
async def api(tmp_path: Path, clock: MovableClock) -> AsyncIterator[BotApi]:
    async with running_bot_api(tmp_path, clock) as api:
        yield api


@pytest.fixture
async def bot(api: BotApi) -> AsyncIterator[Bot]:
    bot = Bot(api.token, session=api.session())
    yield bot
    await bot.session.close()
