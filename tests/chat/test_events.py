"""Somebody looks for an event, takes a seat, is reminded, and is told when things change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest

from bot.channels.translate import send_method
from bot.texts import LOCALES, Action, Button, Message, Texts
from bot.texts.actions import (
    RegisterForEvent,
    SendEventFile,
    ShowEvent,
    ShowEvents,
    ShowReminders,
    ToggleReminder,
    UnregisterFromEvent,
)
from handlers.chat.events import (
    event_message,
    offset_label,
    overview_message,
    past_message,
    upcoming_message,
)
from scheduler.events.past import shipped
from scheduler.events.values import LONGEST, Added, Changed, EventView, PastEvent, Times
from scheduler.reminders import Overview
from scheduler.reminders.service import Followed
from tests.conftest import START, MovableClock
from tests.machine import Machine, Seen, Visitor, plain
from tests.scheduler.events_house import HONG_KONG, a_draft

STARTS = datetime(2026, 12, 10, 1, 30, tzinfo=UTC)
"""09:30 in Hong Kong."""


def wall(text: str) -> datetime:
    """A naive time of the clock on the wall."""
    return datetime.fromisoformat(text)


async def announced(chat: Machine, **changes: Any) -> EventView:
    added = await chat.core.services.events.add(None, a_draft(**changes))
    assert isinstance(added, Added), added
    return added.event


async def moved(chat: Machine, event: EventView, times: Times) -> EventView:
    outcome = await chat.core.services.events.move(1, event.id, event.revision, times)
    assert isinstance(outcome, Changed), outcome
    return outcome.event


async def registered(visitor: Visitor, event: EventView) -> Seen:
    await visitor.says("/events")
    await visitor.presses("IP for growth")
    return await visitor.presses("Register")


async def offered(visitor: Visitor, *actions: Action) -> Seen:
    """An older message of ours, with those buttons."""
    buttons = tuple((Button("old", action),) for action in actions)
    await visitor.machine.app.web_bot(send_method(visitor.chat_id, Message("Before", buttons)))
    return await visitor.last()


async def messages(visitor: Visitor) -> int:
    return sum(message.by == "bot" for message in await visitor.page())


# What is on


async def test_the_list_tells_what_when_and_where(chat: Machine) -> None:
    await announced(chat, capacity=30)
    visitor = await chat.visitor()
    page = await visitor.says("/events")
    assert "IP for growth" in page.text
    assert "Thu 10 Dec 2026, 09:30–17:00 (Hong Kong, UTC+8)" in page.text
    assert "Cyberport <Hall 1>" in page.text
    assert "30 seats left" in page.text
    assert "IP for growth" in page.labels()


async def test_sample_events_are_marked_in_the_list_and_in_detail(town: Machine) -> None:
    visitor = await town.visitor()
    page = await visitor.says("/events")
    assert page.text.count("Sample: invented, it does not take place.") == 2
    detail = await visitor.presses("CIPO forum")
    assert "Sample: invented, it does not take place." in detail.text


async def test_with_nothing_announced_one_can_ask_to_be_told(chat: Machine) -> None:
    visitor = await chat.visitor()
    page = await visitor.says("/events")
    assert "Nothing is announced" in page.text
    assert "Reminders of all future events" in (await visitor.presses("Tell me of new")).text


async def test_past_events_stand_on_a_second_page_and_say_whose_word_it_is(chat: Machine) -> None:
    visitor = await chat.visitor()
    await visitor.says("/events")
    page = await visitor.presses("Past events")
    assert "2023 Shenzhen CIPO (Futian) Training Course" in page.text
    assert "Tue 1 Aug 2023 – Wed 2 Aug 2023 · Futian, Shenzhen" in page.text
    assert "According to the programme" in page.text
    assert "in 2017" in (await visitor.presses("Next")).text
    assert "CIPO Forum, Futian 2021" in (await visitor.presses("Previous")).text


async def test_many_events_are_turned_page_by_page(chat: Machine) -> None:
    for number in range(7):
        await announced(chat, title={"en": f"Forum {number}."}, capacity=number + 1)
    visitor = await chat.visitor()
    first = await visitor.says("/events")
    assert "Forum 4." in first.text
    assert "Forum 5." not in first.text
    second = await visitor.presses("Next")
    assert second.id == first.id
    assert "Forum 6." in second.text
    assert "Forum 4." not in second.text
    old = await offered(visitor, ShowEvents(False, 99))
    beyond = await visitor.presses("old", old)
    assert "Forum 6." in beyond.text


async def test_an_event_that_is_over_moves_to_the_past(chat: Machine, clock: MovableClock) -> None:
    await announced(chat)
    clock.set(STARTS + timedelta(days=1))
    visitor = await chat.visitor()
    assert "IP for growth" not in (await visitor.says("/events")).text
    past = await visitor.presses("Past events")
    assert "\nThu 10 Dec 2026 · Cyberport" in past.text
    assert "This event is over." in (await visitor.presses("IP for growth")).text


async def test_the_detail_is_one_message_with_the_list(chat: Machine) -> None:
    await announced(chat)
    visitor = await chat.visitor()
    listed = await visitor.says("/events")
    detail = await visitor.presses("IP for growth")
    assert detail.id == listed.id
    assert "A day of talks." in detail.text
    assert "Six talks and a panel." in detail.text
    assert (await visitor.presses("All events")).id == listed.id


async def test_a_reader_elsewhere_sees_both_clocks(chat: Machine) -> None:
    await announced(chat, times=Times(wall("2026-12-10 09:00"), wall("2026-12-10 11:00"), "Europe/Berlin"))
    visitor = await chat.visitor()
    await visitor.says("/events")
    detail = await visitor.presses("IP for growth")
    assert "Thu 10 Dec 2026, 16:00–18:00 (Hong Kong, UTC+8)" in detail.text
    assert "There: Thu 10 Dec 2026, 09:00–11:00 (Berlin, UTC+1)" in detail.text


async def test_the_link_to_join_is_for_those_registered(chat: Machine) -> None:
    event = await announced(chat, online_url="https://meet.example.org/forum")
    visitor = await chat.visitor()
    await visitor.says("/events")
    before = await visitor.presses("IP for growth")
    assert "Join online" not in before.labels()
    assert "for those registered" in before.text
    assert "Join online" in (await visitor.presses("Register")).labels()
    other = await chat.visitor()
    assert "Join online" not in (await other.says(f"/start event_{event.id}")).labels()


# A seat


async def test_registering_twice_takes_one_seat(chat: Machine) -> None:
    event = await announced(chat, capacity=30)
    visitor = await chat.visitor()
    first, second = [await offered(visitor, RegisterForEvent(event.id)) for _ in range(2)]
    seen = await visitor.presses("old", first)
    assert "✓ You are registered." in seen.text
    assert "You are registered: Thu 10 Dec 2026, 09:30" in visitor.toasts[-1]
    again = await visitor.presses("old", second)
    assert "✓ You are registered." in again.text
    assert "already" in visitor.toasts[-1]
    other = await chat.visitor()
    assert "29 seats left" in (await other.says(f"/start event_{event.id}")).text


async def test_who_registers_when_no_reminder_is_left_is_not_promised_one(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    early, late = await chat.visitor(), await chat.visitor()
    await registered(early, event)
    assert "I remind you before" in early.toasts[-1]
    clock.set(STARTS - timedelta(minutes=30))
    await registered(late, event)
    assert "You are registered: Thu 10 Dec 2026, 09:30" in late.toasts[-1]
    assert "remind you" not in late.toasts[-1]
    assert "too close for a reminder" in late.toasts[-1]


async def test_the_last_seat_goes_to_one_of_two(chat: Machine) -> None:
    event = await announced(chat, capacity=1)
    first, second = await chat.visitor(), await chat.visitor()
    await second.says(f"/start event_{event.id}")
    await registered(first, event)
    refused = await second.presses("Register")
    assert "All seats are taken." in refused.text
    assert "Register" not in refused.labels()
    assert "All seats are taken. One may come free" in second.toasts[-1]
    await first.presses("Give up my seat")
    await first.presses("Yes, give it up")
    assert "Register" in (await second.says(f"/start event_{event.id}")).labels()


async def test_giving_up_a_seat_asks_once(chat: Machine) -> None:
    event = await announced(chat, capacity=1)
    visitor = await chat.visitor()
    await registered(visitor, event)
    assert "Give up your seat?" in (await visitor.presses("Give up my seat")).text
    assert "✓ You are registered." in (await visitor.presses("No, I am coming")).text
    await visitor.presses("Give up my seat")
    free = await visitor.presses("Yes, give it up")
    assert "1 seat left." in free.text
    assert "given back" in visitor.toasts[-1]
    await visitor.presses("old", await offered(visitor, UnregisterFromEvent(event.id, True)))
    assert visitor.toasts[-1] == "You have no seat at this event."
    asked = await visitor.presses("old", await offered(visitor, UnregisterFromEvent(event.id, False)))
    assert "Give up your seat?" not in asked.text
    assert "Register" in asked.labels()


@pytest.mark.parametrize("state", ["cancelled", "begun", "over"])
async def test_nobody_registers_for_what_is_off_or_has_begun(chat: Machine, clock: MovableClock, state: str) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    detail = await visitor.says(f"/start event_{event.id}")
    if state == "cancelled":
        await chat.core.services.events.cancel(1, event.id, event.revision)
    else:
        clock.set(event.starts_at if state == "begun" else event.ends_at)
    refused = await visitor.presses("Register", detail)
    expected = {"cancelled": "has been cancelled", "begun": "has begun", "over": "is over"}[state]
    assert expected in refused.text
    assert expected in visitor.toasts[-1]
    assert "Register" not in refused.labels()


async def test_buttons_of_an_event_that_is_gone_say_so(chat: Machine) -> None:
    visitor = await chat.visitor()
    gone: tuple[Action, ...] = (
        ShowEvent(999),
        RegisterForEvent(999),
        UnregisterFromEvent(999, False),
        UnregisterFromEvent(999, True),
        SendEventFile(999),
        ShowReminders(999),
        ToggleReminder(999, 60, True),
    )
    old = await offered(visitor, *gone)
    for action in gone:
        after = await visitor.sends_data(action.encode(), old.id)
        assert visitor.toasts.pop() == "That event is no longer here. /events shows all."
        assert after.text == old.text


async def test_one_person_cannot_touch_the_seat_of_another(chat: Machine) -> None:
    event = await announced(chat, capacity=2)
    owner, stranger = await chat.visitor(), await chat.visitor()
    await registered(owner, event)
    await stranger.presses("old", await offered(stranger, UnregisterFromEvent(event.id, True)))
    assert stranger.toasts == ["You have no seat at this event."]
    assert "No, I am coming" in (await owner.presses("Give up my seat")).labels()
    found = await chat.core.services.events.detail(event.id)
    assert found is not None
    assert found.taken == 1


async def test_the_calendar_file_holds_the_event(chat: Machine) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    await visitor.says(f"/start event_{event.id}")
    sent = await visitor.presses("Calendar file")
    assert sent.document is not None
    assert sent.document.endswith(".ics")
    calendar = icalendar.Calendar.from_ical(await visitor.downloads(sent))
    entry = calendar.events[0]
    assert calendar["METHOD"] == "PUBLISH"
    assert entry["SUMMARY"] == "IP for growth"
    assert entry.start.astimezone(UTC) == STARTS


async def test_the_calendar_file_of_a_cancelled_event_takes_it_out_again(chat: Machine) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    await registered(visitor, event)
    first = icalendar.Calendar.from_ical(await visitor.downloads(await visitor.presses("Calendar file")))
    await chat.core.services.events.cancel(1, event.id, event.revision)
    await chat.settled()
    sent = await visitor.presses("Remove from calendar")
    second = icalendar.Calendar.from_ical(await visitor.downloads(sent))
    assert second["METHOD"] == "CANCEL"
    assert second.events[0]["UID"] == first.events[0]["UID"]
    assert second.events[0]["SEQUENCE"] > first.events[0]["SEQUENCE"]


# Links


async def test_a_deep_link_opens_the_event(chat: Machine) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    assert "Six talks and a panel." in (await visitor.says(f"/start event_{event.id}")).text


async def test_malformed_and_unknown_links_say_so_and_open_the_menu(chat: Machine) -> None:
    await announced(chat)
    visitor = await chat.visitor()
    for number in ("", "0", "999", "x", "-1", "1 or 2", "٣", "9" * 40):
        await visitor.says(f"/start event_{number}")
        answers = [message.text for message in await visitor.page() if message.by == "bot"]
        assert "I do not know that link" in answers[-2]
        assert "I am CIPO Advisor" in answers[-1]


# Reminders


async def test_a_reminder_comes_once_when_it_is_due(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    await visitor.says(f"/start event_{event.id}")
    await visitor.presses("Remind me")
    chosen = await visitor.presses("3 hours before")
    assert "✓ 3 hours before" in chosen.labels()
    before = await messages(visitor)
    clock.set(STARTS - timedelta(hours=3, seconds=1))
    await chat.settled()
    assert await messages(visitor) == before
    clock.advance(timedelta(minutes=1))
    await chat.settled()
    assert await messages(visitor) == before + 1
    reminder = await visitor.last()
    assert "A reminder of what is coming up" in reminder.text
    assert "not registered yet" in reminder.text
    clock.advance(timedelta(hours=2))
    await chat.settled()
    assert await messages(visitor) == before + 1


async def test_a_reminder_switched_off_does_not_come(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    await visitor.says(f"/start event_{event.id}")
    await visitor.presses("Remind me")
    await visitor.presses("1 hour before")
    off = await visitor.presses("✓ 1 hour before")
    assert "1 hour before" in off.labels()
    before = await messages(visitor)
    clock.set(STARTS - timedelta(minutes=50))
    await chat.settled()
    assert await messages(visitor) == before


async def test_an_old_switch_pressed_again_switches_nothing_back(chat: Machine) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    for _ in range(2):
        old = await offered(visitor, ToggleReminder(event.id, 60, True))
        assert "✓ 1 hour before" in (await visitor.presses("old", old)).labels()


async def test_an_offset_already_past_cannot_be_chosen(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    await visitor.says(f"/start event_{event.id}")
    old = await visitor.presses("Remind me")
    switch = old.data_of("3 days before")
    clock.set(STARTS - timedelta(hours=30))
    now = await visitor.sends_data(switch, old.id)
    assert "3 days before: not possible any more" in now.labels()
    assert "7 days before: not possible any more" in now.labels()
    assert visitor.toasts == ["That moment has passed: not possible any more."]
    assert "1 day before" in now.labels()
    await visitor.presses("not possible any more")
    before = await messages(visitor)
    clock.set(STARTS - timedelta(hours=1))
    await chat.settled()
    assert await messages(visitor) == before


async def test_choices_of_an_event_that_began_lead_to_the_event(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    detail = await visitor.says(f"/start event_{event.id}")
    clock.set(STARTS)
    assert "has begun" in (await visitor.presses("Remind me", detail)).text
    assert "has begun" in visitor.toasts[-1]


async def test_following_all_future_events_tells_of_a_new_one_and_reminds(chat: Machine, clock: MovableClock) -> None:
    visitor = await chat.visitor()
    await visitor.says("/reminders")
    await visitor.presses("All future events")
    await visitor.presses("1 day before")
    await announced(chat)
    await chat.settled()
    assert "A new forum has been announced" in (await visitor.last()).text
    clock.set(STARTS - timedelta(days=1))
    await chat.settled()
    assert "A reminder of what is coming up" in (await visitor.last()).text


async def test_the_overview_names_everything_and_stops_it(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    assert "No event reminders are set" in (await visitor.says("/reminders")).text
    await registered(visitor, event)
    overview = await visitor.says("/reminders")
    assert "IP for growth" in overview.text
    assert "7 days before · 1 day before · 1 hour before" in overview.text
    await visitor.presses("All future events")
    await visitor.presses("3 days before")
    everything = await visitor.presses("My reminders")
    assert "All future events: 3 days before" in everything.text
    assert "IP for growth" in everything.text
    stopped = await visitor.presses("Stop all of them")
    assert "No event reminders are set" in stopped.text
    assert "Stop all of them" not in stopped.labels()
    before = await messages(visitor)
    clock.set(STARTS - timedelta(minutes=30))
    await chat.settled()
    assert await messages(visitor) == before


async def test_the_reminders_of_one_event_can_be_stopped_alone(chat: Machine) -> None:
    await announced(chat)
    await announced(chat, title={"en": "Patents abroad"}, kind="training")
    visitor = await chat.visitor()
    await visitor.says("/reminders")
    await visitor.presses("All future events")
    await visitor.presses("1 day before")
    await visitor.presses("My reminders")
    await visitor.presses("Patents abroad")
    overview = await visitor.presses("No reminders")
    assert "IP for growth" in overview.text
    assert "Patents abroad" not in overview.text


async def test_reminders_belong_to_one_person(chat: Machine) -> None:
    event = await announced(chat)
    first, second = await chat.visitor(), await chat.visitor()
    await first.says(f"/start event_{event.id}")
    await first.presses("Remind me")
    await first.presses("1 hour before")
    await second.says(f"/start event_{event.id}")
    assert "✓ 1 hour before" not in (await second.presses("Remind me")).labels()
    await second.says("/reminders")
    assert "No event reminders are set" in (await second.last()).text


# When things change


async def test_a_moved_event_is_told_and_reminded_of_at_its_new_time_only(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    await registered(visitor, event)
    day_after = Times(wall("2026-12-12 09:30"), wall("2026-12-12 17:00"), HONG_KONG)
    await moved(chat, event, day_after)
    await chat.settled()
    notice = await visitor.last()
    assert "new time" in notice.text
    assert "<s>Thu 10 Dec 2026, 09:30–17:00" in notice.html
    assert "Sat 12 Dec 2026, 09:30–17:00" in notice.text
    assert "Details" in notice.labels()
    before = await messages(visitor)
    clock.set(STARTS - timedelta(days=7) + timedelta(minutes=1))
    await chat.settled()
    assert await messages(visitor) == before
    clock.set(STARTS - timedelta(days=5))
    await chat.settled()
    assert await messages(visitor) == before + 1
    assert "Sat 12 Dec 2026" in (await visitor.last()).text


async def test_a_cancelled_event_is_told_and_reminds_nobody(chat: Machine, clock: MovableClock) -> None:
    event = await announced(chat)
    visitor = await chat.visitor()
    await registered(visitor, event)
    await chat.core.services.events.cancel(1, event.id, event.revision)
    await chat.settled()
    assert "cancelled" in (await visitor.last()).text
    before = await messages(visitor)
    clock.set(STARTS - timedelta(minutes=59))
    await chat.settled()
    assert await messages(visitor) == before
    assert "Nothing is announced" in (await visitor.says("/events")).text


# Texts


def a_view(**changes: Any) -> EventView:
    draft = a_draft()
    usual: dict[str, Any] = {
        "id": 1,
        "slug": "forum",
        "kind": draft.kind,
        "status": "published",
        "title": draft.title,
        "summary": draft.summary,
        "description": draft.description,
        "venue": draft.venue,
        "online": True,
        "online_url": None,
        "starts_local": draft.times.starts_local,
        "ends_local": draft.times.ends_local,
        "zone": HONG_KONG,
        "starts_at": STARTS,
        "ends_at": STARTS + timedelta(hours=7, minutes=30),
        "capacity": 30,
        "taken": 3,
        "registered": False,
        "revision": 0,
        "sample": True,
        "created_at": START,
        "changed_at": START,
    }
    return EventView(**{**usual, **changes})


@pytest.mark.parametrize("locale", LOCALES)
def test_the_longest_texts_fit_one_message(locale: str) -> None:
    say = Texts().translator(locale, "America/New_York")
    longest = {name: {"en": "W" * limit} for name, limit in LONGEST.items()}
    event = a_view(**longest, zone="America/Argentina/ComodRivadavia", ends_at=STARTS + timedelta(days=1))
    for state in ({}, {"status": "cancelled"}, {"registered": True}, {"taken": 30}):
        html = event_message(a_view(**{**_fields(event), **state}), START, say).html
        assert len(plain(html)) <= 4096
    assert len(plain(upcoming_message([event] * 9, 0, START, say).html)) <= 4096
    past = PastEvent(
        longest["title"],
        longest["summary"],
        longest["venue"],
        2026,
        START.date(),
        START.date(),
        None,
        1,
    )
    assert len(plain(past_message([past] * 9, 0, say).html)) <= 4096
    followed = tuple(Followed(n, longest["title"], STARTS, (10080, 4320, 1440, 180, 60)) for n in range(30))
    assert len(plain(overview_message(Overview((60,), followed), say).html)) <= 4096


def _fields(event: EventView) -> dict[str, Any]:
    return {name: getattr(event, name) for name in EventView.__slots__}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_past_event_of_the_programme_is_told(locale: str) -> None:
    say = Texts().translator(locale)
    pages = [past_message(shipped(), page, say).html for page in range(2)]
    for event in shipped():
        assert any(str(say("{title}", title=say.localized(event.title))) in page for page in pages)


@pytest.mark.parametrize(
    ("minutes", "label"),
    [
        (10080, "7 days before"),
        (1440, "1 day before"),
        (180, "3 hours before"),
        (60, "1 hour before"),
        (90, "90 minutes before"),
    ],
)
def test_offsets_are_told_in_the_largest_unit(minutes: int, label: str) -> None:
    assert offset_label(minutes, Texts().translator("en")) == label
