"""The one source of "now" for the business; handed in at build, so that tests can move it."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant: aware, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def day_in(zone: str, clock: Clock) -> date:
    """Which day it is there."""
    return clock.now().astimezone(ZoneInfo(zone)).date()
