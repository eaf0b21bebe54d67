"""Registering, seats, moved and cancelled events, and what people are told, on both databases."""

# ruff: noqa: DTZ901 - events are announced in the time on their wall

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from bot.storage import Database
from bot.texts import LOCALES
from scheduler.events.files import calendar_file
from scheduler.events.models import Event, Registration
from scheduler.events.past import shipped
from scheduler.events.sample import load_samples, sample_events
from scheduler.events.values import (
    Added,
    AlreadyRegistered,
    Changed,
    EventView,
    Full,
    Gone,
    NotRegistered,
    Problem,
    Refused,
    Registered,
    Stale,
    Times,
    Unchanged,
    Unregistered,
    instant,
)
from tests.conftest import MovableClock
from tests.scheduler.events_house import (
    FORUM_ENDS,
    FORUM_STARTS,
    HONG_KONG,
    NEW_YORK,
    House,
    a_draft,
    days_later,
)

DAY = timedelta(days=1)


@pytest.fixture
def house(db: Database, clock: MovableClock) -> House:
    return House(db, clock)


# Registering


async def test_registering_takes_a_seat(house: House) -> None:
    event, anna = await house.event(capacity=2), await house.contact()
    done = await house.events.register(anna, event.id)
    assert isinstance(done, Registered)
    assert done.event.registered
    assert done.event.seats_left == 1
    assert await house.events.registered(event.id) == [anna]


