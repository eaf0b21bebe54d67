"""Availability against a clock read minute by minute, and against failures other schedulers had."""

import os
import random
import time as process_time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.appointments.availability import (
    Busy,
    Reason,
    Rules,
    busy_span,
    free_starts,
    local_date,
    why_not,
)

HONG_KONG = "Asia/Hong_Kong"
LONDON = "Europe/London"
NEW_YORK = "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MONDAY = date(2026, 11, 9)
EVERY_DAY = range(7)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def at(zone: str, *when: int, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)  # type: ignore[misc,arg-type]


def hk(*when: int) -> datetime:
    return at(HONG_KONG, *when)


def office(zone: str = HONG_KONG, **changes: Any) -> Rules:
    """09:00 to 17:00 on every day, an hour each."""
    rules = Rules(
        zone_periods=((LONG_AGO, zone),),
        weekly={day: [(540, 1020)] for day in EVERY_DAY},
        length=minutes(60),
        interval=minutes(60),
    )
    return replace(rules, **changes)


def day_of(zone: str, day: date) -> tuple[datetime, datetime]:
    start = at(zone, day.year, day.month, day.day)
    following = day + timedelta(days=1)
    return start, at(zone, following.year, following.month, following.day)


def listed(
    rules: Rules,
    day: date = MONDAY,
    busy: Sequence[Busy] = (),
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC),
) -> list[str]:
    """The wall-clock times listed for one local date of the rules' first zone."""
    zone = rules.zone_periods[0][1]
    starts = free_starts(rules, busy, now, *day_of(zone, day))
    return [start.astimezone(ZoneInfo(zone)).strftime("%H:%M") for start in starts]


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_day_of_one_hour_slots_ends_with_the_window() -> None:
    hours = [f"{hour:02}:00" for hour in range(9, 17)]
    assert listed(office()) == hours


def test_slots_come_back_as_aware_utc_in_order() -> None:
    starts = free_starts(office(), [], NOW, *day_of(HONG_KONG, MONDAY))
    assert all(start.tzinfo is UTC for start in starts)
    assert starts == sorted(starts)
    assert starts[0] == datetime(2026, 11, 9, 1, tzinfo=UTC)


def test_naive_instants_are_refused() -> None:
    with pytest.raises(TypeError):
        free_starts(office(), [], datetime(2026, 1, 1), *day_of(HONG_KONG, MONDAY))


# Grid, windows, overrides


def test_the_grid_starts_with_each_window_and_interval_differs_from_length() -> None:
    rules = office(weekly={0: [(545, 620), (780, 850)]}, length=minutes(45), interval=minutes(20))
    assert listed(rules) == ["09:05", "09:25", "13:00", "13:20"]


def test_every_slot_offered_can_be_booked_when_it_is_longer_than_the_interval() -> None:
    rules = office(interval=minutes(15))
    starts = free_starts(rules, [], NOW, *day_of(HONG_KONG, MONDAY))
    assert len(starts) == 29
    assert [why_not(rules, [], NOW, start) for start in starts] == [None] * 29


def test_windows_that_touch_carry_one_grid() -> None:
    rules = office(weekly={0: [(540, 590), (590, 700)]}, interval=minutes(40))
    assert listed(rules) == ["09:00", "09:40", "10:20"]


def test_windows_that_overlap_offer_no_slot_twice() -> None:
    rules = office(weekly={0: [(560, 720), (540, 660), (600, 630)]})
    assert listed(rules) == ["09:00", "10:00", "11:00"]


def test_a_slot_may_lie_across_midnight_where_windows_touch() -> None:
    rules = office(weekly={0: [(1350, 1440)], 1: [(0, 120)]})
    assert listed(rules) == ["22:30", "23:30"]
    assert listed(rules, date(2026, 11, 10)) == ["00:30"]
    assert why_not(rules, [], NOW, hk(2026, 11, 10, 0, 0)) is Reason.OFF_GRID


def test_no_slot_lies_across_midnight_where_the_next_day_is_closed() -> None:
    rules = office(weekly={0: [(1350, 1440)]})
    assert listed(rules) == ["22:30"]


def test_an_override_replaces_the_windows_of_its_date() -> None:
    rules = office(overrides={MONDAY: [(600, 660)]})
    assert listed(rules) == ["10:00"]
    assert len(listed(rules, date(2026, 11, 10))) == 8


