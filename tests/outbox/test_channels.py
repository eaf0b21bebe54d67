"""The outbox's way out through aiogram: what its errors mean, over real sockets and in the web chat."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import AiogramError
from aiogram.methods import SendMessage
from sqlalchemy import select

from bot.channels.bot_channel import BotChannel
from bot.channels.outcomes import outcome_of
from bot.channels.webchat.errors import ApiError, Fault
from bot.channels.webchat.models import WebMessage
from bot.channels.webchat.push import Push
from bot.channels.webchat.rows import BotUser
from bot.channels.webchat.server import ChatServer
from bot.channels.webchat.session import WebChatSession
from bot.outbox.outbox import State
from bot.outbox.port import Channel, ChatRef, Outcome, Result
from bot.storage import Database, Tx
from bot.texts import Button, Document, Message
from tests.conftest import MovableClock
from tests.outbox.world import Killed, World, a_contact

SEND = SendMessage(chat_id=5, text="hello")
TOKEN = "42:token"
CHAT = ChatRef(42, 5)
GOOD = '{"ok":true,"result":{"message_id":9,"date":0,"chat":{"id":5,"type":"private","first_name":"A"}}}'


def refused(code: int, description: str, **parameters: int) -> AiogramError:
    """What aiogram raises for an answer of the Bot API."""
    answer = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return raised(code, json.dumps(answer))


def raised(code: int, body: str) -> AiogramError:
    try:
        AiohttpSession().check_response(Bot(TOKEN), SEND, code, body)
    except AiogramError as error:
        return error
    raise AssertionError("accepted")


@pytest.mark.parametrize(
    ("code", "description", "result"),
    [
        (400, "Bad Request: chat not found", Result.UNREACHABLE),
        (400, "Bad Request: user is deactivated", Result.UNREACHABLE),
        (400, "Bad Request: PEER_ID_INVALID", Result.UNREACHABLE),
        (400, "Bad Request: can't parse entities: unsupported start tag", Result.REJECTED),
        (400, "Bad Request: message is too long", Result.REJECTED),
        (400, "Bad Request: BUTTON_DATA_INVALID", Result.REJECTED),
        (401, "Unauthorized", Result.STOPPED),
        (403, "Forbidden: bot was blocked by the user", Result.UNREACHABLE),
        (403, "Forbidden: bot can't initiate conversation with a user", Result.UNREACHABLE),
        (404, "Not Found", Result.STOPPED),
        (404, "Not Found: method not found", Result.REJECTED),
        (409, "Conflict: terminated by other getUpdates request", Result.FAILED),
        (413, "Request Entity Too Large", Result.REJECTED),
        (429, "Too Many Requests: retry later", Result.WAIT),
        (500, "Internal Server Error", Result.UNPROVEN),
        (502, "Bad Gateway", Result.UNPROVEN),
        (500, "Internal Server Error: restart", Result.UNPROVEN),
    ],
)
async def test_every_refusal_of_the_bot_api_has_its_meaning(code: int, description: str, result: Result) -> None:
    outcome = outcome_of(refused(code, description))
    assert outcome.result is result
    assert description in outcome.detail


async def test_a_429_says_how_long_to_wait() -> None:
    outcome = outcome_of(refused(429, "Too Many Requests: retry after 7", retry_after=7))
    assert (outcome.result, outcome.retry_after) == (Result.WAIT, 7.0)
    assert outcome_of(refused(429, "Too Many Requests")).retry_after > 0


async def test_a_private_chat_that_became_a_group_is_gone() -> None:
    error = refused(400, "Bad Request: group upgraded", migrate_to_chat_id=-100)
    assert outcome_of(error).result is Result.UNREACHABLE


@pytest.mark.parametrize(
    ("code", "body", "result"),
    [
        (502, "<html><head><title>502 Bad Gateway</title></head></html>", Result.UNPROVEN),
        (200, '{"ok":true,"result":{"mess', Result.IN_DOUBT),
        (200, '{"ok":true,"result":{"message_id":"soon"}}', Result.IN_DOUBT),
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_proof(code: int, body: str, result: Result) -> None:
    outcome = outcome_of(raised(code, body))
    assert outcome.result is result
    assert outcome.detail.startswith("ClientDecodeError")
    assert body not in outcome.detail


# Over real sockets

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answering(status: str, body: str) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()

    return behave


async def request(reader: asyncio.StreamReader) -> None:
    """The whole request: it counts as accepted from here on."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head.lower():
        await reader.readuntil(b"0\r\n\r\n")
        return
    length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
    await reader.readexactly(length)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    writer.transport.abort()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    await writer.drain()


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    await reader.read()


@asynccontextmanager
async def other_side(behave: Behaviour) -> AsyncIterator[BotChannel]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, a_bot(port) as bot:
        yield BotChannel(bot)


@asynccontextmanager
async def a_bot(port: int) -> AsyncIterator[Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(f"http://127.0.0.1:{port}"))
    bot = Bot(TOKEN, session=session)
    yield bot
    await session.close()