async def test_registering_again_changes_nothing(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    await house.events.register(anna, event.id)
    owed = await house.owed()
    again = await house.events.register(anna, event.id)
    assert isinstance(again, AlreadyRegistered)
    assert again.event.taken == 1
    assert await house.owed() == owed


async def test_a_full_event_takes_nobody_more_until_a_seat_is_given_back(house: House) -> None:
    event = await house.event(capacity=1)
    anna, ben = await house.contacts(2)
    await house.events.register(anna, event.id)
    assert isinstance(await house.events.register(ben, event.id), Full)
    assert await house.owed(contact_id=ben) == []
    given_back = await house.events.unregister(anna, event.id)
    assert isinstance(given_back, Unregistered)
    assert given_back.event.taken == 0
    assert isinstance(await house.events.register(ben, event.id), Registered)


async def test_fifty_people_at_once_get_ten_seats(house: House) -> None:
    event = await house.event(capacity=10)
    people = await house.contacts(50)
    answers = await asyncio.gather(*(house.events.register(who, event.id) for who in people))
    assert Counter(type(answer) for answer in answers) == {Registered: 10, Full: 40}
    winners = [who for who, answer in zip(people, answers, strict=True) if isinstance(answer, Registered)]
    assert await house.events.registered(event.id) == sorted(winners)
    assert {row["contact_id"] for row in await house.owed()} == set(winners)


async def test_one_person_pressing_twenty_times_has_one_seat(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    answers = await asyncio.gather(*(house.events.register(anna, event.id) for _ in range(20)))
    assert Counter(type(answer) for answer in answers) == {Registered: 1, AlreadyRegistered: 19}
    assert (await house.seen(event.id)).taken == 1


async def test_giving_back_a_seat_one_has_not_is_harmless(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    assert isinstance(await house.events.unregister(anna, event.id), NotRegistered)
    await house.events.register(anna, event.id)
    await house.events.unregister(anna, event.id)
    assert isinstance(await house.events.unregister(anna, event.id), NotRegistered)


async def test_an_event_that_is_not_there_is_gone(house: House) -> None:
    anna = await house.contact()
    assert await house.events.detail(4711) is None
    assert await house.events.register(anna, 4711) == Gone(None)
    assert await house.events.unregister(anna, 4711) == Gone(None)
    assert await house.events.cancel(anna, 4711, 0) == Gone(None)


async def test_nobody_registers_once_an_event_has_begun(house: House) -> None:
    event, anna = await house.event(), await house.contact()
    house.clock.set(event.starts_at)
    assert isinstance(await house.events.register(anna, event.id), Gone)


async def test_the_link_to_join_is_for_those_registered(house: House) -> None:
    event = await house.event(online_url="https://meet.example.org/1")
    anna, ben = await house.contacts(2)
    await house.events.register(anna, event.id)
    assert (await house.seen(event.id, anna)).online_url == "https://meet.example.org/1"
    for stranger in (ben, None):
        seen = await house.seen(event.id, stranger)
        assert seen.online
        assert seen.online_url is None


# Lists


async def test_events_are_upcoming_until_they_end_and_past_after(house: House) -> None:
    later = await house.event(times=days_later(1))
    sooner = await house.event()
    assert [event.id for event in await house.events.upcoming()] == [sooner.id, later.id]
    house.clock.set(sooner.ends_at - timedelta(seconds=1))
    assert [event.id for event in await house.events.upcoming()] == [sooner.id, later.id]
    house.clock.set(sooner.ends_at)
    assert [event.id for event in await house.events.upcoming()] == [later.id]
    newest = (await house.events.past())[0]
    assert (newest.event_id, newest.first) == (sooner.id, date(2026, 12, 10))


async def test_cancelled_and_sample_events_are_not_told_as_past(house: House) -> None:
    off, admin = await house.event(), await house.contact()
    await house.event(sample=True)
    await house.events.cancel(admin, off.id, off.revision)
    assert off.id not in {event.id for event in await house.events.upcoming()}
    house.clock.advance(timedelta(days=60))
    assert await house.events.past() == list(shipped())


def test_the_events_of_the_programme_are_told_in_three_languages_newest_first() -> None:
    events = shipped()
    assert [event.first or event.year for event in events] == [
        date(2023, 8, 1),
        date(2022, 8, 8),
        date(2021, 9, 7),
        date(2020, 12, 2),
        2017,
    ]
    for event in events:
        for texts in (event.title, event.text, event.place):
            assert texts.keys() == LOCALES.keys()
            assert all(texts.values())


def test_what_only_the_programme_says_is_attributed_to_it() -> None:
    attributed = {"en": "programme", "zh-Hans": "项目介绍", "zh-Hant": "計劃介紹"}
    for event in shipped():
        if event.year != 2022:
            assert all(word in event.text[locale] for locale, word in attributed.items())
        everything = str([event.title, event.text, event.place])
        assert not any(wrong in everything for wrong in ("Stock Exchange", "HKEX", "香港交易所", "Ling"))


# Staff


async def test_adding_the_same_draft_twice_adds_one_event(house: House) -> None:
    admin = await house.contact()
    first, second = [await house.events.add(admin, a_draft()) for _ in range(2)]
    assert isinstance(first, Added)
    assert isinstance(second, Unchanged)
    assert second.event == first.event
    assert await house.audited() == [(admin, "event.added", f"event:{first.event.id}")]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"title": {}}, Problem.NO_TITLE),
        ({"title": {"en": ""}}, Problem.NO_TITLE),
        ({"capacity": 0}, Problem.NO_SEATS),
        ({"online_url": "http://meet.example.org"}, Problem.NOT_HTTPS),
        ({"online_url": "https://"}, Problem.NOT_HTTPS),
        ({"online_url": 'https://meet.example.org/" onclick="'}, Problem.NOT_HTTPS),
        ({"title": {"en": "x" * 201}}, Problem.TOO_LONG),
        ({"description": {"zh-Hans": "长" * 2501}}, Problem.TOO_LONG),
        ({"times": Times(FORUM_STARTS, FORUM_ENDS, "Hong Kong")}, Problem.UNKNOWN_ZONE),
        ({"times": Times(FORUM_ENDS, FORUM_STARTS, HONG_KONG)}, Problem.ENDS_BEFORE_START),
        ({"times": Times(FORUM_STARTS, FORUM_STARTS, HONG_KONG)}, Problem.ENDS_BEFORE_START),
        ({"times": Times(datetime(2026, 11, 23, 10), FORUM_ENDS, HONG_KONG)}, Problem.IN_THE_PAST),
        ({"times": Times(datetime.min, datetime.max, HONG_KONG)}, Problem.TOO_FAR),
        ({"times": Times(datetime.min, FORUM_ENDS, HONG_KONG)}, Problem.IN_THE_PAST),
        ({"times": Times(FORUM_STARTS, datetime.min, HONG_KONG)}, Problem.ENDS_BEFORE_START),
    ],
)
async def test_an_impossible_draft_is_refused(house: House, changes: dict[str, object], problem: Problem) -> None:
    assert await house.events.add(None, a_draft(**changes)) == Refused(problem)
    assert await house.events.upcoming() == []