def test_an_empty_override_closes_its_date() -> None:
    rules = office(overrides={MONDAY: []})
    assert listed(rules) == []
    assert why_not(rules, [], NOW, hk(2026, 11, 9, 10)) is Reason.CLOSED_DAY


def test_an_override_opens_a_day_that_is_closed_every_week() -> None:
    assert listed(office(weekly={}, overrides={MONDAY: [(600, 720)]})) == ["10:00", "11:00"]


def test_leave_is_judged_by_the_experts_date_not_by_that_of_utc_or_of_the_reader() -> None:
    rules = office(NEW_YORK, weekly={d: [(1140, 1380)] for d in EVERY_DAY}, overrides={MONDAY: []})
    evening = at(NEW_YORK, 2026, 11, 9, 19)
    assert evening.date() == date(2026, 11, 10)
    assert why_not(rules, [], NOW, evening) is Reason.CLOSED_DAY
    assert why_not(rules, [], NOW, evening - timedelta(days=1)) is None
    assert (evening - timedelta(days=1)).date() == MONDAY


def test_a_partly_covered_slot_is_not_offered() -> None:
    rules = office(overrides={MONDAY: [(540, 630)]})
    assert listed(rules) == ["09:00"]
    assert why_not(rules, [], NOW, hk(2026, 11, 9, 10)) is Reason.OUTSIDE_HOURS


def test_the_grid_of_a_week_that_never_closes_does_not_hang_on_the_question() -> None:
    always = {day: [(0, 1440)] for day in EVERY_DAY}
    rules = office(weekly=always, overrides={date(2026, 3, 3): [(0, 607)]}, interval=minutes(50))
    since, until = hk(2026, 11, 1), hk(2026, 11, 30)
    whole = free_starts(rules, [], NOW, since, until)
    pieces = [
        start
        for day in range(29)
        for start in free_starts(rules, [], NOW, since + timedelta(days=day), since + timedelta(days=day + 1))
    ]
    assert pieces == whole
    assert (whole[0] - hk(2026, 3, 4)) % minutes(50) == timedelta()


def test_a_long_opening_keeps_the_grid_it_began_with() -> None:
    days = {MONDAY + timedelta(days=n): [(0, 1440)] for n in range(1, 6)}
    rules = office(weekly={}, overrides={MONDAY: [(1207, 1440)], **days}, interval=minutes(50))
    start = hk(2026, 11, 9, 20, 7)
    friday = free_starts(rules, [], NOW, *day_of(HONG_KONG, date(2026, 11, 13)))
    assert friday
    assert all((slot - start) % minutes(50) == timedelta() for slot in friday)


# Busy time, buffers, holds


def test_busy_time_that_overlaps_without_being_equal_takes_the_slot() -> None:
    busy = [Busy(hk(2026, 11, 9, 10, 50), hk(2026, 11, 9, 11, 10))]
    assert "10:00" not in listed(office(), busy=busy)
    assert "11:00" not in listed(office(), busy=busy)
    assert "12:00" in listed(office(), busy=busy)


def test_busy_time_inside_a_slot_and_around_it_takes_it() -> None:
    inside = [Busy(hk(2026, 11, 9, 10, 20), hk(2026, 11, 9, 10, 21))]
    around = [Busy(hk(2026, 11, 9, 9, 59), hk(2026, 11, 9, 11, 1))]
    assert why_not(office(), inside, NOW, hk(2026, 11, 9, 10)) is Reason.BUSY
    assert why_not(office(), around, NOW, hk(2026, 11, 9, 10)) is Reason.BUSY


def test_busy_time_that_only_touches_takes_nothing() -> None:
    busy = [Busy(hk(2026, 11, 9, 9), hk(2026, 11, 9, 10))]
    assert listed(office(), busy=busy)[0] == "10:00"


def test_an_empty_meeting_takes_nothing() -> None:
    moment = hk(2026, 11, 9, 10, 30)
    assert why_not(office(), [Busy(moment, moment)], NOW, hk(2026, 11, 9, 10)) is None


def test_a_fraction_of_a_second_is_enough_to_be_busy() -> None:
    ten = hk(2026, 11, 9, 10)
    busy = [Busy(ten - minutes(60), ten + timedelta(microseconds=1))]
    assert why_not(office(), busy, NOW, ten) is Reason.BUSY


