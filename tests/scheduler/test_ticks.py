"""The clock: ticks run, never raise, and end before the machine does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from bot.background import InFlight
from scheduler.ticks import Tick, Ticks


async def nothing() -> None:
    pass


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(ticks: Sequence[Tick], in_flight: InFlight | None = None) -> AsyncIterator[Ticks]:
    clockwork = Ticks(ticks, in_flight or InFlight())
    clockwork.start()
    try:
        yield clockwork
    finally:
        await clockwork.shutdown()


class Counted:
    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1


class Held:
    """Work that ends when told to."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.let_go = asyncio.Event()
        self.runs = 0
        self.ended = 0

    async def __call__(self) -> None:
        self.runs += 1
        self.started.set()
        await self.let_go.wait()
        self.ended += 1


async def test_a_tick_runs_again_and_again() -> None:
    work = Counted()
    async with running([Tick("work", work, seconds=0.01)]):
        await until(lambda: work.runs >= 3)


async def test_a_daily_tick_can_also_run_at_the_start() -> None:
    daily, other = Counted(), Counted()
    ticks = [
        Tick("daily", daily, cron="0 3 * * *", at_start=True),
        Tick("other", other, cron="0 3 * * *"),
    ]
    async with running(ticks):
        await until(lambda: daily.runs == 1)
        assert other.runs == 0


async def test_a_failing_tick_is_logged_and_runs_again() -> None:
    runs = 0

    async def fails() -> None:
        nonlocal runs
        runs += 1
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with running([Tick("fails", fails, seconds=0.01)]):
            await until(lambda: runs >= 2)
    assert logs[0]["event"] == "tick failed"
    assert logs[0]["tick"] == "fails"


async def test_a_tick_that_still_runs_is_not_started_again() -> None:
    slow, beside = Held(), Counted()
    ticks = [Tick("slow", slow, seconds=0.01), Tick("beside", beside, seconds=0.01)]
    async with running(ticks):
        await until(lambda: beside.runs >= 5)
        assert slow.runs == 1
        slow.let_go.set()
        await until(lambda: slow.runs >= 2)


async def test_a_running_tick_counts_as_in_flight() -> None:
    work, in_flight = Held(), InFlight()
    async with running([Tick("work", work, seconds=60, at_start=True)], in_flight):
        await work.started.wait()
        assert not await in_flight.drained(0.01)
        work.let_go.set()
        assert await in_flight.drained(5)


async def test_after_a_pause_no_tick_starts() -> None:
    work = Counted()
    async with running([Tick("work", work, seconds=0.01)]) as ticks:
        await until(lambda: work.runs >= 1)
        ticks.pause()
        seen = work.runs
        await asyncio.sleep(0.05)
        assert work.runs <= seen + 1  # one may have been on its way


async def test_shutting_down_waits_for_what_runs() -> None:
    work = Held()
    async with running([Tick("work", work, seconds=60, at_start=True)]) as ticks:
        await work.started.wait()
        ending = asyncio.gather(ticks.shutdown())
        await asyncio.sleep(0)
        assert not ending.done()
        work.let_go.set()
        await ending
    assert work.ended == 1


async def test_shutting_down_gives_up_what_does_not_end() -> None:
    work = Held()
    async with running([Tick("work", work, seconds=60, at_start=True)]) as ticks:
        await work.started.wait()
        await ticks.shutdown(seconds=0.01)
    assert work.ended == 0


async def test_shutting_down_twice_or_before_the_start_is_harmless() -> None:
    ticks = Ticks([Tick("work", nothing, seconds=1)], InFlight())
    ticks.pause()
    await ticks.shutdown()
    ticks.start()
    await ticks.shutdown()
    await ticks.shutdown()


def test_a_tick_needs_one_rhythm_and_a_name_of_its_own() -> None:
    with pytest.raises(ValueError, match="either seconds or cron"):
        Tick("neither", nothing)
    with pytest.raises(ValueError, match="either seconds or cron"):
        Tick("both", nothing, seconds=1, cron="* * * * *")
    with pytest.raises(ValueError, match="share a name"):
        Ticks([Tick("twin", nothing, seconds=1)] * 2, InFlight())
