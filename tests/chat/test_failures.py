"""What a person hears when the machine fails, and that it tries again where that makes sense."""

from typing import Any, cast

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from starlette.requests import Request

from bot.inbox import MAX_ATTEMPTS
from bot.outbox.models import OutboxRow
from handlers.app import DOOR_FACTOR, listen
from tests.machine import Machine, Visitor

AWAY = OperationalError("SELECT", {}, Exception("the database is away"))
SORRY = "something went wrong on our side"


class Failing:
    """Stands before a method and raises the first times that it is called."""

    def __init__(self, method: Any, *errors: Exception) -> None:
        self._method = method
        self._errors = list(errors)

    async def __call__(self, *arguments: Any) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return await self._method(*arguments)


def fail(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *errors: Exception) -> None:
    monkeypatch.setattr(owner, name, Failing(getattr(owner, name), *errors))


async def says(town: Machine, visitor: Visitor, text: str, ticks: int) -> list[str]:
    """Type something, let the inbox tick, and read what the bot said."""
    await town.server.say(visitor.chat_id, text, text)
    await town.settled()
    for _ in range(ticks):
        await town.core.inbox.tick()
        await town.settled()
    return [message.text for message in await visitor.page() if message.by == "bot"]


async def test_a_message_is_answered_though_the_database_was_away_as_it_came(
    chat: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await chat.visitor()
    fail(monkeypatch, chat.core.services.contacts, "meet", AWAY, ConnectionResetError("gone"))
    heard = await says(chat, ann, "/help", ticks=2)
    assert len(heard) == 1
    assert SORRY not in heard[0]


async def test_after_too_many_tries_the_person_is_told(chat: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = await chat.visitor("zh-Hant")
    fail(monkeypatch, chat.core.services.contacts, "meet", *[AWAY] * (1 + MAX_ATTEMPTS))
    (told,) = await says(chat, ann, "/help", ticks=MAX_ATTEMPTS + 1)
    assert "抱歉" in told
    monkeypatch.undo()
    assert len(await says(chat, ann, "/start", ticks=0)) == 2


async def test_a_mistake_while_meeting_somebody_is_apologized_for(
    chat: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await chat.visitor()
    fail(monkeypatch, chat.core.services.contacts, "meet", ValueError("a mistake"))
    (told,) = await says(chat, ann, "/help", ticks=1)
    assert SORRY in told


async def test_a_press_that_meets_an_outage_keeps_its_answer_until_it_is_handled(
    chat: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await chat.visitor()
    answer = await ann.says("What does a CIPO do?")
    fail(monkeypatch, chat.core.services.questions, "rate", AWAY)
    await ann.presses("👍", answer)
    assert ann.toasts == []
    with chat.app.push.subscribe(ann.chat_id) as events:
        await chat.core.inbox.tick()
        await chat.settled()
        toasts = [getattr(await events.next(), "text", None) for _ in range(len(events))]
    assert any(toasts)


async def test_who_waits_too_long_is_told_so_and_can_go_on(chat: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.inbox.HANDLING_SECONDS", 0.05)
    ann = await chat.visitor()

    async def never(*_: Any) -> None:
        await chat.app.stopping.wait()

    with monkeypatch.context() as hanging:
        hanging.setattr(chat.core.services.contacts, "meet", never)
        (told,) = await says(chat, ann, "/help", ticks=0)
    assert SORRY in told
    monkeypatch.undo()
    assert len(await says(chat, ann, "/start", ticks=0)) == 2


async def test_while_the_database_is_away_the_health_page_says_so(
    chat: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listen("127.0.0.1", 0) as sock:
        door, _ = chat.app._web(sock)
    request = Request({"type": "http"})
    assert (await door.healthz(request)).status_code == 200
    fail(monkeypatch, chat.core.services.outbox_report, "health", AWAY)
    answer = await door.healthz(request)
    assert (answer.status_code, bytes(answer.body)) == (503, b'{"status":"the database is away"}')


async def test_whoever_asks_for_changes_without_end_is_refused(chat: Machine) -> None:
    with listen("127.0.0.1", 0) as sock:
        _, server = chat.app._web(sock)
    transport = httpx.ASGITransport(cast(Any, server.config.app))
    allowed = DOOR_FACTOR * chat.core.settings.messages_per_minute
    async with httpx.AsyncClient(transport=transport, base_url=chat.app.address) as page:
        await page.get("/")
        told = [(await page.get("/chat/changes")).status_code for _ in range(allowed + 1)]
    assert told == [200] * allowed + [429]


async def test_admins_and_the_health_page_are_told_of_messages_that_came_to_a_bad_end(chat: Machine) -> None:
    admin, ann = await chat.staff("admin"), await chat.visitor()
    await ann.says("/ask")
    await ann.says("May I keep this secret?")
    assert "need a look" not in (await admin.says("/manage")).text
    async with chat.core.db.write() as tx:
        row = (await tx.execute(select(OutboxRow.id).where(OutboxRow.kind == "desk.question"))).scalar_one()
        await tx.execute(update(OutboxRow).where(OutboxRow.id == row).values(state="uncertain"))
    told = (await admin.says("/manage")).text
    assert "desk.question · not delivered: 0, perhaps delivered: 1" in told
    assert (await chat.app._health())["outbox"] == {"due": 0, "dead": 0, "uncertain": 1}