def test_booking_one_slot_never_moves_the_others() -> None:
    rules = office(interval=minutes(15))
    busy = [Busy(hk(2026, 11, 9, 10, 7), hk(2026, 11, 9, 10, 52))]
    assert set(listed(rules, busy=busy)) < set(listed(rules))


def test_the_buffers_of_the_new_slot_keep_clear_of_meetings_and_stick_out_of_the_window() -> None:
    rules = office(before=minutes(15), after=minutes(30))
    meeting = [Busy(hk(2026, 11, 9, 12), hk(2026, 11, 9, 13))]
    times = listed(rules, busy=meeting)
    assert times == ["09:00", "10:00", "14:00", "15:00", "16:00"]
    assert why_not(rules, meeting, NOW, hk(2026, 11, 9, 11)) is Reason.BUFFER
    assert why_not(rules, meeting, NOW, hk(2026, 11, 9, 13)) is Reason.BUFFER


def test_an_appointment_keeps_the_buffers_it_was_booked_with() -> None:
    ten = hk(2026, 11, 9, 10)
    own = [Busy(ten, ten + minutes(60), before=minutes(1), after=minutes(61), counts=True)]
    assert listed(office(), busy=own)[:2] == ["13:00", "14:00"]
    assert why_not(office(), own, NOW, hk(2026, 11, 9, 9)) is Reason.BUFFER
    assert why_not(office(), own, NOW, ten) is Reason.BUSY


def test_both_buffers_lie_between_two_appointments() -> None:
    ten = hk(2026, 11, 9, 10)
    rules = office(before=minutes(30), interval=minutes(15))
    own = [Busy(ten, ten + minutes(60), after=minutes(15))]
    later = [time for time in listed(rules, busy=own) if time > "10:00"]
    assert later[0] == "11:45"


def test_an_appointment_that_is_being_moved_does_not_hide_the_time_it_leaves() -> None:
    ten = hk(2026, 11, 9, 10)
    rules = office(interval=minutes(15))
    own = Busy(ten, ten + minutes(60), counts=True)
    other = Busy(ten + minutes(120), ten + minutes(180), counts=True)
    assert why_not(rules, [own, other], NOW, ten + minutes(15)) is Reason.BUSY
    assert why_not(rules, [other], NOW, ten + minutes(15)) is None


def test_the_last_day_of_the_booking_window_minds_busy_time() -> None:
    now = hk(2026, 11, 2, 12)
    rules = office(window=timedelta(days=7))
    busy = [Busy(hk(2026, 11, 9, 10), hk(2026, 11, 9, 11))]
    assert listed(rules, busy=busy, now=now) == ["09:00", "11:00", "12:00"]


# Notice, window, past


def test_a_slot_that_starts_now_is_not_offered_and_one_exactly_at_the_notice_is() -> None:
    ten = hk(2026, 11, 9, 10)
    assert why_not(office(), [], ten, ten) is Reason.NOTICE
    assert why_not(office(), [], ten - minutes(1), ten) is None
    assert why_not(office(), [], ten - timedelta(seconds=59), ten) is Reason.NOTICE
    assert why_not(office(notice=minutes(120)), [], ten - minutes(120), ten) is None
    late = ten - minutes(120) + timedelta(microseconds=1)
    assert why_not(office(notice=minutes(120)), [], late, ten) is Reason.NOTICE


def test_an_old_button_is_judged_by_the_same_notice_as_the_list() -> None:
    rules = office(notice=minutes(120))
    ten = hk(2026, 11, 9, 10)
    listed_at, pressed_at = ten - minutes(180), ten - minutes(60)
    assert "10:00" in listed(rules, now=listed_at)
    assert "10:00" not in listed(rules, now=pressed_at)
    assert why_not(rules, [], pressed_at, ten) is Reason.NOTICE
    assert why_not(rules, [], ten + minutes(5), ten) is Reason.PAST


def test_the_booking_window_ends_exactly() -> None:
    now = hk(2026, 11, 2, 10)
    rules = office(window=timedelta(days=7))
    assert why_not(rules, [], now, hk(2026, 11, 9, 10)) is None
    assert why_not(rules, [], now, hk(2026, 11, 9, 11)) is Reason.BEYOND_WINDOW


