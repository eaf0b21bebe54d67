"""When an expert can be booked. Pure: no database, no clock, no settings; every instant is aware.

`free_starts` is the one function that decides. The list of slots, the check while booking and
`why_not` all stand on it, so what is listed can be booked and what was booked was listable.

The conventions:

- Windows are wall-clock minutes of the expert's zone. An edge of a window is the first instant at
  which the clock there shows its time or later: an edge inside the hour that is skipped in spring
  falls on the change itself, an edge inside the hour that comes twice in autumn is its first run.
- Windows that touch or overlap merge, over midnight too, and a slot lies wholly inside one merged
  window. Slots lie on a grid of `interval` from the start of the merged window; busy time, buffers,
  notice and limits then take slots away. Booking one slot never moves another.
- All intervals are half-open: [start, end).
- The slot with its buffers, [start - before, end + after), meets no busy time with its own buffers.
  The slot's buffers may stick out of the window.
- Limits count appointments by the local date of their start: per day, and per ISO week.
- An expert may move. Each zone holds from an instant on until the next one does, so that every
  instant has exactly one local date. A move ends what was open: no slot lies across it, and windows
  on its two sides do not merge. Before the first instant nothing is open.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from math import inf
from typing import TypeAlias
from zoneinfo import ZoneInfo

Minutes: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = EPOCH.toordinal()
NONE = timedelta()
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DAY_MINUTES = 1440
DAY_SECONDS = 86400


class Reason(StrEnum):
    """Why a start cannot be booked; where several hold, the first in this order is given.

    RETIRED is no matter of rules: whoever knows the experts says it when there is none to ask.
    """

    PAST = "past"
    NOTICE = "notice"
    BEYOND_WINDOW = "beyond_window"
    CLOSED_DAY = "closed_day"
    OUTSIDE_HOURS = "outside_hours"
    OFF_GRID = "off_grid"
    BUSY = "busy"
    BUFFER = "buffer"
    DAY_FULL = "day_full"
    WEEK_FULL = "week_full"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Rules:
    """What one expert offers for one service. Durations are whole seconds.

    zone_periods: (aware instant, IANA zone) in order of time; a zone holds from its instant on.
    weekly: weekday, 0 is Monday -> (start, end) in minutes since 00:00, end up to 1440 for 24:00.
    overrides: local date -> the windows that replace that date's weekly ones; none close the day.
    length, interval: of a slot, and from one start to the next.
    before, after: buffers of the new slot.
    notice: the earliest start is now + notice, and never less than a minute from now.
    window: the latest start is now + window; None sets no end.
    per_day, per_week: how many appointments the expert takes; None sets no limit.

    Raises ValueError for values that make no sense and ZoneInfoNotFoundError for unknown zones.
    """

    zone_periods: Sequence[tuple[datetime, str]]
    weekly: Mapping[int, Sequence[Minutes]]
    overrides: Mapping[date, Sequence[Minutes]] = field(default_factory=dict)
    length: timedelta = timedelta(minutes=30)
    interval: timedelta = timedelta(minutes=30)
    before: timedelta = NONE
    after: timedelta = NONE
    notice: timedelta = NONE
    window: timedelta | None = None
    per_day: int | None = None
    per_week: int | None = None

    def __post_init__(self) -> None:
        _require(bool(self.zone_periods), "an expert needs a zone")
        beginnings = [_epoch(since) for since, _ in self.zone_periods]
        _require(beginnings[0] >= 0, "zones are known from 1970 on")
        _require(all(a < b for a, b in pairwise(beginnings)), "zone periods are not in order")
        for _, zone in self.zone_periods:
            ZoneInfo(zone)
        _require(all(day in range(7) for day in self.weekly), "weekdays are 0 to 6")
        for windows in (*self.weekly.values(), *self.overrides.values()):
            valid = all(0 <= start < end <= DAY_MINUTES for start, end in windows)
            _require(valid, f"windows outside 00:00 to 24:00: {windows}")
        _require(min(self.length, self.interval) >= SECOND, "length and interval are positive")
        _require(min(self.before, self.after, self.notice) >= NONE, "a duration is negative")


@dataclass(frozen=True, slots=True)
class Busy:
    """Time of the expert that is taken.

    An appointment or a hold of our own brings its own buffers; a meeting from elsewhere has none.
    `counts` says that it is an appointment which counts towards the limits.
    """

    start: datetime
    end: datetime
    before: timedelta = NONE
    after: timedelta = NONE
    counts: bool = False

    def __post_init__(self) -> None:
        _require(self.start <= self.end, "busy time ends before it starts")


def free_starts(rules: Rules, busy: Iterable[Busy], now: datetime, since: datetime, until: datetime) -> list[datetime]:
    """The starts in [since, until) that can be booked at `now`: aware UTC, in order.

    `busy` may come in any order and must hold everything that meets `busy_span`; one's own hold,
    or the appointment that is being moved, is left out by the caller.
    Raises TypeError for naive instants.
    """
    taken = list(busy)
    earliest = max(_epoch_up(since), _epoch_up(_notice_ends(rules, now)))
    end = _epoch_up(until)
    if rules.window is not None:
        end = min(end, _epoch(now + rules.window) + 1)
    starts = list(_clear_starts(rules, _obstacles(taken), earliest, end))
    if starts and not (rules.per_day is None and rules.per_week is None):
        is_full = _limits(rules, taken)
        starts = [start for start in starts if is_full(start) is None]
    return [datetime.fromtimestamp(start, UTC) for start in starts]


def why_not(rules: Rules, busy: Iterable[Busy], now: datetime, start: datetime) -> Reason | None:
    """Why this start cannot be booked at `now`; None: it can. `busy` is as in `free_starts`."""
    taken = list(busy)
    if start in free_starts(rules, taken, now, start, start + SECOND):
        return None
    return (
        _reason_of_time(rules, now, start)
        or _reason_of_hours(rules, start)
        or _reason_of_busy(rules, taken, start)
        or _limits(rules, taken)(_epoch(start))
        or Reason.BUSY  # what the list refuses is never booked, even if no reason fits
    )


def busy_span(rules: Rules, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """What `free_starts` needs to know for starts in [since, until).

    Busy time meets it when, with its own buffers, it ends after the first and starts before the
    second instant. Whole local days or ISO weeks are included where the rules limit these.
    """
    first, last = _epoch(since), _epoch_up(until)
    reach = [(first - _seconds(rules.before), last + _seconds(rules.length + rules.after))]
    if rules.per_day is not None or rules.per_week is not None:
        days = 7 if rules.per_week is not None else 1
        reach += [_around(stay, moment, days) for stay, moment in _ends(rules, first, last)]
    return (
        datetime.fromtimestamp(min(start for start, _ in reach), UTC),
        datetime.fromtimestamp(max(end for _, end in reach), UTC),
    )


def local_date(rules: Rules, instant: datetime) -> date:
    """The date in the zone where the expert is at that instant."""
    moment = _epoch(instant)
    return _stay_at(_stays(rules), moment).date_of(moment)


# Zones: from the wall clock to instants


@dataclass(frozen=True, slots=True)
class _Stay:
    """The time an expert spends in one zone, in epoch seconds."""

    begins: int
    ends: float
    zone: ZoneInfo

    def date_of(self, moment: int) -> date:
        return datetime.fromtimestamp(moment, self.zone).date()

    def instant(self, day: date, minute: int) -> int:
        """The first instant at which the clock shows this minute of this day, or later."""
        wall = datetime(day.year, day.month, day.day, tzinfo=self.zone) + timedelta(minutes=minute)
        shown = (day.toordinal() - EPOCH_DAY) * DAY_SECONDS + minute * 60
        first, second = _offset(wall), _offset(wall.replace(fold=1))
        if second <= first:
            return shown - first
        return self._change_between(shown - second, shown - first)

    def _change_between(self, start: int, end: int) -> int:
        later = _offset(datetime.fromtimestamp(end, self.zone))
        return start + bisect_left(
            range(start, end), later, key=lambda t: _offset(datetime.fromtimestamp(t, self.zone))
        )


def _offset(wall: datetime) -> int:
    return _seconds(wall.utcoffset() or NONE)


def _stays(rules: Rules) -> list[_Stay]:
    begins = [_epoch(since) for since, _ in rules.zone_periods]
    zones = [ZoneInfo(name) for _, name in rules.zone_periods]
    return [_Stay(*stay) for stay in zip(begins, [*begins[1:], inf], zones, strict=True)]


def _stay_at(stays: Sequence[_Stay], moment: int) -> _Stay:
    return next((stay for stay in reversed(stays) if stay.begins <= moment), stays[0])


def _ends(rules: Rules, first: int, last: int) -> list[tuple[_Stay, int]]:
    stays = _stays(rules)
    moments = {first, last, *(stay.begins for stay in stays if first < stay.begins < last)}
    moments |= {moment - 1 for moment in moments}
    return [(_stay_at(stays, moment), moment) for moment in moments]


def _around(stay: _Stay, moment: int, days: int) -> Span:
    """The local day or week, and a day more at both ends in case the expert moves meanwhile."""
    day = stay.date_of(moment)
    first = day - DAY * (day.weekday() if days == 7 else 0)
    return stay.instant(first - DAY, 0), stay.instant(first + DAY * (days + 1), 0)


# Windows: from the week and its exceptions to merged spans


def _windows(rules: Rules, stay: _Stay, since: int, until: int) -> list[Span]:
    """The merged windows that meet [since, until), each from its true start."""
    first = max(stay.date_of(since) - DAY, stay.date_of(stay.begins))
    last = stay.date_of(until + _seconds(rules.length)) + DAY
    opening = _first_open_day(rules, stay, first)
    spans = [] if opening == first else _open_through(rules, stay, opening, first)
    while first <= last:
        spans += _day_spans(rules, stay, first)
        first += DAY
    return [span for span in _merged(spans) if since < span[1] and span[0] < until]


def _open_through(rules: Rules, stay: _Stay, opening: date, first: date) -> list[Span]:
    between = (stay.instant(opening, DAY_MINUTES), stay.instant(first, 0))
    return [*_day_spans(rules, stay, opening), between]


def _first_open_day(rules: Rules, stay: _Stay, day: date) -> date:
    """The day on which the opening that `day` begins with has begun, within this stay."""
    arrival = stay.date_of(stay.begins)
    while day > arrival and _continues(rules, stay, day):
        day = max(arrival, _day_to_look_at(rules, day))
    return day


def _continues(rules: Rules, stay: _Stay, day: date) -> bool:
    """Whether the expert is open without a break when this day begins."""
    today, yesterday = _day_spans(rules, stay, day), _day_spans(rules, stay, day - DAY)
    return bool(today and yesterday) and min(today)[0] <= max(end for _, end in yesterday)


def _day_to_look_at(rules: Rules, day: date) -> date:
    """The day before; where the week never closes, straight to the day after the last exception."""
    if any(_merged(rules.weekly.get(weekday, ())) != [(0, DAY_MINUTES)] for weekday in range(7)):
        return day - DAY
    exception = max((other for other in rules.overrides if other < day), default=date.min)
    return min(day - DAY, exception + DAY)


def _day_spans(rules: Rules, stay: _Stay, day: date) -> list[Span]:
    windows = _hours(rules, day)
    return [(stay.instant(day, start), stay.instant(day, end)) for start, end in windows]


def _hours(rules: Rules, day: date) -> Sequence[Minutes]:
    override = rules.overrides.get(day)
    return rules.weekly.get(day.weekday(), ()) if override is None else override


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


# Slots: from windows and obstacles to starts


def _clear_starts(rules: Rules, obstacles: Sequence[Span], earliest: int, end: int) -> Iterator[int]:
    """The starts in [earliest, end) that lie in a window, on its grid, clear of all obstacles."""
    step, length = _seconds(rules.interval), _seconds(rules.length)
    before, after = _seconds(rules.before), _seconds(rules.length + rules.after)
    for opens, lower, upper in _bookable(rules, earliest, end):
        start = _on_grid(opens, step, lower)
        last = min(upper - length, end - 1)
        at = bisect_left(obstacles, start - before + 1, key=lambda obstacle: obstacle[1])
        while start <= last:
            if at < len(obstacles) and obstacles[at][0] < start + after:
                start = _on_grid(opens, step, max(start, obstacles[at][1] + before))
                at += 1
            else:
                yield start
                start += step


def _bookable(rules: Rules, since: int, until: int) -> Iterator[tuple[int, int, int]]:
    """Start of the grid, first and last instant of each window, cut to the stay it lies in."""
    for stay in _stays(rules):
        lower, upper = max(since, stay.begins), min(until, int(min(stay.ends, until)))
        if lower < upper:
            for opens, closes in _windows(rules, stay, lower, upper):
                yield opens, max(opens, lower), int(min(closes, stay.ends))


def _on_grid(opens: int, step: int, moment: int) -> int:
    return moment + (opens - moment) % step


def _obstacles(taken: Iterable[Busy]) -> list[Span]:
    """Busy time with its buffers, merged: both its starts and its ends are in order."""
    padded = ((_epoch(b.start - b.before), _epoch_up(b.end + b.after)) for b in taken)
    return _merged(span for span in padded if span[0] < span[1])


def _limits(rules: Rules, taken: Iterable[Busy]) -> Callable[[int], Reason | None]:
    stays = _stays(rules)
    dates = [_date_at(stays, _epoch(b.start)) for b in taken if b.counts]
    days, weeks = Counter(dates), Counter(map(_week, dates))

    def full(start: int) -> Reason | None:
        day = _date_at(stays, start)
        if rules.per_day is not None and days[day] >= rules.per_day:
            return Reason.DAY_FULL
        if rules.per_week is not None and weeks[_week(day)] >= rules.per_week:
            return Reason.WEEK_FULL
        return None

    return full


def _date_at(stays: Sequence[_Stay], moment: int) -> date:
    return _stay_at(stays, moment).date_of(moment)


def _week(day: date) -> tuple[int, int]:
    return day.isocalendar()[:2]


# Reasons: they only name what free_starts refused


def _reason_of_time(rules: Rules, now: datetime, start: datetime) -> Reason | None:
    if start < now:
        return Reason.PAST
    if start < _notice_ends(rules, now):
        return Reason.NOTICE
    if rules.window is not None and start > now + rules.window:
        return Reason.BEYOND_WINDOW
    return None


def _reason_of_hours(rules: Rules, start: datetime) -> Reason | None:
    moment = _epoch(start)
    if _within(rules, moment):
        return None if _is_on_grid(rules, start) else Reason.OFF_GRID
    return Reason.OUTSIDE_HOURS if _hours(rules, local_date(rules, start)) else Reason.CLOSED_DAY


def _within(rules: Rules, moment: int) -> bool:
    end = moment + _seconds(rules.length)
    return any(lower <= moment and end <= upper for _, lower, upper in _bookable(rules, moment, moment + 1))


def _is_on_grid(rules: Rules, start: datetime) -> bool:
    moment = _epoch(start)
    starts = [EPOCH + SECOND * s for s in _clear_starts(rules, (), moment, moment + 1)]
    return start in starts


def _reason_of_busy(rules: Rules, taken: Iterable[Busy], start: datetime) -> Reason | None:
    end = start + rules.length
    if any(b.start < end and start < b.end and b.start < b.end for b in taken):
        return Reason.BUSY
    since, until = _epoch(start - rules.before), _epoch_up(end + rules.after)
    meets = any(lower < until and since < upper for lower, upper in _obstacles(taken))
    return Reason.BUFFER if meets else None


# Time as whole seconds


def _notice_ends(rules: Rules, now: datetime) -> datetime:
    return now + max(rules.notice, MINUTE)


def _epoch(instant: datetime) -> int:
    return (instant - EPOCH) // SECOND


def _epoch_up(instant: datetime) -> int:
    return -((EPOCH - instant) // SECOND)


def _seconds(duration: timedelta) -> int:
    return duration // SECOND


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)
