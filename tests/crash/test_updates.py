"""Updates survive kill -9: answered once, in order, and each typed value in its own field."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
from sqlalchemy import select

from bot.desk.models import DeskQuestion
from bot.storage import Database
from tests.botapi import BotApi
from tests.botapi.people import plain
from tests.crash.people import Person
from tests.e2e.server import Server
from tests.machine import Seen, until

WHO = ("Ann", "Bo", "Cy", "Di")
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


@pytest.mark.parametrize(("pairs", "kills"), [(6, 1), pytest.param(45, 8, marks=pytest.mark.soak)])
async def test_each_message_is_answered_once_and_in_order_over_kills(server: Server, pairs: int, kills: int) -> None:
    async def keep_killing(sent: list[int]) -> None:
        total = len(WHO) * pairs * 2
        for number in range(1, kills + 1):
            await until(partial(_reached, sent, total * number // (kills + 1)), "progress")
            await server.kill()
            await server.start()

    await server.start()
    await everybody_asks([server], pairs, keep_killing)
    assert await questions(Database(f"sqlite:///{server.folder / 'cipo.db'}")) == len(WHO) * pairs


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("pairs", [6, pytest.param(45, marks=pytest.mark.soak)])
async def test_when_one_of_two_dies_the_other_goes_on_with_its_chats(
    replicas: list[Server], database_url: str, pairs: int
) -> None:
    async def kill_the_first(sent: list[int]) -> None:
        await until(lambda: len(sent) >= len(WHO) * pairs, "half of the messages")
        await replicas[0].kill()

    await asyncio.gather(*(server.start() for server in replicas))
    await everybody_asks(replicas, pairs, kill_the_first)
    assert await questions(Database(database_url)) == len(WHO) * pairs


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_press_through_one_process_is_answered_by_the_other_that_has_the_chat(replicas: list[Server]) -> None:
    one, two = replicas
    await asyncio.gather(one.start(), two.start())
    async with Person("ann", [one]) as ann:
        await ann.says("What does a CIPO do?")
        await ann.hears("A CIPO is")
        ann.turns_to(two)
        assert await ann.presses("👍") == "Thank you, good to know."


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("pairs", [3, pytest.param(20, marks=pytest.mark.soak)])
async def test_when_the_one_that_polls_telegram_dies_the_other_goes_on_with_its_chats(
    telegram: BotApi, telegram_replicas: list[Server], database_url: str, pairs: int
) -> None:
    """At most the update in flight of each chat is answered twice, and every question is asked once."""
    first, second = telegram_replicas
    await first.start()
    await until(telegram.updates.is_waiting.is_set, "its first poll")
    await second.start()
    first.die_after(pairs)
    people = [await telegram.person(name) for name in WHO[:3]]
    for number in range(pairs):
        for person in people:
            for text in ("/ask", question(person.first_name, number)):
                await person.say(text)
    await first.ended()
    for person in people:
        last = await person.hears(question(person.first_name, pairs - 1), seconds=90)
        assert RECEIVED in plain(last)
        heard = [plain(message) for message in await person.messages() if message["from"] == "bot"]
        once = [text for at, text in enumerate(heard) if heard[at - 1 : at] != [text]]
        assert len(heard) - len(once) <= 1
        assert [ASKED in text for text in once] == [True, False] * pairs
        assert [question(person.first_name, at) in once[at * 2 + 1] for at in range(pairs)] == [True] * pairs
    assert await questions(Database(database_url)) == len(people) * pairs


def _reached(sent: list[int], number: int) -> bool:
    return len(sent) >= number


async def everybody_asks(servers: list[Server], pairs: int, meanwhile: Callable[[list[int]], Awaitable[None]]) -> None:
    """Each asks the desk so many questions, often before the last is answered, and is answered each time."""
    sent: list[int] = []
    async with AsyncExitStack() as stack:
        turned = [servers[at:] + servers[:at] for at in range(len(servers))]
        people = [
            await stack.enter_async_context(Person(name, turned[at % len(servers)])) for at, name in enumerate(WHO)
        ]
        await asyncio.gather(meanwhile(sent), *(asks(each, pairs, sent) for each in people))
        for each in people:
            await was_answered(each, pairs)


async def asks(person: Person, pairs: int, sent: list[int]) -> None:
    dice = random.Random(person.name)
    for number in range(pairs):
        for text in ("/ask", question(person.name, number)):
            await person.says(text)
            sent.append(number)
        if dice.random() < 0.5:
            await person.hears(question(person.name, number))


async def was_answered(person: Person, pairs: int) -> None:
    await until(lambda: _complete(person, pairs * 4), f"all answers to {person.name}")
    page = await person.page()
    asked = [question(person.name, number) for number in range(pairs)]
    assert [m.text for m in page if m.by == "me"] == [text for each in asked for text in ("/ask", each)]
    heard = [m.text for m in page if m.by == "bot"]
    assert [ASKED in text for text in heard] == [True, False] * pairs
    assert [RECEIVED in text for text in heard] == [False, True] * pairs
    assert [asked[at] in heard[at * 2 + 1] for at in range(pairs)] == [True] * pairs


async def _complete(person: Person, messages: int) -> bool:
    return len(await person.page()) >= messages


def question(name: str, number: int) -> str:
    return f"May {name} keep secret number {number:03}?"


async def questions(db: Database) -> int:
    """How many different questions the desk has; none may be there twice."""
    async with db.read() as tx:
        texts = (await tx.execute(select(DeskQuestion.text))).scalars().all()
    await db.close()
    assert len(set(texts)) == len(texts)
    return len(texts)


async def holds_a_slot(person: Person) -> None:
    await person.says("/book")
    for label in ("strategy", "Any expert", "25", ":00"):
        await person.presses(label)
    await person.hears("For which company do you come?")


async def agrees(person: Person) -> Seen:
    await person.presses("I agree")
    return await person.hears("Please check")