@pytest.mark.parametrize(
    ("zone", "day"),
    [(LONDON, date(2027, 3, 28)), (LONDON, date(2026, 10, 25)), (NEW_YORK, date(2026, 11, 1))],
)
def test_a_notice_that_ends_on_the_day_of_the_change_shifts_nothing(zone: str, day: date) -> None:
    noon = at(zone, day.year, day.month, day.day, 12)
    midnight = at(zone, day.year, day.month, day.day)
    rules = office(zone, notice=timedelta(days=2))
    assert listed(rules, day, now=noon - timedelta(days=2))[0] == "12:00"
    assert listed(rules, day, now=midnight - timedelta(days=2))[0] == "09:00"


# Limits


def appointment(start: datetime) -> Busy:
    return Busy(start, start + minutes(60), counts=True)


def test_a_full_day_offers_nothing_and_says_so() -> None:
    rules = office(per_day=2)
    one, two = appointment(hk(2026, 11, 9, 9)), appointment(hk(2026, 11, 9, 13))
    assert len(listed(rules, busy=[one])) == 7
    assert listed(rules, busy=[one, two]) == []
    assert why_not(rules, [one, two], NOW, hk(2026, 11, 9, 15)) is Reason.DAY_FULL
    assert why_not(rules, [one, two], NOW, hk(2026, 11, 10, 15)) is None


def test_a_meeting_from_elsewhere_does_not_count_towards_a_limit() -> None:
    meeting = Busy(hk(2026, 11, 9, 9), hk(2026, 11, 9, 10))
    assert len(listed(office(per_day=1), busy=[meeting])) == 7


def test_a_limit_of_none_a_day_is_a_limit() -> None:
    assert listed(office(per_day=0)) == []


def test_a_day_is_full_by_the_experts_date() -> None:
    rules = office(NEW_YORK, weekly={d: [(480, 1380)] for d in EVERY_DAY}, per_day=1)
    late = appointment(at(NEW_YORK, 2026, 11, 9, 21))
    assert late.start.date() == date(2026, 11, 10)
    assert why_not(rules, [late], NOW, at(NEW_YORK, 2026, 11, 9, 9)) is Reason.DAY_FULL
    assert why_not(rules, [late], NOW, at(NEW_YORK, 2026, 11, 10, 9)) is None


def test_a_week_is_full_from_its_monday_to_its_sunday_over_the_year() -> None:
    rules = office(per_week=1)
    booked = [appointment(hk(2026, 12, 30, 9))]
    monday, sunday = hk(2026, 12, 28, 9), hk(2027, 1, 3, 9)
    assert why_not(rules, booked, NOW, monday) is Reason.WEEK_FULL
    assert why_not(rules, booked, NOW, sunday) is Reason.WEEK_FULL
    assert why_not(rules, booked, NOW, monday - timedelta(days=1)) is None
    assert why_not(rules, booked, NOW, sunday + timedelta(days=1)) is None


# Zones


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (LONDON, date(2027, 3, 28)),
        (LONDON, date(2026, 10, 25)),
        (NEW_YORK, date(2027, 3, 14)),
        (NEW_YORK, date(2026, 11, 1)),
        (LORD_HOWE, date(2026, 10, 4)),
        (LORD_HOWE, date(2027, 4, 4)),
        (HONG_KONG, date(2026, 11, 1)),
    ],
)
def test_office_hours_are_wall_clock_hours_around_every_change(zone: str, day: date) -> None:
    hours = [f"{hour:02}:00" for hour in range(13, 17)]
    rules = office(zone, weekly={d: [(780, 1020)] for d in EVERY_DAY})
    for offset in range(-2, 3):
        assert listed(rules, day + timedelta(days=offset)) == hours


def test_half_past_twelve_stays_half_past_twelve_on_the_sunday_of_the_change() -> None:
    rules = office(NEW_YORK, weekly={6: [(750, 810)]})
    before, on = at(NEW_YORK, 2026, 10, 25, 12, 30), at(NEW_YORK, 2026, 11, 1, 12, 30)
    assert why_not(rules, [], NOW, before) is why_not(rules, [], NOW, on) is None
    assert on - before == timedelta(days=7, hours=1)


