"""Administrators announce, move and cancel events in their chat; nobody else does."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from bot.channels.translate import send_method
from bot.people.models import AuditRecord, Role
from bot.texts import LOCALES, Action, Button, Message, Texts
from bot.texts.actions import CancelEvent, ConfirmEventChange, ManageEvent, MoveEvent, NewEvent
from handlers.chat.event_form import NEW, TIMES, BadAnswerError, Form, clock_in, day_in
from handlers.chat.manage import draft_message, question_message
from scheduler.events.values import LONGEST, Added, EventView, Times
from tests.conftest import START, MovableClock
from tests.machine import Machine, Seen, Visitor, plain
from tests.scheduler.events_house import HONG_KONG

FORUM: dict[str, str] = {
    "kind": "forum",
    "title_en": "IP for growth",
    "title_hans": "知识产权与增长",
    "title_hant": "知識產權與增長",
    "date": "2026-12-10",
    "starts": "9:30",
    "ends": "17:00",
    "zone": HONG_KONG,
    "venue": "Cyberport <Hall 1>",
    "link": "https://meet.example.org/forum?a=1&b=2",
    "seats": "30",
    "description": "Six talks\nand a panel.",
}


async def filled_in(admin: Visitor, **changes: str) -> Seen:
    """Announce an event up to the summary, everything typed; "" leaves out."""
    await admin.says("/manage")
    seen = await admin.presses("Announce an event")
    for question in NEW:
        answer = {**FORUM, **changes}[question.step]
        seen = await admin.says(answer) if answer else await admin.presses(question.without or "")
    return seen


async def the_event(chat: Machine) -> EventView:
    [event] = await chat.core.services.events.upcoming()
    return event


def wall(text: str) -> datetime:
    """A naive time of the clock on the wall."""
    return datetime.fromisoformat(text)


async def announced(chat: Machine) -> EventView:
    """The same event, announced already."""
    form = answered()
    added = await chat.core.services.events.add(None, form.draft())
    assert isinstance(added, Added), added
    return added.event


def answered(**changes: str) -> Form:
    form = Form(None, 0, "en")
    for question in NEW:
        form = form.answered({**FORUM, **changes}[question.step], START)
    return form


async def opens(admin: Visitor, event: EventView) -> Seen:
    return await admin.presses("old", await offered(admin, ManageEvent(event.id)))


async def offered(visitor: Visitor, action: Action) -> Seen:
    """An older message of ours, with that button."""
    message = Message("Before", ((Button("old", action),),))
    await visitor.machine.app.web_bot(send_method(visitor.chat_id, message))
    return await visitor.last()


async def test_an_admin_announces_an_event_in_chat(chat: Machine) -> None:
    admin, follower = await chat.staff("admin"), await chat.visitor()
    await follower.says("/reminders")
    await follower.presses("All future events")
    await follower.presses("1 day before")
    summary = await filled_in(admin)
    assert "This is how people will see it" in summary.text
    assert "Thu 10 Dec 2026, 09:30–17:00 (Hong Kong, UTC+8)" in summary.text
    assert "Cyberport <Hall 1>" in summary.text
    assert "30 seats left." in summary.text
    assert "Six talks\nand a panel." in summary.text
    assert "For those registered: https://meet.example.org/forum?a=1&b=2" in summary.text
    assert "简体中文: 知识产权与增长" in summary.text
    done = await admin.presses("Announce it")
    assert "Done. 1 person is told." in done.text
    assert "Registered: 0 of 30" in done.text
    event = await the_event(chat)
    assert event.title == {
        "en": "IP for growth",
        "zh-Hans": "知识产权与增长",
        "zh-Hant": "知識產權與增長",
    }
    assert event.times == Times(wall("2026-12-10 09:30"), wall("2026-12-10 17:00"), HONG_KONG)
    assert "A new forum has been announced" in (await follower.last()).text
    assert "confirm with the button" not in (await admin.says("What is a CIPO?")).text


async def test_what_is_not_needed_can_be_left_out(chat: Machine) -> None:
    admin = await chat.staff("admin")
    left_out = dict.fromkeys(["title_hans", "title_hant", "venue", "link", "seats", "description"], "")
    await filled_in(admin, **left_out)
    await admin.presses("Announce it")
    event = await the_event(chat)
    assert set(event.title.values()) == {"IP for growth"}
    assert (event.venue, event.description, event.capacity, event.online) == ({}, {}, None, False)


async def test_kind_and_zone_are_answered_by_buttons_in_one_message(chat: Machine) -> None:
    admin = await chat.staff("admin")
    listed = await admin.says("/manage")
    kind = await admin.presses("Announce an event")
    assert kind.id == listed.id
    assert "New event, 1 of 12" in kind.text
    title = await admin.presses("Training")
    assert title.id == kind.id
    assert "What is its title in English?" in title.text
    for answer in ("Filing abroad", "海外布局", "海外佈局", "2026年12月3日", "14：00", "15:30"):
        zone = await admin.says(answer)
    assert "Hong Kong, UTC+8" in zone.labels()
    venue = await admin.presses("London")
    assert venue.id == zone.id
    assert "Where does it take place?" in venue.text


async def test_a_bad_answer_repeats_the_question_and_loses_nothing(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await admin.says("/manage")
    await admin.presses("Announce an event")
    assert "press one of the buttons" in (await admin.says("a dinner")).text
    await admin.presses("Forum")
    assert "keep it to 200 characters" in (await admin.says("x" * 201)).text
    for answer in ("IP for growth", "知识产权", "知識產權"):
        await admin.says(answer)
    for wrong, why in {
        "next Tuesday": "I cannot read that as a day.",
        "03/12/2026": "I cannot read that as a day.",
        "2026-02-30": "There is no such day in the calendar.",
        "2026-11-01": "That day has passed.",
        "2050-01-01": "more than ten years ahead",
    }.items():
        again = await admin.says(wrong)
        assert why in again.text
        assert "On which day does it begin?" in again.text
    await admin.says("2026-12-10")
    for wrong in ("half past nine", "25:00", "9"):
        assert "⚠️" in (await admin.says(wrong)).text
    await admin.says("09:30")
    assert "after it begins, at 09:30" in (await admin.says("09:00")).text
    assert "In which time zone" in (await admin.says("17:00")).text


async def test_bad_places_links_and_seats_are_asked_for_again(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await admin.says("/manage")
    await admin.presses("Announce an event")
    for question in NEW[:7]:
        await admin.says(FORUM[question.step])
    assert "do not know that time zone" in (await admin.says("Hong Kong time")).text
    await admin.says("asia/hong_kong")
    await admin.says("Cyberport")
    for wrong in ("http://example.org/x", "javascript:alert(1)", "example", "https://nowhere"):
        assert "begins with https://" in (await admin.says(wrong)).text
    await admin.says("https://example.org/x")
    for wrong in ("0", "-3", "many", "1.5", "1000000"):
        assert "a number from 1" in (await admin.says(wrong)).text
    assert "What else should people know" in (await admin.says("３０")).text


async def test_a_command_in_the_middle_leaves_the_form_and_says_so(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await admin.says("/manage")
    await admin.presses("Announce an event")
    await admin.presses("Forum")
    await admin.says("/help")
    assert any("We leave what we were doing" in message.text for message in await admin.page())
    assert "Simplified Chinese" not in (await admin.says("IP for growth")).text


async def test_times_that_have_passed_where_they_apply_are_asked_again(chat: Machine, clock: MovableClock) -> None:
    admin = await chat.staff("admin")
    await admin.says("/manage")
    await admin.presses("Announce an event")
    for answer in ("forum", "Today", "今天", "今天", "2026-11-23", "9:00", "9:30"):
        await admin.says(answer)
    again = await admin.presses("Hong Kong")
    assert "That moment has passed already." in again.text
    assert "On which day does it begin?" in again.text
    assert "Where does it take place?" in (await admin.says("2026-11-24")).text


async def test_an_answer_can_be_changed_before_and_after_the_summary(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await filled_in(admin)
    asked = await admin.presses("✎ Seats")
    assert "Keep: 30" in asked.labels()
    changed = await admin.says("12")
    assert "12 seats left." in changed.text
    asked = await admin.presses("✎ Title", changed)
    kept = await admin.presses("Keep: IP for growth")
    assert kept.id == changed.id
    assert "IP for growth" in kept.text
    await admin.presses("✎ Start")
    again = await admin.says("18:00")
    assert "It would end before it begins." in again.text
    assert "18:00–20:00" in (await admin.says("20:00")).text


async def test_going_back_offers_the_former_answer(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await admin.says("/manage")
    first = await admin.presses("Announce an event")
    assert "‹ Back" not in first.labels()
    await admin.presses("Forum")
    await admin.says("IP for grwoth")
    back = await admin.presses("‹ Back")
    assert "What is its title in English?" in back.text
    assert "Keep: IP for grwoth" in back.labels()
    assert "Simplified Chinese" in (await admin.says("IP for growth")).text


async def test_cancel_leaves_the_dialog_in_the_middle(chat: Machine) -> None:
    admin = await chat.staff("admin")
    summary = await filled_in(admin)
    assert "we leave it there" in (await admin.says("/cancel")).text
    after = await admin.presses("Announce it", summary)
    assert "That dialog has ended" in admin.toasts[-1]
    assert "None is announced" in after.text
    assert await chat.core.services.events.upcoming() == []


async def test_a_summary_confirms_only_what_it_shows(chat: Machine) -> None:
    admin = await chat.staff("admin")
    old = await filled_in(admin)
    confirm_old = old.data_of("Announce it")
    await admin.presses("✎ Seats")
    await admin.says("5")
    leftover = await offered(admin, ConfirmEventChange(confirm_old.split(":")[1]))
    await admin.presses("old", leftover)
    assert "You have answered that already" in admin.toasts[-1]
    assert await chat.core.services.events.upcoming() == []
    await admin.presses("Announce it")
    assert (await the_event(chat)).capacity == 5


async def test_typing_at_the_summary_asks_for_the_button(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await filled_in(admin)
    again = await admin.says("yes")
    assert "confirm with the button" in again.text
    assert "Announce it" in again.labels()


async def test_announcing_twice_announces_once(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await announced(chat)
    await filled_in(admin)
    assert "Nothing changed, so nobody is notified" in (await admin.presses("Announce it")).text
    await the_event(chat)


async def test_the_list_counts_who_comes(chat: Machine) -> None:
    admin, visitor = await chat.staff("admin"), await chat.visitor()
    event = await announced(chat)
    await visitor.says(f"/start event_{event.id}")
    await visitor.presses("Register")
    listed = await admin.says("/manage")
    assert "Registered: 1 of 30" in listed.text
    assert "Registered: 1 of 30" in (await admin.presses("IP for growth")).text


async def test_an_admin_moves_an_event_and_those_registered_are_told(chat: Machine, clock: MovableClock) -> None:
    admin, visitor = await chat.staff("admin"), await chat.visitor()
    event = await announced(chat)
    await visitor.says(f"/start event_{event.id}")
    await visitor.presses("Register")
    await opens(admin, event)
    asked = await admin.presses("Move")
    assert "New time, 1 of 4" in asked.text
    assert "Keep: Thu 10 Dec 2026" in asked.labels()
    await admin.says("2026-12-11")
    await admin.presses("Keep: 09:30")
    await admin.presses("Keep: 17:00")
    summary = await admin.presses("Keep: Hong Kong, UTC+8")
    assert "Fri 11 Dec 2026, 09:30–17:00" in summary.text
    assert "Until now: Thu 10 Dec 2026, 09:30–17:00" in summary.text
    assert "1 person is registered and will be told" in summary.text
    done = await admin.presses("Move it")
    assert "Done. 1 person is told." in done.text
    notice = await visitor.last()
    assert "new time" in notice.text
    assert "Fri 11 Dec 2026" in notice.text
    clock.set(datetime(2026, 12, 9, 2, tzinfo=UTC))
    await chat.settled()
    assert (await visitor.last()).id == notice.id + 1
    assert "Fri 11 Dec 2026" in (await visitor.last()).text


async def test_an_event_of_two_days_keeps_its_length_when_moved(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await filled_in(admin, ends="2026年12月11日 17:00")
    await admin.presses("Announce it")
    await admin.presses("Move")
    await admin.says("2026-12-20")
    await admin.presses("Keep: 09:30")
    assert "Keep: Mon 21 Dec 2026 17:00" in (await admin.last()).labels()
    await admin.presses("Keep: Mon 21 Dec 2026 17:00")
    await admin.presses("Keep: Hong Kong")
    await admin.presses("Move it")
    expected = Times(wall("2026-12-20 09:30"), wall("2026-12-21 17:00"), HONG_KONG)
    assert (await the_event(chat)).times == expected


async def test_of_two_admins_the_second_sees_what_the_first_did(chat: Machine) -> None:
    first, second = await chat.staff("admin"), await chat.staff("admin")
    event = await announced(chat)
    await second.presses("old", await offered(second, MoveEvent(event.id)))
    for answer in ("2026-12-15", "10:00", "11:00", HONG_KONG):
        await second.says(answer)
    await opens(first, event)
    await first.presses("Move")
    for answer in ("2026-12-20", "10:00", "11:00", HONG_KONG):
        await first.says(answer)
    await first.presses("Move it")
    stale = await second.presses("Move it")
    assert "Somebody else changed this event" in stale.text
    assert "Sun 20 Dec 2026" in stale.text
    old = await offered(second, CancelEvent(event.id, event.revision, True))
    assert "Somebody else changed this event" in (await second.presses("old", old)).text
    assert not (await the_event(chat)).cancelled


async def test_an_admin_cancels_an_event_after_one_question(chat: Machine) -> None:
    admin, visitor = await chat.staff("admin"), await chat.visitor()
    event = await announced(chat)
    await visitor.says(f"/start event_{event.id}")
    await visitor.presses("Register")
    await opens(admin, event)
    asked = await admin.presses("Cancel the event")
    assert "Cancel this event for good?" in asked.text
    assert "Registered: 1 of 30" in asked.text
    assert "Cancel the event" in (await admin.presses("No, it takes place")).labels()
    await admin.presses("Cancel the event")
    done = await admin.presses("Yes, cancel the event")
    assert "Done. 1 person is told." in done.text
    assert "This event has been cancelled." in done.text
    assert "Move" not in done.labels()
    assert "cancelled" in (await visitor.last()).text
    for again in (
        CancelEvent(event.id, 0, False),
        CancelEvent(event.id, 0, True),
        MoveEvent(event.id),
    ):
        after = await admin.presses("old", await offered(admin, again))
        assert "This event has been cancelled." in after.text
    assert "None is announced" in (await admin.says("/manage")).text


async def test_what_staff_do_with_events_is_recorded(chat: Machine) -> None:
    admin = await chat.staff("admin")
    await filled_in(admin)
    await admin.presses("Announce it")
    event = await the_event(chat)
    await admin.presses("Cancel the event")
    await admin.presses("Yes, cancel the event")
    recorded = select(AuditRecord.actor_id, AuditRecord.action).where(AuditRecord.subject == f"event:{event.id}")
    admins = select(Role.contact_id).where(Role.role == "admin")
    async with chat.core.db.read() as tx:
        who = (await tx.execute(admins)).scalar_one()
        rows = [tuple(row) for row in await tx.execute(recorded.order_by(AuditRecord.id))]
    assert rows == [(who, "event.added"), (who, "event.cancelled")]


async def test_buttons_of_an_event_that_is_gone_lead_to_the_list(chat: Machine) -> None:
    admin = await chat.staff("admin")
    for action in (
        ManageEvent(999),
        MoveEvent(999),
        CancelEvent(999, 0, False),
        CancelEvent(999, 0, True),
    ):
        after = await admin.presses("old", await offered(admin, action))
        assert "None is announced" in after.text
        assert admin.toasts.pop() == "That event is no longer here."


@pytest.mark.parametrize("role", [None, "curator"])
async def test_nobody_but_admins_manages_events(chat: Machine, role: str | None) -> None:
    event = await announced(chat)
    other = await chat.staff(role) if role else await chat.visitor()
    assert "I do not know that command" in (await other.says("/manage")).text
    for action in (NewEvent(), MoveEvent(event.id), CancelEvent(event.id, event.revision, True)):
        answer = await other.presses("old", await offered(other, action))
        assert "out of date" in other.toasts.pop()
        assert "I am CIPO Advisor" in answer.text
    assert (await the_event(chat)).revision == event.revision


async def test_a_role_taken_away_in_the_middle_ends_the_dialog(chat: Machine) -> None:
    admin = await chat.staff("admin")
    summary = await filled_in(admin)
    async with chat.core.db.write() as tx:
        await tx.execute(delete(Role))
    await admin.presses("Announce it", summary)
    assert "That step is no longer open" in (await admin.says("IP for growth")).text
    assert await chat.core.services.events.upcoming() == []


@pytest.mark.parametrize("locale", ["zh-Hans", "zh-Hant"])
async def test_an_admin_who_reads_chinese_writes_in_chinese(chat: Machine, locale: str) -> None:
    admin = await chat.staff("admin", locale=locale)
    page = await admin.says("/manage")
    await admin.sends_data(NewEvent().encode(), page.id)
    for question in NEW:
        await admin.says({**FORUM, "venue": "数码港", "description": "六场演讲"}[question.step])
    summary = await admin.last()
    assert "2026年12月10日" in summary.text
    confirm = next(data for _, data in summary.buttons if data and data.startswith("sevok:"))
    await admin.sends_data(confirm, summary.id)
    event = await the_event(chat)
    assert event.venue == {locale: "数码港"}
    assert event.description == {locale: "六场演讲"}


# The form itself


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-03",
        "2026-12-3",
        "2026/12/03",
        "2026.12.3",
        "2026年12月3日",
        " 2026 年 12 月 3 日 ",
        "２０２６－１２－０３",
    ],
)
def test_a_day_is_read_in_the_ways_people_write_it(text: str) -> None:
    assert day_in(text) == date(2026, 12, 3)


@pytest.mark.parametrize(
    "text",
    ["", "3.12.2026", "2026-13-01", "2026-12/03", "12-03", "2026年12月", "tomorrow", "٢٠٢٦-١٢-٠٣"],
)
def test_what_could_mean_another_day_is_not_guessed(text: str) -> None:
    with pytest.raises(BadAnswerError):
        day_in(text)


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("14:00", time(14)),
        ("14：05", time(14, 5)),
        ("9:30", time(9, 30)),
        ("9点", time(9)),
        ("14點30分", time(14, 30)),
        ("14时30", time(14, 30)),
        ("００：００", time(0)),
    ],
)
def test_a_time_is_read_in_the_ways_people_write_it(text: str, clock: time) -> None:
    assert clock_in(text) == clock


@pytest.mark.parametrize("text", ["", "9", "24:00", "12:60", "2pm", "下午2点", "14:0", "14:000", "930"])
def test_what_could_mean_another_time_is_not_guessed(text: str) -> None:
    with pytest.raises(BadAnswerError):
        clock_in(text)


@given(
    day=st.dates(date(2026, 11, 24), date(2036, 12, 1)),
    starts=st.times(),
    length=st.timedeltas(timedelta(minutes=1), timedelta(days=29)),
)
def test_the_times_typed_are_the_times_announced(day: date, starts: time, length: timedelta) -> None:
    begin = datetime.combine(day, starts.replace(second=0, microsecond=0))
    end = (begin + length).replace(second=0, microsecond=0)
    form = answered(date=f"{day}", starts=f"{begin:%H:%M}", ends=f"{end:%Y-%m-%d %H:%M}")
    assert form.times == Times(begin, end, HONG_KONG)


@given(st.text(max_size=60), st.sampled_from([question.step for question in NEW]))
def test_any_text_is_taken_or_refused_and_what_is_taken_stays_as_it_is(text: str, step: str) -> None:
    form = answered().without(step)
    try:
        taken = form.answered(text.strip(), START)
    except BadAnswerError:
        return
    value = taken.answers[step]
    assert form.answered(value, START).answers[step] == value
    assert Form.from_data(taken.data()) == taken


def test_moving_asks_for_the_times_only_and_knows_the_present_ones() -> None:
    assert [question.step for question in TIMES] == ["date", "starts", "ends", "zone"]
    form = Form(7, 3, "en", {}, {"date": "2026-12-10", "starts": "09:30", "ends": "+1 17:00", "zone": "UTC"})
    for _ in TIMES:
        form = form.kept()
    assert form.open is None
    assert form.times == Times(wall("2026-12-10 09:30"), wall("2026-12-11 17:00"), "UTC")


def test_each_state_of_the_form_has_a_digest_of_its_own() -> None:
    forms = [
        answered(),
        answered(seats="31"),
        replace(answered(), event=1),
        replace(answered(), revision=1),
    ]
    assert len({form.digest for form in forms}) == len(forms)
    assert answered().digest == answered().digest


@pytest.mark.parametrize("locale", LOCALES)
def test_every_question_and_the_longest_summary_fit_one_message(locale: str) -> None:
    say = Texts().translator(locale)
    form = Form(None, 0, locale)
    longest: dict[str, Any] = {
        "title_en": "W" * LONGEST["title"],
        "title_hans": "知" * LONGEST["title"],
        "title_hant": "識" * LONGEST["title"],
        "venue": "V" * LONGEST["venue"],
        "link": "https://example.org/" + "x" * 480,
        "description": "D" * 2000,
    }
    for question in NEW:
        message = question_message(form, say("Please press one of the buttons."), START, say)
        assert 0 < len(plain(message.html)) < 1000
        form = form.answered({**FORUM, **longest}[question.step], START)
    assert len(plain(draft_message(form, None, START, say).html)) <= 4096
