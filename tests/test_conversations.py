"""Every transcript of tests/conversations, on both databases, in the process."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.settings import Settings
from tests.conftest import MovableClock
from tests.machine import Machine, machine
from tests.transcripts import Play, Stage, Talker, transcripts


def in_process(town: Machine, clock: MovableClock) -> Stage:
    async def enter(name: str, locale: str) -> Talker:
        return await town.visitor(locale, name)

    async def appoint(name: str, role: str) -> Talker:
        return await town.staff(role)

    async def advance(by: timedelta) -> None:
        clock.advance(by)
        await town.settled()

    return Stage(enter, appoint, advance)


@pytest.mark.parametrize("transcript", transcripts(), ids=lambda path: path.stem)
async def test_a_conversation_goes_as_written(
    transcript: Path, database_url: str, tmp_path: Path, clock: MovableClock
) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=database_url)
    async with machine(settings, clock) as town:
        await town.core.services.sample.load()
        await Play(in_process(town, clock)).run(transcript)