def test_a_whole_november_lists_and_books_the_same_hours() -> None:
    rules = office(NEW_YORK, weekly={d: [(540, 600)] for d in EVERY_DAY})
    starts = free_starts(rules, [], NOW, at(NEW_YORK, 2026, 10, 25), at(NEW_YORK, 2026, 12, 1))
    assert len(starts) == 37
    assert {start.astimezone(ZoneInfo(NEW_YORK)).hour for start in starts} == {9}
    assert all(why_not(rules, [], NOW, start) is None for start in starts)


def test_a_window_that_starts_in_the_missing_hour_starts_with_the_first_minute_there_is() -> None:
    rules = office(LONDON, weekly={6: [(90, 240)]})
    assert listed(rules, date(2027, 3, 28)) == ["02:00", "03:00"]
    assert listed(rules, date(2027, 3, 21)) == ["01:30", "02:30"]


def test_a_window_inside_the_missing_hour_is_empty() -> None:
    rules = office(LONDON, weekly={6: [(60, 120)]})
    assert listed(rules, date(2027, 3, 28)) == []
    assert listed(rules, date(2027, 3, 21)) == ["01:00"]


def test_a_window_across_the_missing_hour_is_an_hour_shorter() -> None:
    rules = office(LONDON, weekly={6: [(0, 240)]})
    assert listed(rules, date(2027, 3, 28)) == ["00:00", "02:00", "03:00"]


def test_a_window_across_the_hour_that_comes_twice_is_an_hour_longer() -> None:
    rules = office(LONDON, weekly={6: [(0, 180)]})
    assert listed(rules, date(2026, 10, 25)) == ["00:00", "01:00", "01:00", "02:00"]


def test_a_window_inside_the_hour_that_comes_twice_is_its_first_run() -> None:
    rules = office(LONDON, weekly={6: [(60, 90)]}, length=minutes(30), interval=minutes(30))
    starts = free_starts(rules, [], NOW, *day_of(LONDON, date(2026, 10, 25)))
    assert starts == [at(LONDON, 2026, 10, 25, 1, fold=0)]
    assert why_not(rules, [], NOW, at(LONDON, 2026, 10, 25, 1, fold=1)) is Reason.OUTSIDE_HOURS


def test_half_an_hour_goes_missing_on_lord_howe() -> None:
    rules = office(LORD_HOWE, weekly={6: [(60, 240)]}, length=minutes(30), interval=minutes(30))
    assert listed(rules, date(2026, 10, 4)) == ["01:00", "01:30", "02:30", "03:00", "03:30"]


def test_a_day_without_a_midnight_starts_with_its_first_minute() -> None:
    rules = office("Asia/Beirut", weekly={6: [(0, 180)]})
    assert listed(rules, date(2027, 3, 28)) == ["01:00", "02:00"]


def test_a_day_that_an_island_skipped_has_no_slots() -> None:
    rules = office("Pacific/Apia", zone_periods=((datetime(2010, 1, 1, tzinfo=UTC), "Pacific/Apia"),))
    early = datetime(2011, 1, 1, tzinfo=UTC)
    since, until = datetime(2011, 12, 29, 10, tzinfo=UTC), datetime(2011, 12, 31, 10, tzinfo=UTC)
    starts = free_starts(rules, [], early, since, until)
    dates = {start.astimezone(ZoneInfo("Pacific/Apia")).date() for start in starts}
    assert dates == {date(2011, 12, 29), date(2011, 12, 31)}


# Moving


def moved(instant: datetime, **changes: Any) -> Rules:
    periods = ((LONG_AGO, HONG_KONG), (instant, LONDON))
    return office(zone_periods=periods, **changes)


def test_an_expert_who_moves_keeps_wall_clock_hours_in_the_new_zone() -> None:
    rules = moved(hk(2026, 11, 10))
    assert why_not(rules, [], NOW, hk(2026, 11, 9, 9)) is None
    assert why_not(rules, [], NOW, at(LONDON, 2026, 11, 10, 9)) is None
    assert why_not(rules, [], NOW, hk(2026, 11, 10, 9)) is not None
    assert local_date(rules, hk(2026, 11, 10, 1)) == MONDAY


def test_no_slot_lies_across_a_move_and_the_grid_stays() -> None:
    rules = moved(hk(2026, 11, 9, 11, 30))
    assert free_starts(rules, [], NOW, hk(2026, 11, 9), hk(2026, 11, 9, 16)) == [
        hk(2026, 11, 9, 9),
        hk(2026, 11, 9, 10),
    ]
    arriving = moved(at(LONDON, 2026, 11, 9, 12, 30))
    later = free_starts(arriving, [], NOW, arriving.zone_periods[1][0], hk(2026, 11, 10))
    assert later[0] == at(LONDON, 2026, 11, 9, 13)


