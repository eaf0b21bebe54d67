"""Somebody books an expert, fills in, looks again, moves and cancels; and whatever can come between."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.translate import send_method
from bot.inbox import Lane
from bot.outbox.port import ChatRef
from bot.settings import Settings
from bot.texts import LOCALES, Action, Button, Message, Texts, decode
from bot.texts.actions import (
    CancelAppointment,
    ChangeZone,
    ConfirmBooking,
    DropHold,
    EditDetails,
    EditField,
    GiveConsent,
    KeepDetails,
    MoveAppointment,
    MoveTo,
    PickDay,
    PickExpert,
    PickSlot,
    PickTopic,
    PickZone,
    SendCalendarFile,
    ShowAppointment,
    ShowMonth,
    ShowSummary,
)
from bot.texts.message import Buttons
from handlers.chat.times import REASONS, ZONES, About, Wish, day_message, month_message
from handlers.zones import CITIES, WORDS, find_zone, zone_called
from scheduler.appointments.availability import Reason
from scheduler.appointments.values import (
    LIMITS,
    AppointmentView,
    Confirmed,
    ExpertDraft,
    Held,
    MonthView,
)
from tests.conftest import START, MovableClock
from tests.machine import Machine, Seen, Visitor, machine

HONG_KONG = "Asia/Hong_Kong"
TUESDAY = date(2026, 11, 24)
TEN = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
"""Tuesday 10:00 in Hong Kong, the day after the tests begin."""

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def minutes(instant: datetime) -> int:
    return (instant - EPOCH) // MINUTE


def a_draft(name: str = "Ada Wong", **changes: Any) -> ExpertDraft:
    """Free at 9, 10 and 11 on working days in Hong Kong."""
    return ExpertDraft(
        **{
            "name": {"en": name, "zh-Hans": "黄雅达", "zh-Hant": "黃雅達"},
            "title": {"en": "Patent strategist", "zh-Hans": "专利策略顾问", "zh-Hant": "專利策略顧問"},
            "languages": ("en", "yue"),
            "topics": ("patents", "strategy"),
            "zone": HONG_KONG,
            "hours": dict.fromkeys(range(5), ((9 * 60, 12 * 60),)),
            "length": 60,
            "interval": 60,
            "after": 0,
            "notice": 60,
            "window_days": 30,
            **changes,
        }
    )


@pytest.fixture
async def ada(chat: Machine) -> int:
    return await chat.core.services.appointments.add_expert(a_draft())


async def to_the_day(visitor: Visitor, expert: str = "Ada Wong") -> Seen:
    """Up to the times of Tuesday."""
    await visitor.says("/book")
    await visitor.presses("Patents")
    await visitor.presses(expert)
    return await visitor.presses("24")


async def holding(visitor: Visitor, time: str = "10:00", expert: str = "Ada Wong") -> Seen:
    """Up to the first question."""
    await to_the_day(visitor, expert)
    return await visitor.presses(time)


async def filled_in(visitor: Visitor) -> Seen:
    """Up to the consent."""
    await holding(visitor)
    for answer in ("Acme Ltd", "Grace Ho", "grace@example.com"):
        await visitor.says(answer)
    return await visitor.says("Can we patent this?")


async def booked(visitor: Visitor) -> AppointmentView:
    """Tuesday at 10 with Ada, and everybody told: what the conversation leads to, without holding it."""
    appointments = visitor.machine.core.services.appointments
    owner = await contact(visitor)
    (ada,) = await appointments.experts("patents")
    held = await appointments.hold(owner, "patents", ada.id, TEN, held_in=1)
    assert isinstance(held, Held)
    said = {"company": "Acme Ltd", "name": "Grace Ho", "contact_details": "grace@example.com"}
    await appointments.fill(held.hold.id, owner, **said, question="Can we patent this?")
    confirmed = await appointments.confirm(held.hold.id, owner, "en")
    assert isinstance(confirmed, Confirmed)
    await visitor.machine.settled()
    return confirmed.appointment


async def its(visitor: Visitor) -> list[AppointmentView]:
    """The appointments ahead of a visitor."""
    return list((await visitor.machine.core.services.appointments.mine(await contact(visitor))).upcoming)


async def contact(visitor: Visitor) -> int:
    chat = ChatRef(visitor.machine.app.web_bot.id, visitor.chat_id)
    person = await visitor.machine.core.services.contacts.meet(chat, "en")
    return person.contact_id


async def offered(visitor: Visitor, action: Action | None) -> Seen:
    """Press a button under an older message, whoever it was made for."""
    assert action is not None
    message = Message("Before", ((Button("old", action),),))
    sent = await visitor.machine.app.web_bot(send_method(visitor.chat_id, message))
    return await visitor.sends_data(action.encode(), sent.message_id)


async def double_tap(visitor: Visitor, label: str, message: Seen) -> list[Seen]:
    """Two presses before the first is answered; the page afterwards."""
    for tap in ("one", "two"):
        key = f"{visitor.name}-{message.id}-{tap}"
        await visitor.machine.server.press(visitor.chat_id, message.id, message.data_of(label), key)
    await visitor.machine.settled()
    return await visitor.page()


def all_texts(page: list[Seen]) -> str:
    return "\n".join(message.text for message in page)


# The whole way


async def test_any_expert_is_booked_from_topic_to_calendar_file(chat: Machine, ada: int) -> None:
    await chat.core.services.appointments.add_expert(a_draft("Li Ming"))
    visitor = await chat.visitor()
    topics = await visitor.says("/book")
    assert "Patents and inventions" in topics.labels()
    experts = await visitor.presses("Patents")
    assert "Ada Wong" in experts.text
    assert "English, Cantonese · Hong Kong, UTC+8" in experts.text
    month = await visitor.presses("Any expert")
    assert "November 2026" in month.text
    assert "Hong Kong, UTC+8" in month.text
    day = await visitor.presses("24")
    assert "Tue 24 Nov 2026" in day.text
    assert "Hong Kong, UTC+8" in day.text
    assert day.labels()[:3] == ["09:00", "10:00", "11:00"]
    company = await visitor.presses("10:00")
    assert "company" in company.text
    assert company.replies == ("Skip", "Cancel")
    held = (await visitor.page())[-2]
    assert held.id == topics.id
    assert "Tue 24 Nov 2026, 10:00–11:00 (Hong Kong, UTC+8)" in held.text
    assert "until 10:15 (Hong Kong, UTC+8)" in held.text

    name = await visitor.says("Acme & Söhne <b>")
    assert "name" in name.text
    assert name.replies == ("Cancel",)
    reach = await visitor.says("Grace Ho")
    assert "reach you" in reach.text
    question = await visitor.says("grace@example.com")
    assert "question" in question.text
    consent = await visitor.says("Can we patent this?")
    assert "/privacy" in consent.text
    assert not consent.replies
    summary = await visitor.presses("I agree")
    assert summary.id == consent.id
    for part in ("Acme & Söhne <b>", "Grace Ho", "grace@example.com", "Can we patent this?", "10:00–11:00 (Hong Kong"):
        assert part in summary.text
    assert not await its(visitor)

    await visitor.presses("Confirm")
    page = await visitor.page()
    done = next(message for message in page if message.id == summary.id)
    assert done.text.startswith("Booked: Tue 24 Nov 2026, 10:00–11:00 (Hong Kong, UTC+8)")
    assert done.labels() == ["Show the appointment", "My appointments"]
    files = [message for message in page if message.document]
    assert len(files) == 1
    (event,) = icalendar.Calendar.from_ical(await visitor.downloads(files[0])).walk("VEVENT")
    assert event["DTSTART"].dt == TEN
    (view,) = await its(visitor)
    assert (view.start, view.any_expert, view.company) == (TEN, True, "Acme & Söhne <b>")


async def test_a_deep_link_opens_an_expert(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    card = await visitor.says(f"/start book_{ada}")
    assert "Ada Wong" in card.text
    month = await visitor.presses("Patents")
    assert "Ada Wong" in month.text


async def test_a_deep_link_to_nobody_is_told_so(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    for expert in ("", "0", "99999", "-1", "1x", "9" * 30, "٣"):
        before = len(await visitor.page())
        await visitor.says(f"/start book_{expert}")
        assert "I do not know that link" in all_texts((await visitor.page())[before:])


async def test_without_experts_a_person_is_offered(chat: Machine) -> None:
    visitor = await chat.visitor()
    nobody = await visitor.says("/book")
    assert nobody.labels() == ["Ask a person"]


async def test_an_expert_without_free_time_is_said_so(chat: Machine) -> None:
    await chat.core.services.appointments.add_expert(a_draft(overrides=_closed(40)))
    visitor = await chat.visitor()
    await visitor.says("/book")
    await visitor.presses("Patents")
    answer = await visitor.presses("Ada Wong")
    assert "no free time left" in answer.text
    assert "Ask a person" in answer.labels()


def _closed(days: int) -> dict[date, tuple[tuple[int, int], ...]]:
    return {START.date() + timedelta(days=at): () for at in range(days)}


# Month, day, zone


async def test_the_month_offers_only_days_with_free_slots_in_seven_columns(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await visitor.says("/book")
    await visitor.presses("Patents")
    month = await visitor.presses("Ada Wong")
    labels = month.labels()
    assert labels[:7] == ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]
    days = labels[7 : labels.index("December 2026 ›")]
    assert len(days) == 14  # the weeks before are over
    assert [label for label in days if label != "·"] == ["23", "24", "25", "26", "27", "30"]
    assert days.index("24") % 7 == 1
    assert not any("‹ " in label and "20" in label for label in labels)
    december = await visitor.presses("December 2026 ›")
    assert "‹ November 2026" in december.labels()
    assert not any(label.endswith(" ›") for label in december.labels())


async def test_labels_of_the_grid_answer_without_doing_anything(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await visitor.says("/book")
    await visitor.presses("Patents")
    month = await visitor.presses("Ada Wong")
    assert await visitor.presses("Mo") == month
    assert not visitor.toasts


async def test_another_zone_is_kept_and_used_from_then_on(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await to_the_day(visitor)
    zones = await visitor.presses("Change time zone")
    assert "New York, UTC-5" in zones.labels()
    month = await visitor.presses("New York")
    assert "New York, UTC-5" in month.text
    day = await visitor.presses("23")
    assert day.labels()[:3] == ["20:00", "21:00", "22:00"]
    await visitor.presses("21:00")
    assert "Mon 23 Nov 2026, 21:00–22:00 (New York, UTC-5)" in all_texts(await visitor.page())
    hold = await _hold(visitor)
    assert hold.start == TEN


async def test_a_zone_we_do_not_offer_is_refused(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await visitor.says("/book")
    await offered(visitor, PickZone("Mars/Olympus", "patents", ada, None, None))
    assert visitor.toasts == ["I do not know that time zone."]


async def test_any_zone_can_be_typed_while_picking_a_time(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await to_the_day(visitor)
    await visitor.presses("Change time zone")
    assert "do not know a time zone" in (await visitor.says("Atlantis")).text
    month = await visitor.says("toronto")
    assert "Toronto, UTC-5" in month.text
    assert (await visitor.presses("23")).labels()[:3] == ["20:00", "21:00", "22:00"]


async def test_the_zone_can_be_changed_at_any_time(chat: Machine) -> None:
    visitor = await chat.visitor("zh-Hans")
    asked = await visitor.says("/timezone")
    assert "香港" in asked.text
    assert "纽约，UTC-5" in (await visitor.presses("纽约", asked)).text
    assert "纽约" in (await visitor.says("/timezone")).text
    assert "苏黎世" in (await visitor.says("日内瓦")).text
    assert "知识产权" in (await visitor.says("什么是CIPO")).text


async def test_whoever_looks_elsewhere_is_not_asked_for_a_zone_any_more(chat: Machine) -> None:
    visitor = await chat.visitor()
    await visitor.says("/start")
    await visitor.says("/timezone")
    await visitor.presses("Browse the topics")
    assert "senior executive" in (await visitor.says("What does a CIPO do?")).text


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("asia/hong_kong", "Asia/Hong_Kong"),
        (" new  york ", "America/New_York"),
        ("Shenzhen", "Asia/Shanghai"),
        ("深圳", "Asia/Shanghai"),
        ("倫敦", "Europe/London"),
        ("Buenos Aires", "America/Argentina/Buenos_Aires"),
        ("Mumbai", "Asia/Kolkata"),
        ("san francisco", "America/Los_Angeles"),
        ("UTC", "UTC"),
        ("Atlantis", None),
        ("../../etc/passwd", None),
        ("x" * 5000, None),
        ("", None),
    ],
)
def test_a_zone_is_known_by_its_name_and_by_its_cities(typed: str, zone: str | None) -> None:
    assert find_zone(typed) == zone


def test_every_city_leads_to_a_zone_there_is() -> None:
    assert {zone_called(zone) for zone in (*CITIES, *WORDS.values(), *ZONES)} == {*CITIES, *WORDS.values(), *ZONES}


async def _hold(visitor: Visitor) -> Any:
    """The hold of the newest button that names one."""
    for message in reversed(await visitor.page()):
        for _, data in message.buttons:
            hold_id = getattr(decode(data), "hold", None)
            if hold_id is not None:
                held = await visitor.machine.core.services.appointments.held(hold_id, await contact(visitor))
                assert held is not None
                return held
    raise AssertionError("no hold on the page")


async def test_a_day_that_filled_up_shows_the_month_again(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await visitor.says("/book")
    month = await offered(visitor, PickDay("patents", ada, date(2026, 11, 28), None, None))
    assert "Pick a day: November 2026" in month.text
    assert visitor.toasts == ["Nothing is free on that day any more. Please pick another."]


# Typing


async def test_company_and_question_can_be_skipped_and_nothing_else(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    await visitor.says("Skip")
    await visitor.says("Skip")  # somebody called Skip
    await visitor.says("+852 5555 0000")
    await visitor.says("Skip")
    summary = await visitor.presses("I agree")
    assert "Name: Skip" in summary.text
    await visitor.presses("Confirm")
    (view,) = await its(visitor)
    assert (view.company, view.name, view.question) == (None, "Skip", None)


async def test_too_long_an_answer_says_the_limit_and_keeps_the_rest(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    answers = {"company": "Acme", "name": "Grace", "contact_details": "grace@example.com", "question": "Why?"}
    for field, answer in answers.items():
        refused = await visitor.says("x" * (LIMITS[field] + 1))
        assert f"has {LIMITS[field] + 1} characters, and {LIMITS[field]} is the most" in refused.text
        assert "Cancel" in refused.replies
        await visitor.says(answer)
    summary = await visitor.presses("I agree")
    for answer in answers.values():
        assert answer in summary.text


async def test_a_second_booking_suggests_what_was_said_before(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await booked(visitor)
    company = await holding(visitor, "11:00")
    assert company.replies == ("Acme Ltd", "Skip", "Cancel")
    assert (await visitor.says("Acme Ltd")).replies == ("Grace Ho", "Cancel")
    assert (await visitor.says("Grace Ho")).replies == ("grace@example.com", "Cancel")
    assert (await visitor.says("grace@example.com")).replies == ("Skip", "Cancel")


async def test_known_details_are_taken_over_with_one_press(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await booked(visitor)
    await holding(visitor, "11:00")
    question = await visitor.presses("Use these details")
    assert "question" in question.text
    await visitor.says("And this?")
    summary = await visitor.presses("I agree")
    for part in ("Acme Ltd", "Grace Ho", "grace@example.com", "And this?"):
        assert part in summary.text


async def test_a_long_earlier_answer_is_kept_by_a_short_suggestion(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    long = "Grace Ho, +852 5555 0000, or grace@example.com, otherwise by WeChat: grace-ho"
    for answer in ("Skip", "Grace", long, "Skip"):
        await visitor.says(answer)
    await visitor.presses("I agree")
    await visitor.presses("Edit")
    again = await visitor.presses("Contact")
    assert again.replies == ("Keep what is there", "Cancel")
    summary = await visitor.says("Keep what is there")
    assert long in summary.text


async def test_editing_changes_one_field_and_keeps_the_consent(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await filled_in(visitor)
    await visitor.presses("I agree")
    menu = await visitor.presses("Edit")
    assert menu.labels() == ["Company", "Name", "Contact", "Question", "Another time", "‹ Back"]
    prompt = await visitor.presses("Name")
    assert prompt.replies == ("Grace Ho", "Cancel")
    summary = await visitor.says("Grace Hopper")
    assert "Name: Grace Hopper" in summary.text
    assert "Acme Ltd" in summary.text
    await visitor.presses("Confirm", summary)
    (view,) = await its(visitor)
    assert (view.name, view.company) == ("Grace Hopper", "Acme Ltd")


async def test_back_from_editing_shows_the_summary(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await filled_in(visitor)
    summary = await visitor.presses("I agree")
    await visitor.presses("Edit")
    assert (await visitor.presses("‹ Back")).text == summary.text


async def test_cancelling_by_word_gives_the_time_back(chat: Machine, ada: int) -> None:
    visitor, other = await chat.visitor(), await chat.visitor()
    await holding(visitor)
    await visitor.says("Acme")
    assert "10:00" not in (await to_the_day(other)).labels()
    answer = await visitor.says("Cancel")
    assert "nothing was booked" in answer.text
    assert "10:00" in (await to_the_day(other)).labels()
    question = await visitor.says("What does a CIPO do?")
    assert "nothing was booked" not in question.text


async def test_cancelling_by_button_gives_the_time_back_once(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await filled_in(visitor)
    summary = await visitor.presses("I agree")
    drop = decode(summary.data_of("Cancel"))
    assert isinstance(drop, DropHold)
    dropped = await visitor.presses("Cancel", summary)
    assert "nothing was booked" in dropped.text
    await offered(visitor, drop)
    assert visitor.toasts == ["There is nothing to give back any more."]
    assert not await its(visitor)


async def test_a_command_in_the_middle_leaves_cleanly(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    await visitor.says("Acme")
    for command in ("/book", "/appointments"):
        await visitor.says(command)
        answer = await visitor.says("What does a CIPO do?")
        assert "reach you" not in answer.text
        company = await holding(visitor)
        assert company.replies == ("Acme", "Skip", "Cancel")


async def test_a_picture_instead_of_an_answer_is_told_so_and_nothing_is_lost(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    await visitor.says("Acme")
    await sends_a_picture(visitor)
    told = await visitor.last()
    assert "I can read text only. Please type your answer." in told.text
    assert told.replies == ("Cancel",)
    assert "reach you" in (await visitor.says("Grace Ho")).text


async def sends_a_picture(visitor: Visitor, caption: str | None = None) -> None:
    """As from Telegram; the page has no such button."""
    core, bot_id = visitor.machine.core, visitor.machine.app.web_bot.id
    sender = {"id": visitor.chat_id, "is_bot": False, "first_name": "Grace"}
    picture = {"file_id": "a", "file_unique_id": "a", "width": 1, "height": 1}
    message = {
        "message_id": 10**6,
        "date": 0,
        "chat": {**sender, "type": "private"},
        "from": sender,
        "photo": [picture],
        "caption": caption,
    }
    async with core.db.write() as tx:
        update = json.dumps({"update_id": 0, "message": message})
        accepted = await core.inbox.accept(tx, Lane(bot_id, visitor.chat_id), "a picture", update)
    assert accepted is not None
    core.inbox.take(accepted)
    await visitor.machine.settled()


async def test_a_command_under_a_picture_leaves_the_booking_like_a_typed_one(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    await sends_a_picture(visitor, "/book")
    assert "What would you like to talk about?" in (await visitor.last()).text
    assert any("the time I kept for you is free again" in seen.text for seen in await visitor.page())
    other = await chat.visitor()
    assert "10:00" in (await to_the_day(other)).labels()


async def test_cancel_as_a_command_leaves_too(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    await visitor.says("/cancel")
    answer = await visitor.says("What does a CIPO do?")
    assert "/cancel" not in answer.text
    assert "reach you" not in answer.text


# The slot is gone


async def test_a_slot_just_taken_offers_those_near_it(chat: Machine, ada: int) -> None:
    first, second = await chat.visitor(), await chat.visitor()
    await to_the_day(first)
    await to_the_day(second)
    await first.presses("10:00")
    answer = await second.presses("10:00")
    assert "Somebody else has just taken that time." in answer.text
    assert "Tue 24 Nov 2026, 09:00 (Hong Kong, UTC+8)" in answer.text
    assert len(answer.labels()) == 4
    assert answer.labels()[3] == "Other days"
    company = await second.presses("24 Nov 2026, 11:00")
    assert "company" in company.text


async def test_a_time_that_went_by_says_so(chat: Machine, ada: int, clock: MovableClock) -> None:
    visitor = await chat.visitor()
    day = await to_the_day(visitor)
    clock.advance(timedelta(days=1, hours=2))
    answer = await visitor.presses("10:00", day)
    assert "That time is over." in answer.text
    assert len(answer.labels()) == 4


async def test_a_lapsed_hold_whose_slot_is_free_goes_on(chat: Machine, ada: int, clock: MovableClock) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    clock.advance(timedelta(minutes=20))
    name = await visitor.says("Acme")
    assert "name" in name.text


async def _lost(chat: Machine, visitor: Visitor, clock: MovableClock) -> None:
    """The hold lapses and somebody else takes its slot."""
    clock.advance(timedelta(minutes=20))
    other = await chat.visitor()
    await holding(other)


async def test_a_lost_hold_keeps_what_was_typed_and_offers_fresh_times(
    chat: Machine, ada: int, clock: MovableClock
) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    await visitor.says("Acme")
    await visitor.says("Grace Ho")
    await _lost(chat, visitor, clock)
    lapsed = await visitor.says("grace@example.com")
    assert "has lapsed" in lapsed.text
    assert lapsed.labels()[:2] == ["24 Nov 2026, 09:00", "24 Nov 2026, 11:00"]
    company = await visitor.presses("24 Nov 2026, 11:00")
    assert company.replies[0] == "Acme"
    question = await visitor.presses("Use these details")
    assert "question" in question.text
    await visitor.says("Why?")
    summary = await visitor.presses("I agree")
    for part in ("Acme", "Grace Ho", "grace@example.com", "Why?", "11:00–12:00"):
        assert part in summary.text


@pytest.mark.parametrize("label", ["I agree", "Confirm", "Edit"])
async def test_a_lost_hold_is_said_at_every_later_step(
    chat: Machine, ada: int, clock: MovableClock, label: str
) -> None:
    visitor = await chat.visitor()
    await filled_in(visitor)
    if label != "I agree":
        await visitor.presses("I agree")
    await _lost(chat, visitor, clock)
    lapsed = await visitor.presses(label)
    assert "has lapsed" in lapsed.text
    await visitor.presses("24 Nov 2026, 11:00")
    consent = await visitor.presses("Use these details")
    assert "I agree" in consent.labels()
    summary = await visitor.presses("I agree")
    assert "Can we patent this?" in summary.text
    await visitor.presses("Confirm", summary)
    (view,) = await its(visitor)
    assert view.start == TEN + timedelta(hours=1)


async def test_a_lost_hold_on_a_full_day_offers_the_next_free_one(chat: Machine, clock: MovableClock) -> None:
    await chat.core.services.appointments.add_expert(a_draft(per_day=1))
    visitor = await chat.visitor()
    await holding(visitor)
    await visitor.says("Acme")
    await _lost(chat, visitor, clock)
    lapsed = await visitor.says("Grace Ho")
    assert lapsed.labels()[0] == "25 Nov 2026, 09:00"


# Twice, late, or somebody else's


async def test_confirming_twice_says_the_same_and_books_once(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await filled_in(visitor)
    summary = await visitor.presses("I agree")
    page = await double_tap(visitor, "Confirm", summary)
    done = next(message for message in page if message.id == summary.id)
    assert done.text.startswith("Booked: Tue 24 Nov 2026, 10:00–11:00")
    late = await offered(visitor, decode(summary.data_of("Confirm")))
    assert late.text == done.text
    assert len(await its(visitor)) == 1
    assert len([message for message in await visitor.page() if message.document]) == 1


async def test_holding_twice_leaves_one_hold(chat: Machine, ada: int) -> None:
    visitor, other = await chat.visitor(), await chat.visitor()
    await double_tap(visitor, "10:00", await to_the_day(visitor))
    for answer in ("Skip", "Grace Ho", "grace@example.com", "Skip"):
        await visitor.says(answer)
    assert "11:00" in (await to_the_day(other)).labels()
    await visitor.presses("I agree")
    await visitor.presses("Confirm")
    assert [view.start for view in await its(visitor)] == [TEN]


async def test_buttons_and_typing_go_on_after_a_restart(settings: Settings, clock: MovableClock) -> None:
    async with machine(settings, clock) as before:
        await before.core.services.appointments.add_expert(a_draft())
        visitor = await before.visitor()
        await holding(visitor)
        await visitor.says("Acme")
    async with machine(settings, clock) as after:
        back = Visitor(after, "back", visitor.chat_id)
        reach = await back.says("Grace Ho")
        assert "reach you" in reach.text
        await back.says("grace@example.com")
        await back.says("Skip")
        await back.presses("I agree")
        await back.presses("Confirm")
        (view,) = await its(back)
        assert (view.company, view.name) == ("Acme", "Grace Ho")


async def test_confirming_with_nothing_filled_in_asks_for_it(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await holding(visitor)
    hold = await _hold(visitor)
    asked = await offered(visitor, ConfirmBooking(hold.id, "en"))
    assert "name" in asked.text
    await visitor.says("Grace Ho")
    summary = await visitor.says("grace@example.com")
    assert "Confirm" in summary.labels()
    assert not await its(visitor)


async def test_another_persons_hold_is_nobodys_business(chat: Machine, ada: int) -> None:
    owner, other = await chat.visitor(), await chat.visitor()
    await filled_in(owner)
    hold = await _hold(owner)
    await other.says("/book")
    for action in (
        KeepDetails(hold.id),
        DropHold(hold.id),
        GiveConsent(hold.id, "en"),
        ConfirmBooking(hold.id, "en"),
        EditDetails(hold.id, "en"),
        EditField(hold.id, "name", "en"),
        ShowSummary(hold.id, "en"),
    ):
        other.toasts.clear()
        assert (await offered(other, action)).text == "Before", action
        assert len(other.toasts) == 1, action
    assert "Acme" not in all_texts(await other.page())
    assert await _hold(owner) == hold


async def test_another_persons_appointment_is_not_found(chat: Machine, ada: int) -> None:
    owner, other = await chat.visitor(), await chat.visitor()
    view = await booked(owner)
    await other.says("/book")
    for action in (
        ShowAppointment(view.id),
        MoveAppointment(view.id),
        SendCalendarFile(view.id),
        CancelAppointment(view.id, view.version, False),
        CancelAppointment(view.id, view.version, True),
        MoveTo(view.id, view.version, minutes(TEN + timedelta(hours=1))),
        ShowMonth("", None, TUESDAY, view.id, view.version),
        PickDay("", None, TUESDAY, view.id, view.version),
    ):
        other.toasts.clear()
        assert (await offered(other, action)).text == "Before", action
        assert len(other.toasts) == 1, action
    assert await its(owner) == [view]


MADE_UP: tuple[Action, ...] = (
    PickTopic("alchemy"),
    PickExpert("patents", 2**62),
    PickExpert("alchemy", None),
    PickSlot("patents", 2**62, minutes(TEN)),
    PickSlot("alchemy", None, minutes(TEN)),
    PickSlot("patents", None, 2**62),
    PickSlot("patents", None, -5),
    PickSlot("patents", None, 52_000_000),
    ShowMonth("patents", None, date(9999, 12, 1), None, None),
    ShowMonth("patents", 2**62, date(1, 1, 1), None, None),
    ShowMonth("alchemy", None, TUESDAY, None, None),
    PickDay("patents", None, date(9999, 12, 31), None, None),
    PickDay("patents", None, date(1, 1, 1), None, None),
    PickDay("patents", None, TUESDAY, 2**62, 1),
    ChangeZone("alchemy", None, None, None),
    ConfirmBooking(2**62, "xx"),
    EditField(1, "id", "en"),
    ShowAppointment(2**62),
    MoveTo(2**62, 2**62, 2**40),
    CancelAppointment(-1, -1, True),
    SendCalendarFile(0),
)


async def test_made_up_button_data_is_answered(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await visitor.says("/book")
    for action in MADE_UP:
        visitor.toasts.clear()
        answer = await offered(visitor, action)
        assert answer.text != "Before" or visitor.toasts, action
        assert "something went wrong" not in all_texts(await visitor.page()), action


# My appointments


async def test_my_appointments_lists_and_shows_them_with_their_zone(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await booked(visitor)
    listed = await visitor.says("/appointments")
    assert "Coming up" in listed.text
    assert "Tue 24 Nov 2026, 10:00–11:00 (Hong Kong, UTC+8)" in listed.text
    assert "Ada Wong · Patents and inventions" in listed.text
    shown = await visitor.presses("24 Nov 2026, 10:00")
    assert shown.id == listed.id
    for part in ("10:00–11:00 (Hong Kong, UTC+8)", "Ada Wong", "Patents", "Can we patent this?"):
        assert part in shown.text
    assert shown.labels() == ["Move", "Cancel", "Calendar file", "My appointments"]


async def test_nobody_without_appointments_is_left_alone(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    listed = await visitor.says("/appointments")
    assert "none yet" in listed.text
    assert "Patents and inventions" in (await visitor.presses("Book an expert")).labels()


async def test_the_expert_sees_and_may_cancel_what_is_booked_with_them(chat: Machine, ada: int) -> None:
    expert, visitor = await chat.staff("expert", ada), await chat.visitor()
    await booked(visitor)
    listed = await expert.says("/appointments")
    assert "Booked with me" in listed.text
    assert "Grace Ho" in listed.text
    shown = await expert.presses("24 Nov 2026, 10:00")
    assert shown.labels() == ["Cancel", "Calendar file", "My appointments"]
    await expert.presses("Cancel", shown)
    await expert.presses("Yes, cancel it")
    assert not await its(visitor)
    assert "had to cancel" in all_texts(await visitor.page())


async def test_the_calendar_file_can_be_had_again(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await booked(visitor)
    await visitor.says("/appointments")
    await visitor.presses("24 Nov 2026, 10:00")
    file = await visitor.presses("Calendar file")
    (event,) = icalendar.Calendar.from_ical(await visitor.downloads(file)).walk("VEVENT")
    assert event["DTSTART"].dt == TEN


async def moving(visitor: Visitor) -> Seen:
    """Up to the month in which to move the appointment."""
    await visitor.says("/appointments")
    await visitor.presses("24 Nov 2026, 10:00")
    return await visitor.presses("Move")


async def test_an_appointment_moves_to_another_time(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    view = await booked(visitor)
    month = await moving(visitor)
    assert "Pick a new day" in month.text
    assert "Now: Tue 24 Nov 2026, 10:00 (Hong Kong, UTC+8)" in month.text
    day = await visitor.presses("25")
    assert "Wed 25 Nov 2026" in day.text
    await visitor.presses("11:00", day)
    page = await visitor.page()
    assert next(m for m in page if m.id == month.id).text.startswith(
        "Moved: your appointment is now Wed 25 Nov 2026, 11:00–12:00 (Hong Kong, UTC+8)"
    )
    (now,) = await its(visitor)
    assert (now.id, now.start) == (view.id, TEN + timedelta(days=1, hours=1))
    assert len([message for message in page if message.document]) == 2


async def test_moving_twice_to_the_same_time_says_the_same(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await booked(visitor)
    await moving(visitor)
    day = await visitor.presses("25")
    page = await double_tap(visitor, "11:00", day)
    done = next(message for message in page if message.id == day.id)
    assert done.text.startswith("Moved")
    late = await offered(visitor, decode(day.data_of("11:00")))
    assert late.text == done.text
    assert len([message for message in page if message.document]) == 2


async def test_moving_to_a_time_just_taken_offers_others_and_keeps_the_old(chat: Machine, ada: int) -> None:
    visitor, other = await chat.visitor(), await chat.visitor()
    view = await booked(visitor)
    await moving(visitor)
    await visitor.presses("24")
    await holding(other, "11:00")
    answer = await visitor.presses("11:00")
    assert "Somebody else has just taken that time." in answer.text
    assert await its(visitor) == [view]
    await visitor.presses("24 Nov 2026, 09:00", answer)
    assert [each.start for each in await its(visitor)] == [TEN - timedelta(hours=1)]


async def test_moving_with_an_expert_who_left_says_that_and_not_that_the_time_is_taken(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    view = await booked(visitor)
    await moving(visitor)
    await visitor.presses("24")
    assert await chat.core.services.appointments.retire_expert(ada)
    answer = await visitor.presses("11:00")
    assert "takes no new appointments any more" in answer.text
    assert "taken that time" not in answer.text
    assert await its(visitor) == [view]


async def test_one_person_has_at_most_so_many_appointments_ahead(chat: Machine, ada: int, clock: MovableClock) -> None:
    visitor, appointments = await chat.visitor(), chat.core.services.appointments
    most = chat.core.settings.most_appointments
    day = await to_the_day(visitor)
    for number in range(most):
        held = await appointments.hold(await contact(visitor), "patents", ada, TEN + timedelta(days=number), number)
        assert isinstance(held, Held)
        assert isinstance(await appointments.confirm(held.hold.id, await contact(visitor), "en"), Confirmed)
    await chat.settled()
    refused = await visitor.presses("09:00", day)
    assert f"You have {most} appointments ahead" in refused.text
    assert len(await its(visitor)) == most
    assert "no more at a time" in (await visitor.says("/book")).text
    opened = await visitor.presses("24 Nov 2026, 10:00")
    await visitor.presses("Cancel", opened)
    await visitor.presses("Yes, cancel it")
    assert "company" in (await holding(visitor, "10:00")).text
    clock.set(TEN + timedelta(days=1))
    assert await appointments.too_many(await contact(visitor)) is None


async def test_an_old_button_shows_how_the_appointment_stands_now(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    view = await booked(visitor)
    await moving(visitor)
    day = await visitor.presses("25")
    await visitor.presses("11:00", day)
    for stale in (
        MoveTo(view.id, view.version, minutes(TEN - timedelta(hours=1))),
        CancelAppointment(view.id, view.version, False),
        CancelAppointment(view.id, view.version, True),
    ):
        visitor.toasts.clear()
        answer = await offered(visitor, stale)
        assert visitor.toasts == ["This appointment was changed in the meantime. This is how it stands now."]
        assert "Wed 25 Nov 2026, 11:00–12:00 (Hong Kong, UTC+8)" in answer.text
        assert "Move" in answer.labels()
    assert len(await its(visitor)) == 1


async def test_cancelling_asks_once_and_then_cancels_once(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    await booked(visitor)
    await visitor.says("/appointments")
    shown = await visitor.presses("24 Nov 2026, 10:00")
    sure = await visitor.presses("Cancel", shown)
    assert "Cancel this appointment?" in sure.text
    assert "10:00–11:00 (Hong Kong, UTC+8)" in sure.text
    assert (await visitor.presses("No, keep it")).text == shown.text
    page = await double_tap(visitor, "Yes, cancel it", await visitor.presses("Cancel", shown))
    done = next(message for message in page if message.id == shown.id)
    assert done.text == "Cancelled: the appointment of Tue 24 Nov 2026, 10:00–11:00 (Hong Kong, UTC+8)."
    late = await offered(visitor, decode(sure.data_of("Yes, cancel it")))
    assert late.text == done.text
    assert not await its(visitor)
    assert "cancelled" in (await visitor.says("/appointments")).text
    assert "10:00" in (await to_the_day(visitor)).labels()


async def test_what_is_over_cannot_be_changed(chat: Machine, ada: int, clock: MovableClock) -> None:
    visitor = await chat.visitor()
    view = await booked(visitor)
    clock.advance(timedelta(days=2))
    for late in (
        MoveAppointment(view.id),
        MoveTo(view.id, view.version, minutes(TEN + timedelta(days=3))),
        CancelAppointment(view.id, view.version, False),
        CancelAppointment(view.id, view.version, True),
    ):
        visitor.toasts.clear()
        answer = await offered(visitor, late)
        assert visitor.toasts == ["This appointment has begun or is over; it can no longer be changed."]
        assert answer.labels() == ["Book a new time", "My appointments"]
    assert "Recent" in (await visitor.says("/appointments")).text


async def test_what_was_cancelled_offers_a_new_time(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor()
    view = await booked(visitor)
    await chat.core.services.appointments.cancel(view.id, await contact(visitor), view.version)
    await chat.settled()
    answer = await offered(visitor, MoveAppointment(view.id))
    assert visitor.toasts == ["This appointment was cancelled before."]
    assert "This appointment was cancelled" in answer.text
    assert "How you meet" not in answer.text
    card = await visitor.presses("Book a new time", answer)
    assert "Ada Wong" in card.text


# Languages


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_booking_speaks_the_persons_language_throughout(chat: Machine, ada: int, locale: str) -> None:
    visitor = await chat.visitor(locale)
    say = chat.core.texts.translator(locale)
    await visitor.says("/book")
    await visitor.presses(say.plain("Patents and inventions"))
    await visitor.presses(say.localized(a_draft().name))
    day = await visitor.presses("24")
    assert say.day(TUESDAY) in day.text
    await visitor.presses("10:00")
    await visitor.says(say.plain("Skip"))
    await visitor.says("何女士")
    await visitor.says("ho@example.com")
    consent = await visitor.says(say.plain("Skip"))
    assert consent.labels() == [say.plain("I agree"), say.plain("Cancel")]
    summary = await visitor.presses(say.plain("I agree"))
    assert say.when(TEN, TEN + timedelta(hours=1)) in summary.text
    await visitor.presses(say.plain("Confirm"))
    listed = await visitor.says("/appointments")
    assert say.plain("Coming up") in listed.text
    (view,) = await its(visitor)
    assert view.company is None


async def test_a_keyboard_of_the_language_before_still_works(chat: Machine, ada: int) -> None:
    visitor = await chat.visitor("zh-Hans")
    simplified = chat.core.texts.translator("zh-Hans")
    await visitor.says("/book")
    await visitor.presses(simplified.plain("Patents and inventions"))
    await visitor.presses("黄雅达")
    await visitor.presses("24")
    await visitor.presses("10:00")
    await chat.core.services.contacts.speak(await contact(visitor), "en")
    name = await visitor.says(simplified.plain("Skip"))
    assert "name" in name.text


# Rendering


def buttons_of(message: Message) -> list[Button]:
    return [button for row in message.buttons for button in row]


def fits(buttons: Buttons) -> bool:
    return all(len(button.action.encode().encode()) <= 64 for row in buttons for button in row if button.action)


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts()


@given(month=st.dates(date(2026, 1, 1), date(2040, 12, 1)))
def test_every_month_has_whole_weeks(texts: Texts, month: date) -> None:
    first = month.replace(day=1)
    view = MonthView(first, frozenset(_days_of(first)), first, first)
    wish, about = Wish("patents", None), About("patents", None, None)
    grid = month_message(view, wish, about, START, texts.translator("en")).buttons[1:-2]
    assert all(len(row) == 7 for row in grid)
    days = [button.action.day for row in grid for button in row if isinstance(button.action, PickDay)]
    assert days == _days_of(first)
    for row in grid:
        for column, button in enumerate(row):
            assert not isinstance(button.action, PickDay) or button.action.day.weekday() == column


def _days_of(first: date) -> list[date]:
    following = (first + timedelta(days=31)).replace(day=1)
    return [first + timedelta(days=at) for at in range((following - first).days)]


@given(
    topic=st.sampled_from(["cipo_programme", "finance_tax"]),
    expert=st.none() | st.integers(1, 9_999_999),
    minute=st.integers(0, 52_000_000),
)
def test_buttons_of_a_booking_fit_and_come_back(topic: str, expert: int | None, minute: int) -> None:
    wish = Wish(topic, expert)
    moving = Wish("", None, 999_999_999, 9_999)
    for one in (wish, moving):
        start = EPOCH + minute * MINUTE
        made = (one.at(start), one.in_month(TUESDAY), one.on_day(TUESDAY), one.elsewhere(), *map(one.in_zone, ZONES))
        for action in made:
            assert decode(action.encode()) == action


def test_an_hour_that_comes_twice_names_its_zone(texts: Texts) -> None:
    say = texts.translator("en", "America/New_York")
    twice = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6)]
    message = day_message(date(2026, 11, 1), twice, Wish("patents", 1), About("patents", None, None), say)
    assert [button.text for button in buttons_of(message)][:2] == [
        "01:30 (New York, UTC-4)",
        "01:30 (New York, UTC-5)",
    ]


def test_more_times_than_a_message_carries_are_cut(texts: Texts) -> None:
    many = [TEN + at * 5 * MINUTE for at in range(200)]
    message = day_message(TUESDAY, many, Wish("patents", 1), About("patents", None, None), texts.translator("en"))
    assert len(buttons_of(message)) <= 100
    assert fits(message.buttons)


def test_every_reason_is_put_into_words() -> None:
    assert set(REASONS) == set(Reason)