@pytest.mark.parametrize(
    ("behave", "result"),
    [
        (answering("200 OK", GOOD), Result.SENT),
        (answering("502 Bad Gateway", "<html>502</html>"), Result.UNPROVEN),
        (resets, Result.IN_DOUBT),
        (closes, Result.IN_DOUBT),
        (breaks_off, Result.IN_DOUBT),
    ],
)
async def test_once_the_request_is_over_there_only_an_answer_is_proof(behave: Behaviour, result: Result) -> None:
    async with other_side(behave) as channel:
        outcome = await channel.send(CHAT, Message("hello"), "outbox:1")
    assert outcome.result is result
    assert outcome.message_id == (9 if result is Result.SENT else None)


async def test_no_answer_in_time_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.channels.bot_channel.REQUEST_SECONDS", 0.2)
    async with other_side(hangs) as channel:
        outcome = await channel.send(CHAT, Message("hello"), "outbox:1")
    assert outcome.result is Result.IN_DOUBT


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with a_bot(port) as bot:
        outcome = await BotChannel(bot).send(CHAT, Message("hello"), "outbox:1")
    assert outcome.result is Result.FAILED


async def test_a_message_that_cannot_be_put_into_words_is_rejected() -> None:
    async with a_bot(1) as bot:
        broken = Message("hello", buttons=((Button("Go", url=7),),))  # type: ignore[arg-type]
        outcome = await BotChannel(bot).send(CHAT, broken, "outbox:1")
    assert outcome.result is Result.REJECTED


# In the web chat


@pytest.fixture
def server(db: Database, clock: MovableClock) -> ChatServer:
    async def accepted(tx: Tx, update: dict[str, Any]) -> None:
        """Nobody answers here."""

    return ChatServer(db, clock, BotUser(900, "CIPO Advisor", "cipo_bot"), accepted, Push())


@pytest.fixture
def web_chat(server: ChatServer) -> BotChannel:
    return BotChannel(Bot("900:web", session=WebChatSession(server)))


async def shown(db: Database) -> list[str]:
    async with db.read() as tx:
        rows = await tx.execute(select(WebMessage.text).order_by(WebMessage.message_id))
        return list(rows.scalars())


async def test_the_web_chat_shows_a_repeated_message_once(db: Database, server: ChatServer, web_chat: Channel) -> None:
    chat = ChatRef(900, (await server.open("visitor", "en")).id)
    attached = Message("<b>Yours</b>", document=Document("a.ics", b"BEGIN", "text/calendar"))
    first = await web_chat.send(chat, Message("<b>hello</b>"), "outbox:1")
    again = await web_chat.send(chat, Message("<b>hello</b>"), "outbox:1")
    assert web_chat.exactly_once
    assert first == again == Outcome(Result.SENT, message_id=first.message_id)
    for _ in range(2):
        assert (await web_chat.send(chat, attached, "outbox:2")).result is Result.SENT
    assert await shown(db) == ["hello", "Yours"]


async def test_the_web_chats_refusals_mean_the_same(server: ChatServer, web_chat: Channel) -> None:
    chat = ChatRef(900, (await server.open("visitor", "en")).id)

    async def result(chat: ChatRef, html: str = "hello") -> Result:
        return (await web_chat.send(chat, Message(html), "outbox:1")).result

    assert await result(ChatRef(900, 12345)) is Result.UNREACHABLE
    assert await result(chat, "<i>hello") is Result.REJECTED
    server.faults.plan(Fault(ApiError(429, "Too Many Requests: retry after 3", 3)))
    assert await result(chat) is Result.WAIT
    server.faults.plan(Fault(ApiError(500, "Internal Server Error")))
    assert await result(chat) is Result.UNPROVEN
    await server.block(chat.chat_id, True)
    assert await result(chat) is Result.UNREACHABLE


async def test_a_reminder_reaches_the_web_chat_exactly_once_through_crashes(
    db: Database, clock: MovableClock, server: ChatServer, web_chat: BotChannel
) -> None:
    class DiesAfterwards:
        bot_id = 900
        exactly_once = True

        async def send(self, chat: ChatRef, message: Message, key: str) -> Outcome:
            await web_chat.send(chat, message, key)
            raise Killed

    world = World(db, clock)
    contact = await a_contact(db)
    chat = await server.open("visitor", "en")
    world.addresses.blocked.add(ChatRef(7, contact))
    world.addresses.others[contact] = ChatRef(900, chat.id)
    await world.owe(contact, kind="offer")
    world.sender = world.a_sender(channels={900: DiesAfterwards()})
    for _ in range(3):
        with pytest.raises(Killed):
            await world.sender.tick()
        await world.leases_run_out()
        world.sender = world.a_sender(channels={900: DiesAfterwards()})
        await world.sender.reap()
        clock.advance(timedelta(minutes=1))
    await world.a_sender(channels={900: web_chat}).tick()
    assert await shown(db) == ["hello en"]
    row = await world.row()
    assert (row.state, row.in_doubt, row.chat_id) == (State.SENT, False, chat.id)
