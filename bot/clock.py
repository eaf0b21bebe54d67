"""The one source of "now" for the business, handed in at build, so that tests can move it; the zones there are."""

from datetime import UTC, date, datetime
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones


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


@cache
def known_zones() -> frozenset[str]:
    """Every IANA name of a place or of UTC; read from the disk once, which takes longer than most of what asks.

    Without the two that name no zone, at which showing a time would fail.
    """
    return frozenset(available_timezones() - {"Factory", "localtime"})