def test_nothing_is_open_before_the_first_zone() -> None:
    rules = office(zone_periods=((hk(2026, 11, 9, 12), HONG_KONG),))
    assert listed(rules)[0] == "12:00"
    assert why_not(rules, [], NOW, hk(2026, 11, 9, 10)) is Reason.OUTSIDE_HOURS


# What to ask the storage for


def test_whole_weeks_of_busy_time_are_asked_for_where_weeks_are_limited() -> None:
    rules = office(per_week=3, before=minutes(10), after=minutes(20))
    since, until = busy_span(rules, hk(2026, 11, 11), hk(2026, 11, 12))
    assert since <= hk(2026, 11, 9)
    assert until >= hk(2026, 11, 16)


def test_the_slot_and_its_buffers_are_asked_for_where_nothing_is_limited() -> None:
    rules = office(before=minutes(10), after=minutes(20))
    since, until = busy_span(rules, hk(2026, 11, 11), hk(2026, 11, 12))
    assert (since, until) == (hk(2026, 11, 10, 23, 50), hk(2026, 11, 12, 1, 20))


# Values that make no sense


@pytest.mark.parametrize(
    "changes",
    [
        {"zone_periods": ()},
        {"zone_periods": ((LONG_AGO, LONDON), (LONG_AGO, HONG_KONG))},
        {"zone_periods": ((datetime(1, 1, 1, tzinfo=UTC), LONDON),)},
        {"weekly": {7: [(0, 60)]}},
        {"weekly": {0: [(60, 60)]}},
        {"overrides": {MONDAY: [(0, 1441)]}},
        {"interval": timedelta()},
        {"length": timedelta()},
        {"before": -minutes(1)},
    ],
)
def test_rules_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        office(**changes)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        office("Asia/Atlantis")


def test_busy_time_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before"):
        Busy(hk(2026, 11, 9, 10), hk(2026, 11, 9, 9))


# The oracle: every minute of the horizon is looked up on the clock of the zone


HORIZON = timedelta(days=3)
RUN_UP = timedelta(days=4)
ONE = minutes(1)


@cache
def clock(zone: str, base: datetime) -> tuple[list[datetime], list[datetime]]:
    """Every minute around base, and the latest wall-clock time shown up to it."""
    count = int((RUN_UP + HORIZON + timedelta(days=6)) / ONE)
    instants = [base - RUN_UP - timedelta(days=2) + ONE * n for n in range(count)]
    shown = (instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for instant in instants)
    return instants, list(accumulate(shown, max))


def open_runs(rules: Rules, zone: str, base: datetime, arrived: datetime) -> list[set[datetime]]:
    instants, shown = clock(zone, base.replace(hour=0, minute=0))
    day = arrived.astimezone(ZoneInfo(zone)).date()
    minutes_open: set[datetime] = set()
    while day <= shown[-1].date() - timedelta(days=2):
        for start, end in rules.overrides.get(day, rules.weekly.get(day.weekday(), ())):
            midnight = datetime(day.year, day.month, day.day)
            first, last = (bisect_left(shown, midnight + minutes(m)) for m in (start, end))
            minutes_open.update(instants[first:last])
        day += timedelta(days=1)
    return list(unbroken(minutes_open))


def unbroken(moments: set[datetime]) -> Iterator[set[datetime]]:
    for moment in moments:
        if moment - ONE not in moments:
            run = {moment}
            while moment + ONE in moments:
                moment += ONE
                run.add(moment)
            yield run


def oracle(rules: Rules, busy: Sequence[Busy], now: datetime, base: datetime) -> set[datetime]:
    found: set[datetime] = set()
    borders = [since for since, _ in rules.zone_periods[1:]]
    for (since, zone), until in zip(rules.zone_periods, [*borders, base + timedelta(days=90)], strict=True):
        for run in open_runs(rules, zone, base, since):
            here = {moment for moment in run if since <= moment < until}
            start = min(run)
            while start <= max(run):
                needed = {start + ONE * n for n in range(int(rules.length / ONE))}
                if needed <= here and allowed(rules, busy, now, start):
                    found.add(start)
                start += rules.interval
    return {start for start in found if base <= start < base + HORIZON}


