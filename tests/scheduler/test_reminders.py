"""When reminders are due, who wants which, and that they follow the event, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from bot.outbox.models import OutboxRow
from bot.storage import Database
from scheduler.events.values import Changed, Times
from scheduler.reminders import Overview
from scheduler.reminders.plan import plan
from scheduler.reminders.service import CHOICES, DEFAULT_OFFSETS
from tests.conftest import MovableClock
from tests.scheduler.events_house import HONG_KONG, House, days_later

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def house(db: Database, clock: MovableClock) -> House:
    return House(db, clock)


# The plan


instants = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC), allow_imaginary=False)
offsets_of_any_kind = st.lists(st.integers(1, 43200), max_size=8)


@given(start=instants, now=instants, offsets=offsets_of_any_kind)
def test_every_reminder_is_still_to_come_and_useful_when_due(
    start: datetime, now: datetime, offsets: list[int]
) -> None:
    for minutes, due_at, expires_at in plan(start, offsets, now):
        assert now < due_at < expires_at < start
        assert start - due_at == timedelta(minutes=minutes)
        assert expires_at <= start - min(timedelta(minutes=5), timedelta(minutes=minutes) / 2)


@given(start=instants, now=instants, offsets=offsets_of_any_kind)
def test_exactly_the_offsets_ahead_are_planned_once_in_the_order_due(
    start: datetime, now: datetime, offsets: list[int]
) -> None:
    planned = [minutes for minutes, _, _ in plan(start, offsets, now)]
    ahead = {minutes for minutes in offsets if start - timedelta(minutes=minutes) > now}
    assert planned == sorted(ahead, reverse=True)


@given(start=instants, now=instants, offsets=offsets_of_any_kind, later=st.integers(0, 20000))
def test_planning_later_only_leaves_out_what_has_passed(
    start: datetime, now: datetime, offsets: list[int], later: int
) -> None:
    first, second = plan(start, offsets, now), plan(start, offsets, now + later * MINUTE)
    assert second == [reminder for reminder in first if reminder.due_at > now + later * MINUTE]


# Choosing


async def test_registering_brings_the_usual_reminders(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    await house.events.register(anna, event.id)
    assert await house.leads(anna) == list(DEFAULT_OFFSETS)
    assert await house.rings(anna) == list(DEFAULT_OFFSETS)
    last = (await house.owed("event.reminder", anna))[-1]
    assert last["expires_at"] == event.starts_at - 5 * MINUTE


async def test_who_registers_late_is_not_reminded_at_once(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    house.clock.set(event.starts_at - timedelta(hours=20))
    await house.events.register(anna, event.id)
    assert await house.leads(anna) == [60]


async def test_a_reminder_whose_moment_is_now_is_not_planned(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    house.clock.set(event.starts_at - timedelta(minutes=60))
    await house.events.register(anna, event.id)
    assert await house.leads(anna) == []


async def test_registering_keeps_what_the_person_had_chosen(house: House) -> None:
    event = await house.event()
    anna, ben = await house.contacts(2)
    await house.reminders.toggle(anna, event.id, 180)
    await house.reminders.toggle(ben, None, 4320)
    for who in (anna, ben):
        await house.events.register(who, event.id)
    assert await house.rings(anna) == [180]
    assert await house.rings(ben) == [4320]


async def test_who_only_wants_to_be_reminded_need_not_register(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    choices = await house.reminders.toggle(anna, event.id, 60)
    assert [choice.minutes for choice in choices if choice.on] == [60]
    assert await house.rings(anna) == [60]
    assert (await house.seen(event.id, anna)).registered is False


async def test_switching_off_and_on_again_sends_one_reminder(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    for _ in range(3):
        await house.reminders.toggle(anna, event.id, 60)
    assert await house.rings(anna) == [60]
    await house.reminders.toggle(anna, event.id, 60)
    assert await house.rings(anna) == []


async def test_saying_which_way_to_switch_is_harmless_to_repeat(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    first = await house.reminders.toggle(anna, event.id, 60, on=True)
    assert await house.reminders.toggle(anna, event.id, 60, on=True) == first
    assert await house.rings(anna) == [60]
    await house.reminders.toggle(anna, event.id, 60, on=False)
    off = await house.reminders.toggle(anna, event.id, 60, on=False)
    assert not any(choice.on for choice in off)


async def test_an_offset_that_is_not_offered_changes_nothing(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    choices = await house.reminders.toggle(anna, event.id, 7)
    assert [choice.minutes for choice in choices] == list(CHOICES)
    assert not any(choice.on for choice in choices)
    assert await house.owed() == []


async def test_choices_say_which_moments_have_passed(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    house.clock.set(event.starts_at - timedelta(minutes=1440))
    choices = await house.reminders.choices(anna, event.id)
    assert {choice.minutes: choice.possible for choice in choices} == {
        10080: False,
        4320: False,
        1440: False,
        180: True,
        60: True,
    }
    assert all(choice.possible for choice in await house.reminders.choices(anna))


async def test_an_event_that_is_not_ahead_offers_no_choices(house: House) -> None:
    event = await house.event()
    anna, admin = await house.contacts(2)
    assert await house.reminders.choices(anna, 4711) == ()
    assert await house.reminders.toggle(anna, 4711, 60) == ()
    await house.events.cancel(admin, event.id, 0)
    assert await house.reminders.toggle(anna, event.id, 60) == ()
    assert await house.owed() == []


# All future events


async def test_following_all_covers_events_there_are_and_those_to_come(house: House) -> None:
    now, anna = await house.event(), await house.contact()
    await house.reminders.toggle(anna, None, 1440)
    later = await house.event(times=days_later(1))
    reminders = await house.owed("event.reminder", anna)
    assert [row["payload"]["event"] for row in reminders] == [now.id, later.id]
    assert await house.rings(anna) == [1440, 1440]


async def test_a_choice_for_one_event_outranks_the_one_for_all(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    await house.reminders.toggle(anna, None, 1440)
    await house.reminders.toggle(anna, event.id, 60)
    assert await house.rings(anna) == [1440, 60]
    await house.reminders.toggle(anna, event.id, 1440)
    await house.reminders.toggle(anna, None, 180)
    assert await house.rings(anna) == [60]


async def test_stopping_one_event_leaves_the_others(house: House) -> None:
    first, anna = await house.event(), await house.contact()
    second = await house.event(times=days_later(1))
    await house.reminders.toggle(anna, None, 60)
    await house.reminders.stop(anna, first.id)
    wanted = [row for row in await house.owed("event.reminder") if await house.still_wanted(row)]
    assert [row["payload"]["event"] for row in wanted] == [second.id]


async def test_stopping_all_leaves_what_was_chosen_one_by_one(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    await house.event(times=days_later(1))
    await house.reminders.toggle(anna, None, 1440)
    await house.reminders.toggle(anna, event.id, 60)
    await house.reminders.stop(anna, None)
    overview = await house.reminders.overview(anna)
    assert overview.all_future == ()
    assert [(followed.event_id, followed.minutes) for followed in overview.events] == [(event.id, (1440, 60))]


async def test_stopping_everything_leaves_nothing_at_all(house: House) -> None:
    first, second, _ = [await house.event(slug=slug) for slug in ("one", "two", "three")]
    anna, ben = await house.contacts(2)
    for who in (anna, ben):
        await house.events.register(who, first.id)
        await house.reminders.toggle(who, second.id, 60)
        await house.reminders.toggle(who, None, 60)
    await house.reminders.stop_all(anna)
    assert await house.reminders.overview(anna) == Overview((), ())
    assert len((await house.reminders.overview(ben)).events) == 3
    assert await house.rings(anna) == []
    assert await house.rings(ben)


async def test_who_gives_up_a_seat_is_not_reminded_even_when_following_all(house: House) -> None:
    event = await house.event()
    anna, ben = await house.contacts(2)
    await house.reminders.toggle(anna, None, 1440)
    for who in (anna, ben):
        await house.events.register(who, event.id)
    await house.events.unregister(anna, event.id)
    assert await house.rings(anna) == []
    assert await house.rings(ben) == list(DEFAULT_OFFSETS)
    await house.events.register(anna, event.id)
    assert await house.rings(anna) == [1440]


async def test_the_overview_says_of_what_one_is_reminded(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    assert await house.reminders.overview(anna) == Overview((), ())
    await house.reminders.toggle(anna, None, 60)
    await house.reminders.toggle(anna, None, 1440)
    overview = await house.reminders.overview(anna)
    assert overview.all_future == (1440, 60)
    (followed,) = overview.events
    assert (followed.event_id, followed.title, followed.starts_at, followed.minutes) == (
        event.id,
        event.title,
        event.starts_at,
        (1440, 60),
    )


# Following the event


async def test_reminders_follow_a_moved_event(house: House) -> None:
    event = await house.event()
    admin, anna, ben = await house.contacts(3)
    await house.events.register(anna, event.id)
    await house.reminders.toggle(ben, None, 180)
    old = await house.owed("event.reminder")
    moved = await house.events.move(admin, event.id, 0, days_later(2))
    assert isinstance(moved, Changed)
    assert await house.rings(anna) == list(DEFAULT_OFFSETS)
    assert await house.rings(ben) == [180]
    reminders = await house.owed("event.reminder")
    assert {row["payload"]["start"] for row in reminders} == {moved.event.starts_at.isoformat()}
    assert not any([await house.still_wanted(row) for row in old])


async def test_an_event_moved_away_and_back_is_reminded_of(house: House) -> None:
    event = await house.event()
    admin, anna = await house.contacts(2)
    await house.events.register(anna, event.id)
    await house.events.move(admin, event.id, 0, days_later(1))
    await house.events.move(admin, event.id, 1, days_later(0))
    assert await house.rings(anna) == list(DEFAULT_OFFSETS)


async def test_an_event_moved_closer_is_not_reminded_of_at_once(house: House) -> None:
    event = await house.event()
    admin, anna = await house.contacts(2)
    await house.events.register(anna, event.id)
    soon = datetime(2026, 11, 23, 14, 0)  # in four hours
    await house.events.move(admin, event.id, 0, Times(soon, soon + timedelta(hours=2), HONG_KONG))
    assert await house.leads(anna) == [60]


async def test_a_move_through_a_change_of_clocks_keeps_the_elapsed_lead(house: House) -> None:
    start = datetime(2027, 3, 14, 9)  # clocks in New York go forward that night
    times = Times(start, start + timedelta(hours=1), "America/New_York")
    event, anna = await house.event(times=times), await house.contact()
    await house.reminders.toggle(anna, event.id, 1440)
    (reminder,) = await house.owed("event.reminder")
    assert reminder["due_at"] == datetime(2027, 3, 13, 13, tzinfo=UTC)
    assert event.starts_at == datetime(2027, 3, 14, 13, tzinfo=UTC)


async def test_nothing_rings_once_an_event_has_begun_or_is_cancelled(house: House) -> None:
    event = await house.event()
    admin, anna = await house.contacts(2)
    await house.events.register(anna, event.id)
    (*_, last) = await house.owed("event.reminder")
    await house.events.cancel(admin, event.id, 0)
    assert not await house.still_wanted(last)
    assert await house.owed("event.reminder") == []
    other = await house.event(title={"en": "Another"})
    await house.events.register(anna, other.id)
    (*_, last) = await house.owed("event.reminder")
    house.clock.set(other.starts_at)
    assert not await house.still_wanted(last)


async def test_a_reminder_that_got_lost_is_planned_again(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    await house.events.register(anna, event.id)
    before = await house.owed()
    assert await house.events.rederive(house.clock.now()) == []
    assert await house.owed() == before
    async with house.db.write() as tx:
        await tx.execute(delete(OutboxRow))
    await house.events.rederive(house.clock.now())
    assert await house.rings(anna) == list(DEFAULT_OFFSETS)


async def test_moves_and_choices_at_once_end_in_step(house: House) -> None:
    event = await house.event()
    admin, *people = await house.contacts(13)
    moving = house.events.move(admin, event.id, 0, days_later(1))
    choosing = [house.reminders.toggle(who, event.id, 60) for who in people[:6]]
    coming = [house.events.register(who, event.id) for who in people[6:]]
    await asyncio.gather(*choosing[:3], *coming[:3], moving, *choosing[3:], *coming[3:])
    assert [await house.rings(who) for who in people[:6]] == [[60]] * 6
    assert [await house.rings(who) for who in people[6:]] == [list(DEFAULT_OFFSETS)] * 6


async def test_one_person_choosing_in_two_chats_at_once_keeps_both(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    await house.reminders.toggle(anna, event.id, 60)
    await asyncio.gather(*(house.reminders.toggle(anna, event.id, m, on=True) for m in (180, 1440, 4320)))
    assert await house.rings(anna) == [4320, 1440, 180, 60]


# Privacy


async def test_people_can_take_and_erase_what_they_chose(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    await house.reminders.toggle(anna, None, 60)
    await house.reminders.toggle(anna, event.id, 1440)
    owner = house.reminders
    async with house.db.write() as tx:
        kept = await owner.export(tx, anna)
        await owner.erase(tx, anna)
        assert await owner.export(tx, anna) == {"subscriptions": []}
    assert [(row["event"], row["minutes_before"]) for row in kept["subscriptions"]] == [
        ("all", [60]),
        (event.id, [1440, 60]),
    ]
    assert await house.rings(anna) == []
