"""Updates survive kill -9: answered once, in order, and each typed value in its own field."""

import asyncio
import random

import pytest

from tests.crash.people import Person
from tests.e2e.server import Server
from tests.machine import Seen

ASKED = "Write your question in one message"
RECEIVED = "Your question is with our experts"
VALUES = ("Acme Ltd", "Bo Chan", "bo@example.org", "How do we license abroad?")


async def test_values_typed_ahead_stay_in_their_fields_over_a_kill(server: Server) -> None:
    """Three values are accepted at once; the process dies with two of them handled."""
    await server.start()
    async with Person("bo", [server]) as bo:
        await holds_a_slot(bo)
        server.hold()
        for value in VALUES[:3]:
            await bo.says(value)
        server.die_after(2)
        server.release()
        await server.ended()
        await server.start()
        await bo.hears("What is your question?")
        await bo.says(VALUES[3])
        summary = await agrees(bo)
        for label, value in zip(("Company: ", "Name: ", "Contact: ", ""), VALUES, strict=True):
            assert label + value in summary.text
        assert [m.text for m in await bo.page() if m.by == "me"] == ["/book", *VALUES]
        assert len(await bo.heard()) == 7


async def holds_a_slot(person: Person) -> None:
    await person.says("/book")
    for label in ("strategy", "Any expert", "25", ":00"):
        await person.presses(label)
    await person.hears("For which company do you come?")


async def agrees(person: Person) -> Seen:
    await person.presses("I agree")
    return await person.hears("Please check")