async def test_moving_an_event_tells_everyone_who_counts_on_it_once(house: House) -> None:
    event = await house.event()
    admin, anna, ben, carol, dora = await house.contacts(5)
    await house.events.register(anna, event.id)
    await house.reminders.toggle(ben, event.id, 60)
    await house.events.register(carol, event.id)
    await house.events.unregister(carol, event.id)
    woken = house.woken
    times = days_later(1)
    moved = await house.events.move(admin, event.id, event.revision, times)
    assert isinstance(moved, Changed)
    assert (moved.event.revision, moved.told) == (event.revision + 1, 2)
    assert moved.event.starts_at == event.starts_at + DAY
    assert isinstance(await house.events.move(admin, event.id, event.revision, times), Unchanged)
    notices = await house.owed("event.moved")
    assert sorted(row["contact_id"] for row in notices) == [anna, ben]
    assert {row["due_at"] for row in notices} == {house.clock.now()}
    assert {row["expires_at"] for row in notices} == {moved.event.starts_at}
    assert house.woken == woken + 1
    assert (admin, "event.moved", f"event:{event.id}") in await house.audited()
    assert dora not in {row["contact_id"] for row in await house.owed()}


async def test_a_move_to_an_earlier_day_is_told_until_the_old_time(house: House) -> None:
    event = await house.event()
    admin, anna = await house.contacts(2)
    await house.events.register(anna, event.id)
    await house.events.move(admin, event.id, 0, days_later(-1))
    (notice,) = await house.owed("event.moved")
    assert notice["expires_at"] == event.starts_at


async def test_only_the_latest_of_two_moves_is_told(house: House) -> None:
    event = await house.event()
    admin, anna = await house.contacts(2)
    await house.events.register(anna, event.id)
    for n in (1, 2):
        await house.events.move(admin, event.id, n - 1, days_later(n))
    (notice,) = await house.owed("event.moved")
    assert notice["payload"]["revision"] == 2
    assert await house.still_wanted(notice)


async def test_a_change_on_top_of_an_unseen_one_is_refused(house: House) -> None:
    event = await house.event()
    admin, other = await house.contacts(2)
    await house.events.move(admin, event.id, 0, days_later(1))
    late = await house.events.move(other, event.id, 0, days_later(-1))
    assert isinstance(late, Stale)
    assert late.event.revision == 1
    assert isinstance(await house.events.cancel(other, event.id, 0), Stale)
    assert not (await house.seen(event.id)).cancelled


async def test_two_staff_moving_at_once_do_not_undo_each_other(house: House) -> None:
    event = await house.event()
    staff = await house.contacts(8)
    answers = await asyncio.gather(
        *(house.events.move(who, event.id, 0, days_later(n)) for n, who in enumerate(staff, 1))
    )
    assert Counter(type(answer) for answer in answers) == {Changed: 1, Stale: 7}
    assert (await house.seen(event.id)).revision == 1


