"""The clock of the machine: calls what is handed in every so often, in every replica.

Nothing durable hangs on a tick: what is due stands in the database, so a tick that comes late,
twice, or in two replicas at once does no harm, and none is made up for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot.background import InFlight

log = structlog.get_logger(__name__)

JOBS = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
"""A tick that is late runs once; one that still runs is not started again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Call `run` every `seconds` or as `cron` (five fields, UTC) says; `at_start` also at once."""

    name: str
    run: Callable[[], Awaitable[object]]
    seconds: float | None = None
    cron: str | None = None
    at_start: bool = False

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.cron is None):
            raise ValueError(f"tick {self.name!r} needs either seconds or cron")

    def trigger(self) -> BaseTrigger:
        if self.cron is not None:
            return CronTrigger.from_crontab(self.cron, timezone=UTC)
        return IntervalTrigger(seconds=self.seconds, timezone=UTC)


class Ticks:
    """Runs the ticks from `start` to `shutdown`; what they do counts as in flight."""

    def __init__(self, ticks: Sequence[Tick], in_flight: InFlight) -> None:
        self._ticks = {tick.name: tick for tick in ticks}
        if len(self._ticks) != len(ticks):
            raise ValueError("two ticks share a name")
        self._in_flight = in_flight
        self._running = InFlight()
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=JOBS)

    def start(self) -> None:
        # it reports every single run, and each time a tick still runs when the next is due
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        for tick in self._ticks.values():
            first = {"next_run_time": datetime.now(UTC)} if tick.at_start else {}
            self._scheduler.add_job(self.run, tick.trigger(), (tick.name,), id=tick.name, **first)
        self._scheduler.start()

    async def run(self, name: str) -> None:
        """Run a tick now. It never raises: an error could stop APScheduler's timer for good."""
        with self._in_flight.one(), self._running.one():
            try:
                await self._ticks[name].run()
            except Exception:
                log.exception("tick failed", tick=name)

    def pause(self) -> None:
        """Start no tick any more; those that run go on."""
        if self._scheduler.running:
            self._scheduler.pause()

    async def shutdown(self, seconds: float = 10.0) -> None:
        """Pause, wait up to `seconds` for what runs, then stop for good, cancelling the rest."""
        if not self._scheduler.running:
            return
        self.pause()
        await self._running.drained(seconds)
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # it stops in a callback of the loop
