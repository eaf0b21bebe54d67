"""Many people at once: no two appointments of one expert overlap, and counts hold, on both databases.

Half of the people come through a second connection to the database, as through another process.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from bot.storage import Database
from scheduler.appointments.models import Appointment, Expert
from scheduler.appointments.service import Appointments
from scheduler.appointments.values import (
    AlreadyCancelled,
    AlreadyConfirmed,
    AppointmentView,
    Cancelled,
    Confirmed,
    Held,
    Moved,
    Taken,
)
from tests.conftest import START, MovableClock
from tests.scheduler.appointments_house import DAY, HOUR, TOMORROW_TEN, House

TEN = TOMORROW_TEN.astimezone(UTC)
MINUTE = timedelta(minutes=1)
ATTEMPTS = 200
LENGTHS = (60, 65, 75, 90, 120, 175)


@pytest.fixture
def house(db: Database, clock: MovableClock) -> House:
    return House(db, clock)


@pytest.fixture
async def second(house: House, database_url: str) -> AsyncIterator[Appointments]:
    """The service as another process would run it."""
    other = Database(database_url)
    yield house.on(other)
    await other.close()


async def test_of_200_overlapping_bookings_of_different_lengths_exactly_one_wins(
    house: House, second: Appointments
) -> None:
    every_5 = {"interval": 5, "length": 60}
    expert, contacts = await house.expert(**every_5), await house.contacts(ATTEMPTS)
    services = (house.appointments, second)

    async def attempt(number: int) -> Any:
        # the session's length changes under everyone's hands, so that slots of all lengths compete
        length = LENGTHS[number % len(LENGTHS)]
        async with house.db.write() as tx:
            await tx.execute(update(Expert).where(Expert.id == expert).values(length=length))
        start = TEN + 5 * MINUTE * (number % 12)
        return await house.try_hold(contacts[number], expert, start, service=services[number % 2])

    answers = await asyncio.gather(*map(attempt, range(ATTEMPTS)))
    assert Counter(type(answer) for answer in answers) == {Held: 1, Taken: ATTEMPTS - 1}
    assert len(await house.live()) == 1


async def test_of_200_rows_that_ask_nobody_the_database_lets_exactly_one_in(house: House, database_url: str) -> None:
    expert, chance = await house.expert(), random.Random(7)
    other = Database(database_url)

    async def attempt(number: int) -> bool:
        begins = TEN + chance.randrange(0, 30) * MINUTE
        ends = TEN + chance.randrange(31, 206) * MINUTE
        return await _inserted((house.db, other)[number % 2], expert, begins, ends)

    won = await asyncio.gather(*map(attempt, range(ATTEMPTS)))
    await other.close()
    assert won.count(True) == 1
    assert len(await house.live()) == 1


async def _inserted(db: Database, expert: int, begins: datetime, ends: datetime) -> bool:
    row = {
        "expert_id": expert,
        "topic": "patents",
        "starts_at": begins,
        "ends_at": ends,
        "busy_from": begins,
        "busy_to": ends,
        "status": "confirmed",
        "expires_at": START,
        "version": 1,
        "sequence": 0,
        "any_expert": False,
        "created_at": START,
        "changed_at": START,
    }
    try:
        async with db.write() as tx:
            await tx.execute(insert(Appointment).values(row))
    except IntegrityError:
        return False
    return True


async def test_booking_moving_and_cancelling_all_at_once_leaves_no_overlap(house: House, second: Appointments) -> None:
    lengths = ({"length": 30}, {"length": 60, "before": 15}, {"length": 45, "after": 30, "per_day": 4})
    experts = [await house.expert(interval=15, **rules) for rules in lengths]
    contacts, chance = await house.contacts(90), random.Random(11)
    services = (house.appointments, second)

    def a_start() -> datetime:
        return TEN + chance.randrange(2) * DAY + chance.randrange(28) * 15 * MINUTE

    async def visit(number: int) -> None:
        service, contact = services[number % 2], contacts[number]
        expert = chance.choice([*experts, None])
        held = await house.try_hold(contact, expert, a_start(), service=service)
        if not isinstance(held, Held):
            return
        booked = await service.confirm(held.hold.id, contact, "en")
        assert isinstance(booked, Confirmed)
        view: AppointmentView = booked.appointment
        for _ in range(2):
            moved = await service.move(view.id, contact, view.version, a_start())
            view = moved.appointment if isinstance(moved, Moved) else view
        if number % 3 == 0:
            assert isinstance(await service.cancel(view.id, contact, view.version), Cancelled)

    await asyncio.gather(*map(visit, range(len(contacts))))
    assert await house.overlaps() == []
    states = Counter(row.status for row in await house.rows())
    assert states["confirmed"] >= 10, "how many get a time depends on who comes first, but most experts are busy"
    assert states["cancelled"] >= 5
    days = Counter(
        row.starts_at.astimezone(TOMORROW_TEN.tzinfo).date()
        for row in await house.live()
        if row.expert_id == experts[2]
    )
    assert max(days.values()) <= 4


async def test_a_days_limit_holds_however_many_ask_at_once(house: House, second: Appointments) -> None:
    expert = await house.expert(per_day=2, length=5, interval=5)
    contacts = await house.contacts(60)
    services = (house.appointments, second)

    async def attempt(number: int) -> Any:
        start = TEN + 5 * MINUTE * number
        return await house.try_hold(contacts[number], expert, start, service=services[number % 2])

    answers = await asyncio.gather(*map(attempt, range(len(contacts))))
    assert Counter(type(answer) for answer in answers) == {Held: 2, Taken: 58}


async def test_any_expert_gives_each_expert_to_one_person(house: House, second: Appointments) -> None:
    experts, contacts = {await house.expert() for _ in range(3)}, await house.contacts(40)
    services = (house.appointments, second)

    async def attempt(number: int) -> Any:
        return await house.try_hold(contacts[number], None, TEN, service=services[number % 2])

    answers = await asyncio.gather(*map(attempt, range(len(contacts))))
    held = [answer.hold.expert.id for answer in answers if isinstance(answer, Held)]
    assert sorted(held) == sorted(experts)


async def test_any_expert_is_fair_under_load(house: House, second: Appointments) -> None:
    experts, contacts = [await house.expert() for _ in range(3)], await house.contacts(12)
    services = (house.appointments, second)

    async def attempt(number: int) -> Any:
        # each asks for another time: whoever has the fewest appointments is free then, in whatever order they come
        start = TEN + (number // 6) * DAY + (number % 6) * HOUR
        return await house.try_hold(contacts[number], None, start, service=services[number % 2])

    answers = await asyncio.gather(*map(attempt, range(len(contacts))))
    assert Counter(answer.hold.expert.id for answer in answers) == dict.fromkeys(experts, 4)


async def test_of_many_moves_into_one_hour_one_succeeds_and_the_rest_keep_their_time(
    house: House, second: Appointments
) -> None:
    expert, contacts = await house.expert(length=15, interval=5), await house.contacts(24)
    views = [await house.book(contact, expert, TEN + number * 15 * MINUTE) for number, contact in enumerate(contacts)]
    services = (house.appointments, second)

    async def attempt(number: int) -> Any:
        view, start = views[number], TEN + DAY + 5 * MINUTE * (number % 3)
        return await services[number % 2].move(view.id, contacts[number], view.version, start)

    answers = await asyncio.gather(*map(attempt, range(len(contacts))))
    assert Counter(type(answer) for answer in answers) == {Moved: 1, Taken: 23}
    assert await house.overlaps() == []
    kept = [row for row in await house.live() if row.starts_at < TEN + DAY - HOUR]
    assert len(kept) == 23


async def test_two_hands_on_one_confirm_button_book_once(house: House, second: Appointments) -> None:
    contact = await house.contact()
    hold = await house.hold(contact, await house.expert())
    taps = [service.confirm(hold.id, contact, "en") for service in (house.appointments, second) * 5]
    answers = await asyncio.gather(*taps)
    assert Counter(type(answer) for answer in answers) == {Confirmed: 1, AlreadyConfirmed: 9}
    assert [row.kind for row in await house.owed()].count("appointment.confirmed") == 1


async def test_both_sides_cancelling_at_once_cancel_once(house: House, second: Appointments) -> None:
    client, adviser = await house.contact(), await house.contact()
    view = await house.book(client, await house.expert(adviser))
    answers = await asyncio.gather(
        *(house.appointments.cancel(view.id, client, view.version) for _ in range(5)),
        *(second.cancel(view.id, adviser, view.version) for _ in range(5)),
    )
    assert Counter(type(answer) for answer in answers) == {Cancelled: 1, AlreadyCancelled: 9}
    (cancelled,) = (answer.appointment for answer in answers if isinstance(answer, Cancelled))
    assert all(answer.appointment == cancelled for answer in answers)
    assert [row.kind for row in await house.owed()] == ["appointment.cancelled"] * 2


async def test_one_person_in_two_chats_ends_with_one_hold(house: House, second: Appointments) -> None:
    experts, contact = [await house.expert() for _ in range(4)], await house.contact()
    services = (house.appointments, second)
    answers = await asyncio.gather(
        *(house.try_hold(contact, expert, TEN, service=service) for expert in experts for service in services)
    )
    assert {type(answer) for answer in answers} == {Held}
    assert len(await house.live()) == 1


async def test_an_erasure_among_bookings_blocks_nobody(house: House, second: Appointments) -> None:
    adviser, contacts = await house.contact(), await house.contacts(12)
    expert = await house.expert(adviser)
    view = await house.book(contacts[0], expert, TEN)

    async def erase() -> None:
        async with house.db.write() as tx:
            await house.appointments.erase(tx, contacts[0])

    async def book(number: int) -> None:
        start = TEN + number * HOUR / 2
        held = await house.try_hold(contacts[number], expert, start, service=second)
        if isinstance(held, Held):
            await second.confirm(held.hold.id, contacts[number], "en")

    await asyncio.gather(erase(), *map(book, range(1, 12)), second.sweep())
    assert await house.overlaps() == []
    assert [row.status for row in await house.rows() if row.id == view.id] == ["cancelled"]