async def test_a_move_into_the_past_is_refused(house: House) -> None:
    event, admin = await house.event(), await house.contact()
    before = house.clock.now().replace(tzinfo=None) - DAY
    answer = await house.events.move(admin, event.id, 0, Times(before, FORUM_ENDS, HONG_KONG))
    assert answer == Refused(Problem.IN_THE_PAST)


async def test_cancelling_tells_those_concerned_and_silences_the_rest(house: House) -> None:
    event = await house.event()
    admin, anna, ben = await house.contacts(3)
    await house.events.register(anna, event.id)
    await house.reminders.toggle(ben, event.id, 60)
    await house.events.move(admin, event.id, 0, days_later(1))
    cancelled = await house.events.cancel(admin, event.id, 1)
    assert isinstance(cancelled, Changed)
    assert cancelled.event.cancelled
    assert isinstance(await house.events.cancel(admin, event.id, 1), Unchanged)
    owed = await house.owed()
    assert sorted((row["kind"], row["contact_id"]) for row in owed) == [
        ("event.cancelled", anna),
        ("event.cancelled", ben),
    ]
    assert all([await house.still_wanted(row) for row in owed])


async def test_a_cancelled_event_takes_and_moves_nobody(house: House) -> None:
    event = await house.event()
    admin, anna = await house.contacts(2)
    await house.events.cancel(admin, event.id, 0)
    assert isinstance(await house.events.register(anna, event.id), Gone)
    times = days_later(1)
    assert isinstance(await house.events.move(admin, event.id, 1, times), Gone)


async def test_a_new_event_is_told_to_those_who_follow_all(house: House) -> None:
    anna, ben = await house.contacts(2)
    await house.reminders.toggle(anna, None, 1440)
    event = await house.event()
    (notice,) = await house.owed("event.published")
    assert notice["contact_id"] == anna
    assert notice["expires_at"] == event.starts_at
    assert await house.leads(anna) == [1440]
    assert await house.owed(contact_id=ben) == []


async def test_news_is_not_sent_to_somebody_who_stopped_meanwhile(house: House) -> None:
    anna = await house.contact()
    await house.reminders.toggle(anna, None, 1440)
    await house.event()
    (notice,) = await house.owed("event.published")
    assert await house.still_wanted(notice)
    await house.reminders.stop(anna, None)
    assert not await house.still_wanted(notice)


async def test_a_failing_audit_leaves_the_event_as_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    event, admin = await house.event(), await house.contact()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("scheduler.events.service.audit", broken)
    with pytest.raises(ZeroDivisionError):
        await house.events.cancel(admin, event.id, 0)
    assert await house.seen(event.id) == event
    assert await house.owed() == []


# Time


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        (HONG_KONG, datetime(2026, 12, 10, 9, 30), datetime(2026, 12, 10, 1, 30)),
        (NEW_YORK, datetime(2027, 1, 15, 9), datetime(2027, 1, 15, 14)),
        (NEW_YORK, datetime(2027, 7, 15, 9), datetime(2027, 7, 15, 13)),
        # 02:30 is skipped on 14 March 2027: clocks then show 03:30
        (NEW_YORK, datetime(2027, 3, 14, 2, 30), datetime(2027, 3, 14, 7, 30)),
        # 01:30 comes twice on 7 November 2027: the first is meant
        (NEW_YORK, datetime(2027, 11, 7, 1, 30), datetime(2027, 11, 7, 5, 30)),
        (NEW_YORK, datetime(2027, 11, 7, 1, 30, fold=1), datetime(2027, 11, 7, 5, 30)),
        ("Europe/London", datetime(2027, 3, 28, 1, 30), datetime(2027, 3, 28, 1, 30)),
    ],
)
def test_wall_clock_times_become_instants(zone: str, local: datetime, utc: datetime) -> None:
    assert instant(local, zone) == utc.replace(tzinfo=UTC)