def allowed(rules: Rules, busy: Sequence[Busy], now: datetime, start: datetime) -> bool:
    if start < now + max(rules.notice, ONE) or start > now + (rules.window or timedelta(days=999)):
        return False
    for other in busy:
        clear_before = other.end + other.after <= start - rules.before
        clear_after = start + rules.length + rules.after <= other.start - other.before
        if not (clear_before or clear_after):
            return False
    days = [on_date(rules, other.start) for other in busy if other.counts]
    day = on_date(rules, start)
    same_week = [other for other in days if other.isocalendar()[:2] == day.isocalendar()[:2]]
    return (rules.per_day is None or days.count(day) < rules.per_day) and (
        rules.per_week is None or len(same_week) < rules.per_week
    )


def on_date(rules: Rules, moment: datetime) -> date:
    zone = [zone for since, zone in rules.zone_periods if since <= moment][-1]
    return moment.astimezone(ZoneInfo(zone)).date()


CHANGES = [
    (LONDON, datetime(2026, 10, 25, tzinfo=UTC)),
    (LONDON, datetime(2027, 3, 28, tzinfo=UTC)),
    (NEW_YORK, datetime(2026, 11, 1, tzinfo=UTC)),
    (NEW_YORK, datetime(2027, 3, 14, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 10, 3, 12, tzinfo=UTC)),
    (LORD_HOWE, datetime(2027, 4, 3, 12, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2027, 3, 27, 22, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, 4, tzinfo=UTC)),
    (HONG_KONG, datetime(2026, 12, 30, tzinfo=UTC)),
]

five = st.integers(0, 288).map(lambda n: n * 5)
edges = st.one_of(st.sampled_from([0, 60, 90, 120, 150, 1380, 1440]), five, st.integers(0, 1440))
window = st.tuples(edges, edges).map(lambda w: (min(w), max(w))).filter(lambda w: w[0] < w[1])
day_windows = st.one_of(st.lists(window, max_size=3), st.just([(0, 1440)]))
few_minutes = st.sampled_from([0, 0, 5, 10, 17, 30]).map(minutes)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Rules, list[Busy], datetime, datetime]:
    zone, change = draw(st.sampled_from(CHANGES))
    base = change - timedelta(days=1) + minutes(draw(st.integers(0, 600)))
    periods = [(base - RUN_UP, zone)]
    if draw(st.integers(0, 3)) == 0:
        other = draw(st.sampled_from([HONG_KONG, LONDON, NEW_YORK]))
        periods.append((base + minutes(draw(st.integers(1, 4000))), other))
    days = st.integers(-4, 4).map(lambda n: base.date() + timedelta(days=n))
    rules = Rules(
        zone_periods=tuple(periods),
        weekly=draw(st.dictionaries(st.integers(0, 6), day_windows, min_size=3)),
        overrides=draw(st.dictionaries(days, day_windows, max_size=2)),
        length=minutes(draw(st.sampled_from([15, 30, 45, 60, 90]))),
        interval=minutes(draw(st.sampled_from([10, 15, 25, 30, 60, 70]))),
        before=draw(few_minutes),
        after=draw(few_minutes),
        notice=minutes(draw(st.sampled_from([0, 60, 1440]))),
        window=draw(st.sampled_from([None, timedelta(days=1), timedelta(days=30)])),
        per_day=draw(st.sampled_from([None, None, 1, 2])),
        per_week=draw(st.sampled_from([None, None, 2])),
    )
    busy = draw(st.lists(busy_times(base), max_size=6))
    now = base + minutes(draw(st.integers(-3000, 1500)))
    return rules, busy, now, base


@st.composite
def busy_times(draw: st.DrawFn, base: datetime) -> Busy:
    start = base + minutes(draw(st.integers(-2000, 4300)))
    end = start + minutes(draw(st.integers(1, 300)))
    return Busy(start, end, draw(few_minutes), draw(few_minutes), draw(st.booleans()))


@settings(max_examples=100, deadline=None)
@given(situations())
def test_the_list_is_what_a_clock_read_minute_by_minute_says(
    situation: tuple[Rules, list[Busy], datetime, datetime],
) -> None:
    rules, busy, now, base = situation
    starts = free_starts(rules, busy, now, base, base + HORIZON)
    assert starts == sorted(oracle(rules, busy, now, base))


