"""A reminder that is due is received once, though the process dies while sending it."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from tests.crash.people import Person
from tests.e2e.server import Server

A_WEEK_BEFORE = datetime(2026, 12, 3, 1, 31, tzinfo=UTC)
REMINDER = "A reminder of what is coming up"


@pytest.mark.parametrize(("people", "deaths"), [(3, [2]), pytest.param(40, [1, 5, 11, 3, 7], marks=pytest.mark.soak)])
async def test_a_reminder_is_received_once_over_deaths_while_sending(
    server: Server, people: int, deaths: list[int]
) -> None:
    await server.start()
    async with AsyncExitStack() as stack:
        visitors = [await stack.enter_async_context(Person(f"v{n}", [server])) for n in range(people)]
        await asyncio.gather(*(registers(visitor) for visitor in visitors))
        server.die_after_sending(deaths[0])
        server.set_clock(A_WEEK_BEFORE)
        for following in [*deaths[1:], 0]:
            await server.ended()
            if following:
                server.die_after_sending(following)
            await server.start()
        for visitor in visitors:
            await visitor.hears(REMINDER)
        assert [await reminders(visitor) for visitor in visitors] == [1] * people


async def registers(visitor: Person) -> None:
    await visitor.says("/start event_1")
    await visitor.presses("Register")
    await visitor.hears("You are registered")


async def reminders(visitor: Person) -> int:
    return sum(REMINDER in text for text in await visitor.heard())