def test_the_time_on_the_wall_has_no_offset() -> None:
    with pytest.raises(ValueError, match="no offset"):
        Times(FORUM_STARTS.replace(tzinfo=UTC), FORUM_ENDS, HONG_KONG)


@given(
    local=st.datetimes(datetime(2026, 1, 1), datetime(2035, 1, 1)),
    zone=st.sampled_from([HONG_KONG, NEW_YORK, "Europe/London", "Australia/Lord_Howe"]),
)
def test_an_instant_shows_the_announced_time_or_the_first_after_a_gap(local: datetime, zone: str) -> None:
    shown = instant(local, zone).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert timedelta(0) <= shown - local <= timedelta(hours=1)
    assert shown == local or instant(shown, zone) == instant(local, zone)


async def test_an_event_keeps_its_wall_time_through_a_change_of_the_zones_rules(
    house: House,
) -> None:
    event, anna = await house.event(), await house.contact()
    await house.events.register(anna, event.id)
    hour = timedelta(hours=1)
    async with house.db.write() as tx:  # as an older edition of the zone rules would have had it
        then = {"starts_at": event.starts_at - hour, "ends_at": event.ends_at - hour}
        await tx.execute(update(Event).values(then))
    assert await house.events.rederive(house.clock.now()) == [event.id]
    mended = await house.seen(event.id)
    assert mended.starts_at == event.starts_at
    assert mended.starts_local == FORUM_STARTS
    assert await house.rings(anna) == [10080, 1440, 60]
    assert await house.events.rederive(house.clock.now()) == []


async def test_rederiving_leaves_events_that_began_alone(house: House) -> None:
    event = await house.event()
    house.clock.set(event.starts_at)
    assert await house.events.rederive(house.clock.now()) == []
    assert await house.seen(event.id) == event


async def test_an_event_abroad_is_shown_in_both_zones(house: House) -> None:
    times = Times(datetime(2027, 3, 13, 20), datetime(2027, 3, 14, 4), NEW_YORK)
    event, anna = await house.event(times=times), await house.contact()
    assert event.ends_at - event.starts_at == timedelta(hours=7)
    await house.events.register(anna, event.id)
    reminder = (await house.owed("event.reminder"))[0]
    message = await house.rendered(reminder, zone=HONG_KONG)
    assert message is not None
    assert "Sun 14 Mar 2027, 09:00–16:00 (Hong Kong, UTC+8)" in message.html
    assert "Sat 13 Mar 2027, 20:00 – Sun 14 Mar 2027, 04:00 (New York, UTC-5)" in message.html
    at_home = await house.rendered(reminder, zone="America/Toronto")
    assert at_home is not None
    assert at_home.html.count("UTC-5") == 1


# What people read


async def test_each_message_speaks_each_language_without_markup_from_outside(house: House) -> None:
    anna, admin = await house.contacts(2)
    await house.reminders.toggle(anna, None, 60)
    event = await house.event(online_url="https://meet.example.org/1", kind="training")
    rows = await house.owed()
    await house.events.register(anna, event.id)
    await house.events.move(admin, event.id, 0, days_later(1))
    rows += await house.owed("event.moved")
    await house.events.cancel(admin, event.id, 1)
    rows += await house.owed("event.cancelled")
    assert {row["kind"] for row in rows} == house.kinds.keys()
    for row in rows:
        for locale in LOCALES:
            message = await house.rendered(row, locale)
            assert message is not None
            assert event.title[locale] in message.html
            assert "Cyberport &lt;Hall 1&gt;" in message.html
            assert message.buttons


async def test_a_reminder_of_an_online_event_links_to_it_only_for_those_registered(
    house: House,
) -> None:
    event = await house.event(online_url="https://meet.example.org/1")
    anna, ben = await house.contacts(2)
    await house.events.register(anna, event.id)
    await house.reminders.toggle(ben, event.id, 60)
    links = {}
    for row in await house.owed():
        message = await house.rendered(row)
        assert message is not None
        links[row["contact_id"]] = {button.url for line in message.buttons for button in line}
    assert "https://meet.example.org/1" in links[anna]
    assert links[ben] == {None}