@settings(max_examples=40, deadline=None)
@given(situations(), st.integers(0, 4))
def test_a_start_is_listed_exactly_when_nothing_speaks_against_it(
    situation: tuple[Rules, list[Busy], datetime, datetime], offset: int
) -> None:
    rules, busy, now, base = situation
    starts = set(free_starts(rules, busy, now, base, base + HORIZON))
    grid = [base + minutes(n) for n in range(offset, int(HORIZON / ONE), 5)]
    for moment in {*grid, *starts}:
        assert (why_not(rules, busy, now, moment) is None) == (moment in starts)


@settings(max_examples=60, deadline=None)
@given(situations(), st.data())
def test_more_busy_time_never_adds_a_slot_and_its_order_is_of_no_account(
    situation: tuple[Rules, list[Busy], datetime, datetime], data: st.DataObject
) -> None:
    rules, busy, now, base = situation
    more = [*busy, data.draw(busy_times(base))]
    before = free_starts(rules, busy, now, base, base + HORIZON)
    after = free_starts(rules, more, now, base, base + HORIZON)
    assert set(after) <= set(before)
    shuffled = data.draw(st.permutations(more))
    assert free_starts(rules, shuffled, now, base, base + HORIZON) == after


@settings(max_examples=60, deadline=None)
@given(situations(), st.data())
def test_booking_a_slot_takes_only_what_meets_it(
    situation: tuple[Rules, list[Busy], datetime, datetime], data: st.DataObject
) -> None:
    rules, busy, now, base = situation
    rules = replace(rules, per_day=None, per_week=None)
    before = free_starts(rules, busy, now, base, base + HORIZON)
    if not before:
        return
    taken = data.draw(st.sampled_from(before))
    booked = Busy(taken, taken + rules.length, rules.before, rules.after, counts=True)
    after = free_starts(rules, [*busy, booked], now, base, base + HORIZON)
    reach = rules.length + rules.before + rules.after
    assert after == [start for start in before if abs(start - taken) >= reach]


@settings(max_examples=60, deadline=None)
@given(situations(), st.integers(1, 4000))
def test_a_list_in_two_pieces_is_the_list_in_one(
    situation: tuple[Rules, list[Busy], datetime, datetime], cut: int
) -> None:
    rules, busy, now, base = situation
    middle = base + minutes(cut)
    end = base + minutes(4320)
    pieces = free_starts(rules, busy, now, base, middle)
    pieces += free_starts(rules, busy, now, middle, end) if middle < end else []
    assert pieces == free_starts(rules, busy, now, base, max(middle, end))


@settings(max_examples=60, deadline=None)
@given(situations())
def test_busy_time_outside_the_span_asked_for_changes_nothing(
    situation: tuple[Rules, list[Busy], datetime, datetime],
) -> None:
    rules, busy, now, base = situation
    since, until = base + timedelta(days=1), base + timedelta(days=2)
    first, last = busy_span(rules, since, until)
    needed = [b for b in busy if b.end + b.after > first and b.start - b.before < last]
    assert free_starts(rules, needed, now, since, until) == free_starts(rules, busy, now, since, until)


@pytest.fixture
def process_in_auckland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "TZ", "Pacific/Auckland")
        process_time.tzset()
        yield
    process_time.tzset()


@pytest.mark.usefixtures("process_in_auckland")
def test_the_zone_of_the_process_is_of_no_account() -> None:
    assert process_time.tzname[0] == "NZST"
    assert listed(office())[0] == "09:00"
    assert listed(office(LONDON), date(2027, 3, 28))[0] == "09:00"


def test_a_month_of_one_expert_is_listed_in_a_few_milliseconds() -> None:
    rules = office(weekly={d: [(540, 1080)] for d in EVERY_DAY}, interval=minutes(15))
    pick = random.Random(7)
    starts = [hk(2026, 11, 1) + minutes(15 * pick.randrange(2880)) for _ in range(200)]
    busy = [Busy(start, start + minutes(30)) for start in starts]

    def seconds() -> float:
        began = process_time.perf_counter()
        free_starts(rules, busy, NOW, hk(2026, 11, 1), hk(2026, 12, 1))
        return process_time.perf_counter() - began

    assert min(seconds() for _ in range(20)) < 0.01
