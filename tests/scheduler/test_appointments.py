"""Holding, booking, moving and cancelling appointments, and what both sides are told, on both databases."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.channels.telegram_html import parse, units
from bot.people.contacts import Contacts
from bot.people.models import AuditRecord, Consent, Contact
from bot.people.privacy import Consents, PersonalData, Privacy, Shown
from bot.storage import Database, Tx
from bot.texts import LOCALES, Message
from bot.texts.actions import CancelAppointment, MoveAppointment
from scheduler.appointments import sample
from scheduler.appointments.availability import Reason
from scheduler.appointments.experts import check
from scheduler.appointments.models import Appointment, Expert
from scheduler.appointments.values import (
    LIMITS,
    AlreadyCancelled,
    AlreadyConfirmed,
    Cancelled,
    Confirmed,
    Expired,
    Gone,
    Held,
    HoldView,
    Moved,
    Stale,
    Taken,
    TooLong,
)
from tests.conftest import START, MovableClock
from tests.scheduler.appointments_house import (
    DAY,
    HALF,
    HOLD,
    HONG_KONG,
    HOUR,
    TOMORROW_TEN,
    House,
    a_draft,
    read_calendar,
    texts,
)

CAPTION_LIMIT = 1024
TEN = TOMORROW_TEN.astimezone(UTC)


@pytest.fixture
def house(db: Database, clock: MovableClock) -> House:
    return House(db, clock)


# Who can be booked, and when


async def test_topics_are_those_somebody_speaks_on_in_their_fixed_order(house: House) -> None:
    assert await house.appointments.topics() == ()
    await house.expert(topics=("overseas", "patents"))
    retired = await house.expert(topics=("licensing",))
    async with house.db.write() as tx:
        await tx.execute(update(Expert).where(Expert.id == retired).values(active=False))
    assert await house.appointments.topics() == ("patents", "overseas")
    assert [card.topics for card in await house.appointments.experts("patents")] == [("overseas", "patents")]
    assert await house.appointments.experts("licensing") == ()
    assert await house.appointments.expert(retired) is None


async def test_a_month_offers_only_days_with_free_slots(house: House) -> None:
    expert, contact = await house.expert(overrides={date(2026, 11, 25): ()}), await house.contact()
    shown = await house.appointments.month("patents", expert, 2026, 11, zone=HONG_KONG, contact_id=contact)
    assert sorted(day.day for day in shown.days) == [23, 24, 26, 27, 30]
    assert (shown.first, shown.last) == (date(2026, 11, 1), date(2026, 12, 1))


async def test_a_month_that_cannot_be_booked_gives_the_nearest_that_can(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    for year, month, shown in ((1999, 1, 11), (9999, 12, 12)):
        view = await house.appointments.month("patents", expert, year, month, zone=HONG_KONG, contact_id=contact)
        assert view.month == date(2026, shown, 1)
    for day in (date.min, date.max):
        assert await house.appointments.day("patents", expert, day, zone=HONG_KONG, contact_id=contact) == ()


async def test_days_are_those_of_the_readers_zone(house: House) -> None:
    night = dict.fromkeys(range(5), ((0, 120),))
    expert, contact = await house.expert(hours=night), await house.contact()
    in_london: dict[str, Any] = {"zone": "Europe/London", "contact_id": contact}
    shown = await house.appointments.month("patents", expert, 2026, 11, **in_london)
    assert sorted(day.day for day in shown.days) == [23, 24, 25, 26, 29, 30]
    monday = await house.appointments.day("patents", expert, date(2026, 11, 23), **in_london)
    local = [start.astimezone(ZoneInfo("Europe/London")).strftime("%d %H:%M") for start in monday]
    assert local == ["23 16:00", "23 16:30", "23 17:00"]


async def test_any_expert_offers_what_one_of_them_has_free(house: House) -> None:
    early = dict.fromkeys(range(5), ((9 * 60, 10 * 60),))
    late = dict.fromkeys(range(5), ((9 * 60, 11 * 60),))
    await house.expert(hours=early)
    await house.expert(hours=late)
    other_topic = await house.expert(topics=("licensing",))
    contact = await house.contact()
    tuesday = await house.appointments.day("patents", None, date(2026, 11, 24), zone=HONG_KONG, contact_id=contact)
    assert tuesday == (TEN - HOUR, TEN - HALF, TEN)
    assert isinstance(await house.try_hold(contact, other_topic, TEN), Taken)


async def test_the_next_free_start_is_found_beyond_an_empty_month(house: House) -> None:
    away = {date(2026, 11, 23) + n * DAY: () for n in range(10)}
    expert, contact = await house.expert(overrides=away), await house.contact()
    found = await house.appointments.next_free("patents", expert, contact_id=contact)
    assert found == datetime.fromisoformat("2026-12-03T09:00+08:00")
    assert await house.appointments.next_free("licensing", None, contact_id=contact) is None


async def test_it_can_be_said_why_a_start_is_not_offered(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    await house.book(contact, expert, TEN)
    why_not = house.appointments.why_not
    assert await why_not(expert, TEN) is Reason.BUSY
    assert await why_not(expert, TEN + HALF) is Reason.BUSY
    assert await why_not(expert, TEN + HOUR) is None
    assert await why_not(expert, START + 59 * timedelta(minutes=1)) is Reason.NOTICE
    assert await why_not(expert, START + 31 * DAY) is Reason.BEYOND_WINDOW
    assert await why_not(expert, TEN + 4 * DAY) is Reason.CLOSED_DAY
    with pytest.raises(ValueError, match="no expert"):
        await why_not(expert + 1, TEN)


def _drafts() -> st.SearchStrategy[dict[str, Any]]:
    minutes = st.integers(0, 6).map(lambda n: n * 10)
    return st.fixed_dictionaries(
        {
            "zone": st.sampled_from([HONG_KONG, "Europe/London", "America/New_York"]),
            "hours": st.integers(0, 1200).map(lambda m: dict.fromkeys(range(7), ((m, min(m + 400, 1440)),))),
            "length": st.integers(2, 9).map(lambda n: n * 10),
            "interval": st.integers(2, 6).map(lambda n: n * 10),
            "before": minutes,
            "after": minutes,
            "notice": st.integers(0, 3000),
            "window_days": st.integers(1, 5),
            "per_day": st.none() | st.integers(1, 3),
            "per_week": st.none() | st.integers(1, 5),
        }
    )


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draft=_drafts(), choices=st.lists(st.integers(0, 10**6), min_size=2, max_size=4))
async def test_what_is_listed_can_be_booked_and_nothing_else(
    db: Database, draft: dict[str, Any], choices: list[int]
) -> None:
    house = House(db, MovableClock())
    expert, contact = await house.expert(**draft), await house.contact()
    for choice in choices:
        if listed := await _listed(house, expert, contact):
            await house.book(await house.contact(), expert, listed[choice % len(listed)])
    listed = await _listed(house, expert, contact)
    for start in listed[::7]:
        assert isinstance(await house.try_hold(contact, expert, start), Held)
    tens = [START + n * timedelta(minutes=10) for n in range(0, 7 * 144, 67)]
    for start in tens:
        held = await house.try_hold(contact, expert, start)
        assert isinstance(held, Held) == (start in listed)
    assert await house.overlaps() == []


async def _listed(house: House, expert: int, contact: int) -> list[datetime]:
    days = [START.date() + n * DAY for n in range(-1, 8)]
    asked = [
        await house.appointments.day("patents", expert, day, zone="Pacific/Auckland", contact_id=contact)
        for day in days
    ]
    return [start for starts in asked for start in starts]


# Holding


async def test_a_hold_keeps_the_slot_from_others_and_not_from_its_holder(house: House) -> None:
    expert, holder, other = await house.expert(), await house.contact(), await house.contact()
    hold = await house.hold(holder, expert)
    assert (hold.start, hold.end, hold.expires_at) == (TEN, TEN + HOUR, START + HOLD)
    day: dict[str, Any] = {"day": date(2026, 11, 24), "zone": HONG_KONG}
    assert TEN in await house.appointments.day("patents", expert, contact_id=holder, **day)
    assert TEN not in await house.appointments.day("patents", expert, contact_id=other, **day)
    assert isinstance(await house.try_hold(other, expert), Taken)
    assert (await house.hold(holder, expert)).start == TEN
    assert (await house.hold(holder, expert, TEN + HALF)).start == TEN + HALF


async def test_a_refusal_names_the_reason_and_the_nearest_free_starts(house: House) -> None:
    expert, holder, other = await house.expert(), await house.contact(), await house.contact()
    await house.book(holder, expert)
    taken = await house.try_hold(other, expert)
    assert taken == Taken((TEN - HOUR, TEN + HOUR, TEN + HOUR + HALF), Reason.BUSY)


async def test_an_expired_hold_frees_the_slot(house: House) -> None:
    expert, slow, quick = await house.expert(), await house.contact(), await house.contact()
    lapsed = await house.hold(slow, expert)
    house.clock.advance(HOLD)
    assert isinstance(await house.try_hold(quick, expert), Held)
    assert await house.appointments.confirm(lapsed.id, slow, "en") == Expired(lapsed)
    assert [row.contact_id for row in await house.live()] == [quick]


async def test_a_new_hold_gives_the_old_one_back(house: House) -> None:
    ada, ben = await house.expert(), await house.expert()
    holder, other = await house.contact(), await house.contact()
    old = await house.hold(holder, ada)
    await house.hold(holder, ben)
    assert isinstance(await house.try_hold(other, ada), Held)
    assert await house.appointments.held(old.id, holder) is None
    assert await house.appointments.confirm(old.id, holder, "en") == Expired(None)
    assert isinstance(await house.appointments.fill(old.id, holder, name="Eve"), Expired)


async def test_a_refused_hold_leaves_the_old_one_standing(house: House) -> None:
    expert, holder, other = await house.expert(), await house.contact(), await house.contact()
    await house.book(other, expert, TEN + HOUR)
    old = await house.hold(holder, expert)
    assert isinstance(await house.try_hold(holder, expert, TEN + HOUR), Taken)
    assert isinstance(await house.appointments.confirm(old.id, holder, "en"), Confirmed)


async def test_the_same_update_makes_the_same_hold(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    once = await house.appointments.hold(contact, "patents", expert, TEN, 700001)
    again = await house.appointments.hold(contact, "patents", expert, TEN, 700001)
    assert once == again
    assert len(await house.rows()) == 1


async def test_a_dropped_hold_frees_the_slot_at_once_and_only_its_holder_drops_it(house: House) -> None:
    expert, holder, other = await house.expert(), await house.contact(), await house.contact()
    hold = await house.hold(holder, expert)
    await house.appointments.drop(hold.id, other)
    assert isinstance(await house.try_hold(other, expert), Taken)
    await house.appointments.drop(hold.id, holder)
    await house.appointments.drop(hold.id, holder)
    assert isinstance(await house.try_hold(other, expert), Held)


async def test_a_stale_button_cannot_book_what_is_not_offered(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    beyond = START + 45 * DAY
    for start, reason in ((START, Reason.NOTICE), (START - DAY, Reason.PAST), (beyond, Reason.BEYOND_WINDOW)):
        taken = await house.try_hold(contact, expert, start)
        assert isinstance(taken, Taken)
        assert taken.reason is reason
    assert isinstance(await house.try_hold(contact, expert + 99), Taken)
    assert isinstance(await house.try_hold(contact, expert, topic="licensing"), Taken)
    assert await house.rows() == []


# Filling in


async def test_a_person_who_fills_in_keeps_the_hold_but_not_for_ever(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    minute = timedelta(minutes=1)
    for after, expires in ((14, 29), (14, 43), (14, 45)):
        house.clock.advance(after * minute)
        filled = await house.appointments.fill(hold.id, contact, question="?")
        assert isinstance(filled, HoldView)
        assert filled.expires_at == START + expires * minute
    house.clock.advance(3 * minute)
    lapsed = await house.appointments.fill(hold.id, contact, name="Too late")
    assert isinstance(lapsed, Expired)
    assert lapsed.hold is not None
    assert lapsed.hold.name == "Too late"


async def test_a_hold_that_lapsed_a_moment_ago_comes_back_while_its_slot_is_free(house: House) -> None:
    expert, contact, other = await house.expert(), await house.contact(), await house.contact()
    hold = await house.hold(contact, expert)
    house.clock.advance(HOLD + timedelta(minutes=5))
    assert await house.appointments.sweep() == 1
    filled = await house.appointments.fill(hold.id, contact, name="Ann")
    assert isinstance(filled, HoldView)
    assert filled.expires_at == house.clock.now() + HOLD
    assert isinstance(await house.try_hold(other, expert), Taken)


async def test_fields_are_trimmed_cleared_and_limited(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    fill = house.appointments.fill
    filled = await fill(hold.id, contact, name="  Ann ", company="ACME")
    assert isinstance(filled, HoldView)
    assert (filled.name, filled.company) == ("Ann", "ACME")
    filled = await fill(hold.id, contact, company="")
    assert isinstance(filled, HoldView)
    assert (filled.name, filled.company) == ("Ann", None)
    for field, limit in LIMITS.items():
        assert isinstance(await fill(hold.id, contact, **{field: "知" * limit}), HoldView)
        assert await fill(hold.id, contact, **{field: "知" * (limit + 1)}) == TooLong(field, limit)


async def test_a_name_of_several_lines_cannot_pose_as_more_of_the_notice(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    forged = "Ann\nHow you meet:\u2028https://evil.example\x85\u202e"
    filled = await house.appointments.fill(
        hold.id, contact, name=forged, company=forged, contact_details=forged, question="One\nTwo"
    )
    assert isinstance(filled, HoldView)
    assert filled.name == filled.company == filled.contact_details == "Ann How you meet: https://evil.example"
    assert filled.question == "One\nTwo"


async def test_what_was_typed_into_a_lost_hold_is_there_in_the_next(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    await house.appointments.fill(hold.id, contact, name="Ann", question="Who owns it?")
    again = await house.hold(contact, expert, TEN + 2 * HOUR)
    assert (again.name, again.question) == ("Ann", "Who owns it?")
    elsewhere = await house.hold(contact, expert, TEN, topic="strategy")
    assert (elsewhere.name, elsewhere.question) == ("Ann", None)


async def test_nobody_else_fills_in_sees_or_confirms_a_hold(house: House) -> None:
    expert, holder, other = await house.expert(), await house.contact(), await house.contact()
    hold = await house.hold(holder, expert)
    assert await house.appointments.held(hold.id, other) is None
    assert await house.appointments.fill(hold.id, other, name="Eve") == Expired(None)
    assert await house.appointments.confirm(hold.id, other, "en") == Expired(None)
    kept = await house.appointments.held(hold.id, holder)
    assert kept is not None
    assert kept.name is None


# Confirming


async def test_confirming_books_tells_both_sides_and_plans_reminders(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    view = await house.book(client, await house.expert(adviser))
    assert (view.status, view.start, view.sequence) == ("confirmed", TEN, 0)
    due = {(row.contact_id, row.kind, row.due_at) for row in await house.owed()}
    # a day before is past already: the appointment begins in 24 hours
    assert due == {
        (client, "appointment.confirmed", START),
        (adviser, "appointment.booked", START),
        (client, "appointment.reminder", TEN - HOUR),
        (adviser, "appointment.reminder", TEN - HOUR),
    }
    assert {row.expires_at for row in await house.owed() if row.kind == "appointment.reminder"} == {
        TEN - timedelta(minutes=5)
    }
    assert house.woken


async def test_a_day_ahead_is_reminded_where_there_is_a_day(house: House) -> None:
    client = await house.contact()
    await house.book(client, await house.expert(), TEN + DAY)
    planned = [row.due_at for row in await house.owed() if row.kind == "appointment.reminder"]
    assert sorted(planned) == [TEN, TEN + DAY - HOUR]


async def test_consent_is_kept_and_the_profile_prefills_the_next_booking(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    await house.appointments.fill(
        hold.id, contact, name="Ann", company="ACME", contact_details="ann@acme.example", question="Why?"
    )
    await house.appointments.confirm(hold.id, contact, "zh-Hant")
    async with house.db.read() as tx:
        consent = (await tx.execute(select(Consent.purpose, Consent.locale, Consent.given_at))).one()
    assert tuple(consent) == ("appointment", "zh-Hant", START)
    house.clock.advance(2 * HOUR)
    later = await house.hold(contact, expert, TEN + DAY)
    assert (later.name, later.company, later.contact_details) == ("Ann", "ACME", "ann@acme.example")
    assert later.question is None


async def test_confirming_twice_books_once(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    first = await house.appointments.confirm(hold.id, contact, "en")
    owed = len(await house.owed())
    again = await house.appointments.confirm(hold.id, contact, "en")
    assert isinstance(first, Confirmed)
    assert again == AlreadyConfirmed(first.appointment)
    assert len(await house.owed()) == owed
    assert isinstance(await house.appointments.fill(hold.id, contact, name="Later"), Expired)
    await house.appointments.drop(hold.id, contact)
    assert [row.status for row in await house.rows()] == ["confirmed"]


async def test_a_lapsed_hold_is_booked_if_its_slot_is_still_free(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    house.clock.advance(10 * HOLD)
    await house.appointments.sweep()
    assert isinstance(await house.appointments.confirm(hold.id, contact, "en"), Confirmed)


async def test_a_lapsed_hold_is_not_booked_inside_the_notice(house: House) -> None:
    expert, contact = await house.expert(), await house.contact()
    hold = await house.hold(contact, expert)
    house.clock.set(TEN - HALF)
    assert isinstance(await house.appointments.confirm(hold.id, contact, "en"), Expired)


# Moving


async def test_moving_keeps_the_appointment_and_replans_it(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    view = await house.book(client, await house.expert(adviser))
    moved = await house.appointments.move(view.id, client, view.version, TEN + DAY)
    assert isinstance(moved, Moved)
    new = moved.appointment
    assert (new.id, new.start, new.end, new.sequence) == (view.id, TEN + DAY, TEN + DAY + HOUR, 1)
    assert sorted(await house.owed_to(client)) == ["appointment.moved", *["appointment.reminder"] * 2]
    assert sorted(await house.owed_to(adviser)) == ["appointment.moved", *["appointment.reminder"] * 2]
    reminders = [row for row in await house.owed() if row.kind == "appointment.reminder"]
    assert {row.due_at for row in reminders} == {TEN, TEN + DAY - HOUR}
    other = await house.contact()
    assert isinstance(await house.try_hold(other, view.expert.id, TEN), Held)


async def test_moving_onto_an_overlap_with_oneself_works(house: House) -> None:
    expert, client = await house.expert(), await house.contact()
    view = await house.book(client, expert)
    shown = await house.appointments.day(
        "patents", expert, date(2026, 11, 24), zone=HONG_KONG, contact_id=client, moving=view.id
    )
    assert TEN + HALF in shown
    moved = await house.appointments.move(view.id, client, view.version, TEN + HALF)
    assert isinstance(moved, Moved)
    assert moved.appointment.start == TEN + HALF


async def test_moving_onto_somebody_elses_time_is_refused_and_changes_nothing(house: House) -> None:
    expert, client, other = await house.expert(), await house.contact(), await house.contact()
    view = await house.book(client, expert)
    await house.book(other, expert, TEN + HOUR)
    taken = await house.appointments.move(view.id, client, view.version, TEN + HALF)
    assert isinstance(taken, Taken)
    assert taken.reason is Reason.BUSY
    assert TEN - HALF in taken.alternatives
    assert await house.appointments.view(view.id, client) == view


async def test_moving_twice_to_the_same_time_moves_once(house: House) -> None:
    client = await house.contact()
    view = await house.book(client, await house.expert())
    once = await house.appointments.move(view.id, client, view.version, TEN + HOUR)
    owed = len(await house.owed())
    assert await house.appointments.move(view.id, client, view.version, TEN + HOUR) == once
    assert len(await house.owed()) == owed


async def test_a_move_from_an_old_version_is_stale(house: House) -> None:
    client = await house.contact()
    view = await house.book(client, await house.expert())
    moved = await house.appointments.move(view.id, client, view.version, TEN + HOUR)
    assert isinstance(moved, Moved)
    stale = await house.appointments.move(view.id, client, view.version, TEN + 3 * HOUR)
    assert stale == Stale(moved.appointment)
    assert await house.appointments.cancel(view.id, client, view.version) == stale


async def test_moving_there_and_back_reminds_again(house: House) -> None:
    client = await house.contact()
    view = await house.book(client, await house.expert())
    there = await house.appointments.move(view.id, client, view.version, TEN + HOUR)
    assert isinstance(there, Moved)
    await house.appointments.move(view.id, client, there.appointment.version, TEN)
    planned = [row.due_at for row in await house.owed() if row.kind == "appointment.reminder"]
    assert planned == [TEN - HOUR]


async def test_only_the_owner_moves_and_only_what_is_ahead(house: House) -> None:
    client, adviser, stranger = await house.contacts(3)
    view = await house.book(client, await house.expert(adviser))
    move = house.appointments.move
    assert await move(view.id, stranger, view.version, TEN + HOUR) == Gone(None)
    assert await move(view.id, adviser, view.version, TEN + HOUR) == Gone(None)
    hold = await house.hold(client, view.expert.id, TEN + 2 * HOUR)
    assert await move(hold.id, client, 1, TEN + HOUR) == Gone(None)
    house.clock.set(TEN)
    assert await move(view.id, client, view.version, TEN + DAY) == Gone(view)


async def test_a_stranger_gains_nothing_by_claiming_to_move_an_appointment(house: House) -> None:
    expert, client, stranger = await house.expert(), await house.contact(), await house.contact()
    view = await house.book(client, expert)
    shown = await house.appointments.day(
        "patents", expert, date(2026, 11, 24), zone=HONG_KONG, contact_id=stranger, moving=view.id
    )
    assert TEN not in shown


async def test_a_move_over_ones_own_hold_gives_the_hold_back(house: House) -> None:
    expert, client = await house.expert(), await house.contact()
    view = await house.book(client, expert)
    hold = await house.hold(client, expert, TEN + DAY)
    assert isinstance(await house.appointments.move(view.id, client, view.version, TEN + DAY), Moved)
    assert await house.appointments.confirm(hold.id, client, "en") == Expired(None)


# Cancelling


async def test_cancelling_frees_the_slot_and_tells_both_sides(house: House) -> None:
    client, adviser, other = await house.contacts(3)
    view = await house.book(client, await house.expert(adviser))
    cancelled = await house.appointments.cancel(view.id, client, view.version)
    assert isinstance(cancelled, Cancelled)
    assert (cancelled.appointment.status, cancelled.appointment.cancelled_by) == ("cancelled", "owner")
    assert await house.owed_to(client) == ["appointment.cancelled"]
    assert await house.owed_to(adviser) == ["appointment.cancelled"]
    assert isinstance(await house.try_hold(other, view.expert.id), Held)


async def test_cancelling_twice_gives_the_same_answer_and_tells_nobody_again(house: House) -> None:
    client = await house.contact()
    view = await house.book(client, await house.expert())
    cancelled = await house.appointments.cancel(view.id, client, view.version)
    assert isinstance(cancelled, Cancelled)
    again = await house.appointments.cancel(view.id, client, view.version)
    assert again == AlreadyCancelled(cancelled.appointment)
    assert len(await house.owed()) == 1
    assert await house.appointments.move(view.id, client, 3, TEN + DAY) == Gone(cancelled.appointment)


async def test_an_expert_cancels_with_a_trace_and_the_client_is_told_so(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    view = await house.book(client, await house.expert(adviser))
    assert isinstance(await house.appointments.cancel(view.id, adviser, view.version), Cancelled)
    async with house.db.read() as tx:
        actions = select(AuditRecord.actor_id, AuditRecord.subject)
        done = (await tx.execute(actions.where(AuditRecord.action == "appointment.cancelled"))).one()
    assert tuple(done) == (adviser, f"appointment:{view.id}")
    assert "your expert had to cancel" in (await house.message_to(client, "appointment.cancelled")).html
    assert "You cancelled" in (await house.message_to(adviser, "appointment.cancelled")).html


async def test_nobody_else_sees_or_cancels_an_appointment(house: House) -> None:
    client, stranger = await house.contact(), await house.contact()
    view = await house.book(client, await house.expert())
    say = texts().translator("en")
    assert await house.appointments.cancel(view.id, stranger, view.version) == Gone(None)
    assert await house.appointments.view(view.id, stranger) is None
    assert await house.appointments.calendar_file(view.id, stranger, say) is None
    assert await house.appointments.view(view.id, client) == view


async def test_what_has_begun_is_not_cancelled(house: House) -> None:
    client = await house.contact()
    view = await house.book(client, await house.expert())
    house.clock.set(TEN)
    assert await house.appointments.cancel(view.id, client, view.version) == Gone(view)


# What both sides are told


async def test_the_calendar_entry_is_one_and_the_same_through_book_move_and_cancel(house: House) -> None:
    client = await house.contact()
    view = await house.book(client, await house.expert())
    booked = await house.message_to(client, "appointment.confirmed")
    moved = await house.appointments.move(view.id, client, view.version, TEN + DAY)
    assert isinstance(moved, Moved)
    changed = await house.message_to(client, "appointment.moved")
    await house.appointments.cancel(view.id, client, moved.appointment.version)
    ended = await house.message_to(client, "appointment.cancelled")
    files = [message.document for message in (booked, changed, ended)]
    entries = [read_calendar(file.data) for file in files if file is not None]
    assert [entry.method.value for entry in entries] == ["PUBLISH", "PUBLISH", "CANCEL"]
    assert [int(entry.vevent.sequence.value) for entry in entries] == [0, 1, 2]
    assert {entry.vevent.uid.value for entry in entries} == {
        f"appointment-{view.id}@{view.created_at:%Y%m%dt%H%M%S}.cipo-advisor"
    }
    assert [entry.vevent.dtstart.value for entry in entries] == [TEN, TEN + DAY, TEN + DAY]
    assert entries[2].vevent.status.value == "CANCELLED"


async def test_the_calendar_file_is_to_be_had_at_any_time(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    view = await house.book(client, await house.expert(adviser))
    say = texts().translator("en", "Europe/London")
    for contact, summary in ((client, "Ada <Wong>: Patents"), (adviser, "Advice for a client")):
        file = await house.appointments.calendar_file(view.id, contact, say)
        assert file is not None
        assert file.name == f"appointment-{view.id}.ics"
        assert read_calendar(file.data).vevent.summary.value.startswith(summary)


async def test_reminders_of_what_was_moved_or_cancelled_are_never_wanted(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    expert = await house.expert(adviser)
    first = await house.book(client, expert, TEN)
    second = await house.book(client, expert, TEN + 2 * HOUR)
    # rows that were already on their way when the change came, so that withdrawing missed them
    caught = [row for row in await house.owed() if row.kind == "appointment.reminder"]
    assert all([await house.wanted(row) for row in caught])
    await house.appointments.move(first.id, client, first.version, TEN + DAY)
    await house.appointments.cancel(second.id, client, second.version)
    assert not any([await house.wanted(row) for row in caught])
    assert {row.state for row in await house.owed("cancelled")} == {"cancelled"}
    assert {row.id for row in caught} <= {row.id for row in await house.owed("cancelled")}


async def test_a_reminder_is_not_wanted_once_it_has_begun(house: House) -> None:
    client = await house.contact()
    await house.book(client, await house.expert())
    (reminder,) = [row for row in await house.owed() if row.kind == "appointment.reminder"]
    house.clock.set(TEN)
    assert not await house.wanted(reminder)


async def test_an_expert_who_was_replaced_hears_no_more(house: House) -> None:
    client, old, new = await house.contacts(3)
    expert = await house.expert(old)
    await house.book(client, expert)
    to_old = [row for row in await house.owed() if row.contact_id == old]
    assert await house.appointments.link_expert(expert, new)
    assert not any([await house.wanted(row) for row in to_old])
    assert sorted(await house.owed_to(new)) == ["appointment.booked", "appointment.reminder"]
    await house.appointments.link_expert(expert, new)
    assert len(await house.owed_to(new)) == 2
    assert not await house.appointments.link_expert(expert + 99, new)


async def test_every_message_passes_the_strict_parser_and_fits_under_its_file(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    place = dict.fromkeys(LOCALES, "<b>&" * 100)
    view = await _a_wordy_booking(house, client, await house.expert(adviser, meeting_info=place))
    messages = await _all_messages(house)
    await house.appointments.move(view.id, client, view.version, TEN + DAY)
    messages += await _all_messages(house)
    await house.appointments.cancel(view.id, adviser, view.version + 1)
    messages += await _all_messages(house)
    assert len(messages) == (4 + 6 + 2) * len(LOCALES)
    for message in messages:
        text = parse(message.html).text
        assert units(text) <= CAPTION_LIMIT
        assert "UTC+8" in text
        actions = [button.action for row in message.buttons for button in row]
        assert all(action is not None and len(action.encode()) <= 64 for action in actions)


async def _all_messages(house: House) -> list[Message]:
    return [await house.read(row, locale) for row in await house.owed() for locale in LOCALES]


async def _a_wordy_booking(house: House, client: int, expert: int) -> Any:
    hold = await house.hold(client, expert)
    wordy = {field: "<𠮷&" * (limit // 3) for field, limit in LIMITS.items()}
    assert isinstance(await house.appointments.fill(hold.id, client, **wordy), HoldView)
    booked = await house.appointments.confirm(hold.id, client, "en")
    assert isinstance(booked, Confirmed)
    return booked.appointment


async def test_confirmation_and_reminder_speak_to_each_side_and_offer_what_it_can_do(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    view = await _a_wordy_booking(house, client, await house.expert(adviser))
    for row in await house.owed():
        message = await house.read(row, "zh-Hant")
        actions = [button.action for line in message.buttons for button in line]
        assert CancelAppointment(view.id, view.version, False) in actions
        assert (MoveAppointment(view.id) in actions) == (row.contact_id == client)
        assert (message.document is None) == (row.kind == "appointment.reminder")


async def test_an_appointment_page_shows_everything(house: House) -> None:
    client = await house.contact()
    view = await _a_wordy_booking(house, client, await house.expert())
    say = texts().translator("en", "Europe/London")
    html = say.page("appointments/appointment.html", a=view, role="owner", topic="Patents")
    text = parse(html).text
    assert view.question is not None
    assert view.question in text
    assert "02:00–03:00 (London, UTC+0)" in text


# One's own


async def test_mine_lists_what_comes_what_was_and_what_others_booked_with_me(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    expert = await house.expert(adviser)
    later = await house.book(client, expert, TEN + DAY)
    sooner = await house.book(client, expert, TEN)
    off = await house.book(client, expert, TEN + 2 * DAY)
    cancelled = await house.appointments.cancel(off.id, client, off.version)
    assert isinstance(cancelled, Cancelled)
    await house.hold(client, expert, TEN + 2 * HOUR)
    mine = await house.appointments.mine(client)
    assert (mine.upcoming, mine.recent) == ((sooner, later), (cancelled.appointment,))
    assert (await house.appointments.mine(adviser)).as_expert == (sooner, later)
    house.clock.set(TEN + HOUR)
    mine = await house.appointments.mine(client)
    assert (mine.upcoming, mine.recent) == ((later,), (cancelled.appointment, sooner))


# Any expert, limits


async def test_any_expert_is_whoever_has_least_ahead(house: House) -> None:
    ada, ben = await house.expert(), await house.expert()
    clients = await house.contacts(4)
    assert (await house.book(clients[0], ada, TEN + DAY)).expert.id == ada
    chosen = [(await house.book(client, None, TEN)).expert.id for client in clients[1:3]]
    assert chosen == [ben, ada]
    taken = await house.try_hold(clients[3], None, TEN)
    assert isinstance(taken, Taken)
    assert taken.alternatives
    again = await house.book(clients[3], None, TEN + 2 * HOUR)
    assert (again.expert.id, again.any_expert) == (ben, True)


async def test_a_whole_slot_must_be_free_for_the_expert_chosen(house: House) -> None:
    ada, ben = await house.expert(), await house.expert()
    clients = await house.contacts(3)
    await house.book(clients[0], ben, TEN + DAY)
    await house.book(clients[1], ada, TEN + HALF)
    assert (await house.book(clients[2], None, TEN)).expert.id == ben


async def test_a_full_day_takes_no_more_until_one_is_cancelled(house: House) -> None:
    expert, clients = await house.expert(per_day=2), await house.contacts(3)
    first = await house.book(clients[0], expert, TEN)
    await house.book(clients[1], expert, TEN + 2 * HOUR)
    taken = await house.try_hold(clients[2], expert, TEN + 4 * HOUR)
    assert isinstance(taken, Taken)
    assert taken.reason is Reason.DAY_FULL
    await house.appointments.cancel(first.id, clients[0], first.version)
    assert isinstance(await house.try_hold(clients[2], expert, TEN + 4 * HOUR), Held)


async def test_buffers_keep_appointments_apart(house: House) -> None:
    expert, clients = await house.expert(before=30, after=30), await house.contacts(2)
    await house.book(clients[0], expert, TEN)
    for start, free in ((TEN + HOUR, False), (TEN + HOUR + HALF, False), (TEN + 2 * HOUR, True)):
        assert isinstance(await house.try_hold(clients[1], expert, start), Held) == free


# The clock


async def test_the_sweep_gives_lapsed_holds_back_and_forgets_what_was_typed(house: House) -> None:
    expert, slow, booked = await house.expert(), await house.contact(), await house.contact()
    await house.hold(slow, expert)
    kept = await house.book(booked, expert, TEN + HOUR)
    assert await house.appointments.sweep() == 0
    house.clock.advance(HOLD)
    assert await house.appointments.sweep() == 1
    assert await house.appointments.sweep() == 0
    house.clock.advance(DAY)
    await house.appointments.sweep()
    assert [row.id for row in await house.rows()] == [kept.id]


# The database's own word


async def test_the_database_itself_refuses_overlaps(house: House) -> None:
    ada, ben, client = await house.expert(), await house.expert(), await house.contact()
    await house.book(client, ada)
    refused = [(0, 60), (30, 35), (-30, 1), (-30, 90), (59, 200)]
    for begin, end in refused:
        times = {"starts_at": TEN + timedelta(minutes=begin), "ends_at": TEN + timedelta(minutes=end)}
        assert not await _inserted(house, expert_id=ada, **times)
        assert await _inserted(house, expert_id=ada, status="expired", **times)
    assert await _inserted(house, expert_id=ben, starts_at=TEN, ends_at=TEN + HOUR)
    assert await _inserted(house, expert_id=ada, starts_at=TEN + HOUR, ends_at=TEN + 2 * HOUR)
    assert await _inserted(house, expert_id=ada, starts_at=TEN - HALF, ends_at=TEN)


async def test_the_database_itself_refuses_to_move_or_revive_onto_an_overlap(house: House) -> None:
    expert, clients = await house.expert(), await house.contacts(2)
    await house.book(clients[0], expert)
    other = await house.book(clients[1], expert, TEN + HOUR)
    onto = {"starts_at": TEN, "ends_at": TEN + HOUR, "busy_from": TEN, "busy_to": TEN + HOUR}
    same = update(Appointment).where(Appointment.id == other.id)
    with pytest.raises(IntegrityError, match="overlap"):
        async with house.db.write() as tx:
            await tx.execute(same.values(onto))
    async with house.db.write() as tx:
        await tx.execute(same.values(status="expired"))
        await tx.execute(same.values(onto))
    with pytest.raises(IntegrityError, match="overlap"):
        async with house.db.write() as tx:
            await tx.execute(same.values(status="held"))


async def _inserted(house: House, **changes: Any) -> bool:
    row = {
        "topic": "patents",
        "busy_from": changes["starts_at"],
        "busy_to": changes["ends_at"],
        "status": "confirmed",
        "expires_at": START,
        "version": 1,
        "sequence": 0,
        "any_expert": False,
        "created_at": START,
        "changed_at": START,
        **changes,
    }
    try:
        async with house.db.write() as tx:
            await tx.execute(insert(Appointment).values(row))
    except IntegrityError:
        return False
    return True


# Staff, samples and personal data


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": {}}, "needs a name"),
        ({"topics": ()}, "needs a topic"),
        ({"topics": ("gardening",)}, "topics are"),
        ({"zone": "Asia/Kowloon_Tong"}, "no time zone"),
        ({"hours": {7: ((0, 60),)}}, "weekdays are 0 to 6"),
        ({"hours": {0: ((600, 500),)}}, "windows outside"),
        ({"hours": {}}, "has hours"),
        ({"length": 0}, "length and interval"),
        ({"per_day": 0}, "a limit is 1 or more"),
        ({"window_days": 0}, "1 or more"),
        ({"languages": ()}, "speaks a language"),
    ],
)
def test_an_expert_that_makes_no_sense_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check(a_draft(**change))


async def test_a_refused_expert_is_not_there(house: House) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        await house.appointments.add_expert(a_draft(zone="Mars/Olympus"))
    assert await house.appointments.topics() == ()


async def test_samples_load_once_can_be_booked_and_go_without_a_trace(house: House) -> None:
    async with house.db.write() as tx:
        assert await sample.load(tx, START) == 3
        assert await sample.load(tx, START) == 0
    topics = await house.appointments.topics()
    assert len(topics) == 8
    client = await house.contact()
    for topic in topics:
        start = await house.appointments.next_free(topic, None, contact_id=client)
        assert start is not None
        view = await house.book(client, None, start, topic)
        assert "(sample)" in view.expert.name["en"]
    async with house.db.write() as tx:
        assert await sample.exists(tx)
        assert await sample.purge(tx) == 3
        assert not await sample.exists(tx)
    assert (await house.rows(), await house.owed()) == ([], [])


def test_every_sample_is_marked_in_every_language() -> None:
    for draft in sample.EXPERTS:
        for text in (draft.name, draft.title):
            assert set(text) == set(LOCALES)
            assert all(("(sample)" if locale == "en" else "示例") in text[locale] for locale in LOCALES)
    assert len({draft.zone for draft in sample.EXPERTS}) == 3


async def test_a_person_can_take_their_appointments_along(house: House) -> None:
    client, other = await house.contact(), await house.contact()
    view = await _a_wordy_booking(house, client, await house.expert())
    async with house.db.read() as tx:
        exported = await house.appointments.export(tx, client)
        assert (await house.appointments.export(tx, other))["booked"] == []
    assert [row["question"] for row in exported["booked"]] == [view.question]


async def test_erasing_cancels_what_is_ahead_tells_the_expert_and_leaves_no_name(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    expert = await house.expert(adviser)
    past = await house.book(client, expert, TEN)
    house.clock.set(TEN + HOUR)
    ahead = await _a_wordy_booking_at(house, client, expert, TEN + DAY)
    await house.hold(client, expert, TEN + 2 * DAY)
    shown = await _erase(house, client)
    assert shown.subjects >= {f"appointment:{past.id}", f"appointment:{ahead}"}
    rows = {row.id: row for row in await house.rows()}
    assert {number: row.status for number, row in rows.items()} == {past.id: "confirmed", ahead: "cancelled"}
    for row in rows.values():
        assert not any((row.contact_id, row.name, row.company, row.contact_details, row.question, row.locale))
    message = await house.message_to(adviser, "appointment.cancelled")
    assert "Your client cancelled" in message.html
    assert await house.owed_to(client) == []
    await _erase(house, client)


async def test_erasing_an_expert_leaves_the_clients_their_appointments(house: House) -> None:
    client, adviser = await house.contact(), await house.contact()
    view = await house.book(client, await house.expert(adviser))
    await _erase(house, adviser)
    kept = await house.appointments.view(view.id, client)
    assert kept is not None
    assert (kept.status, kept.expert_contact_id) == ("confirmed", None)
    assert isinstance(await house.appointments.cancel(view.id, client, view.version), Cancelled)


async def _a_wordy_booking_at(house: House, client: int, expert: int, start: datetime) -> int:
    hold = await house.hold(client, expert, start)
    await house.appointments.fill(hold.id, client, name="Ann", question="Who owns it?")
    await house.appointments.confirm(hold.id, client, "en")
    return hold.id


async def _erase(house: House, contact: int) -> Shown:
    """What was to be taken back from others' chats."""
    taken_back: list[Shown] = []

    async def take_back(_: Tx, shown: Shown) -> None:
        taken_back.append(shown)

    contacts = Contacts(house.db, house.clock, HONG_KONG)
    owners: list[PersonalData] = [house.appointments, Consents(house.clock), contacts]
    await Privacy(house.db, house.clock, owners, [house.appointments], take_back).erase(contact)
    async with house.db.read() as tx:
        assert (await tx.execute(select(Contact.id).where(Contact.id == contact))).first() is None
    return taken_back[0]