async def test_the_calendar_file_follows_the_event(house: House) -> None:
    event, admin = await house.event(), await house.contact()
    say = house.texts.translator("en", HONG_KONG)

    def entry(of: EventView) -> Any:
        document = calendar_file(of, say, "HKIPX")
        return icalendar.Calendar.from_ical(document.data)

    files = [entry(event)]
    house.clock.advance(timedelta(hours=1))
    await house.events.move(admin, event.id, 0, days_later(1))
    files.append(entry(await house.seen(event.id)))
    await house.events.cancel(admin, event.id, 1)
    files.append(entry(await house.seen(event.id)))
    entries = [file.events[0] for file in files]
    assert [str(file["METHOD"]) for file in files] == ["PUBLISH", "PUBLISH", "CANCEL"]
    assert [entry["SEQUENCE"] for entry in entries] == [0, 1, 2]
    assert {str(entry["UID"]) for entry in entries} == {
        f"event-{event.id}@{event.created_at:%Y%m%dt%H%M%S}.cipo-advisor"
    }
    assert [entry["DTSTART"].dt.astimezone(UTC) for entry in entries] == [
        event.starts_at,
        event.starts_at + DAY,
        event.starts_at + DAY,
    ]
    assert entries[1]["DTSTAMP"].dt == house.clock.now()


# Sample data and privacy


async def test_sample_events_are_marked_ahead_and_loaded_once(house: House) -> None:
    assert await load_samples(house.events, house.clock.now()) == 2
    assert await load_samples(house.events, house.clock.now()) == 0
    events = await house.events.upcoming()
    assert {event.kind for event in events} == {"forum", "training"}
    assert all(event.sample and event.ahead(house.clock.now()) for event in events)
    for draft in sample_events(house.clock.now()):
        for texts in (draft.title, draft.summary, draft.description, draft.venue):
            assert texts.keys() == LOCALES.keys()
        assert [word in draft.title[code] for code, word in (("en", "Sample"), ("zh-Hans", "示例"))]


async def test_sample_events_gone_by_are_renewed(house: House) -> None:
    await load_samples(house.events, house.clock.now())
    house.clock.advance(timedelta(days=22))
    assert await load_samples(house.events, house.clock.now()) == 1
    assert len(await house.events.upcoming()) == 2


@given(days=st.integers(0, 400), hours=st.integers(0, 23))
def test_sample_events_fall_on_a_thursday_ahead(days: int, hours: int) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(days=days, hours=hours)
    for draft in sample_events(now):
        assert draft.problem(now) is None
        assert draft.times.starts_local.weekday() == 3


async def test_purging_samples_takes_everything_that_hangs_on_them(house: House) -> None:
    real, anna = await house.event(), await house.contact()
    await load_samples(house.events, house.clock.now())
    for event in await house.events.upcoming():
        await house.events.register(anna, event.id)
    assert await house.events.purge_samples() == 2
    assert [event.id for event in await house.events.upcoming()] == [real.id]
    assert {row["subject"] for row in await house.owed()} == {f"event:{real.id}"}


async def test_people_can_take_and_erase_their_registrations(house: House) -> None:
    event = await house.event(capacity=1)
    anna, ben = await house.contacts(2)
    await house.events.register(anna, event.id)
    owner = house.events
    async with house.db.write() as tx:
        kept = await owner.export(tx, anna)
        await owner.erase(tx, anna)
        assert await owner.export(tx, anna) == {"events": []}
    assert [(row["slug"], row["state"]) for row in kept["events"]] == [(event.slug, "registered")]
    assert isinstance(await house.events.register(ben, event.id), Registered)
    async with house.db.read() as tx:
        assert (await tx.execute(select(Registration.contact_id))).scalars().all() == [ben]
