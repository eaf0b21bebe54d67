"""When reminders of something that has a start are due. Pure: for appointments and events alike."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

USEFUL_UNTIL = timedelta(minutes=5)
"""Later than this before the start a reminder helps nobody."""


class Planned(NamedTuple):
    """One reminder, `minutes` before the start; `due_at` and `expires_at` are instants in UTC."""

    minutes: int
    due_at: datetime
    expires_at: datetime


def plan(
    start: datetime,
    offsets: Iterable[int],
    now: datetime,
    expires_before: timedelta = USEFUL_UNTIL,
) -> list[Planned]:
    """The reminders still to come, first due first.

    `offsets` are elapsed minutes before `start`, not wall-clock ones: a day is 1440 even when
    clocks change. Those already past are left out, so nobody is reminded the moment they register.
    A reminder may be sent late, up to `expires_before` the start; one that is itself that close, up
    to half of its own lead.
    """
    leads = [timedelta(minutes=minutes) for minutes in sorted(set(offsets), reverse=True)]
    planned = (
        Planned(lead // timedelta(minutes=1), start - lead, start - min(expires_before, lead / 2)) for lead in leads
    )
    return [reminder for reminder in planned if reminder.due_at > now]
