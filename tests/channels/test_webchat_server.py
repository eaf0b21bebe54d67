"""The strict chat server, driven by a real aiogram Bot through its session."""

from typing import Any

import pytest
from aiogram import Bot

from bot.channels.webchat.push import Push
from bot.channels.webchat.rows import BotUser
from bot.channels.webchat.server import ChatServer
from bot.channels.webchat.session import WebChatSession
from bot.storage import Database, Tx
from tests.conftest import MovableClock


class Accepted:
    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []

    async def __call__(self, tx: Tx, payload: dict[str, Any]) -> None:
        self.updates.append(payload)


@pytest.fixture
def accepted() -> Accepted:
    return Accepted()


@pytest.fixture
def server(db: Database, clock: MovableClock, accepted: Accepted) -> ChatServer:
    return ChatServer(db, clock, BotUser(900, "CIPO Advisor", "cipo_bot"), accepted, Push())


@pytest.fixture
def bot(server: ChatServer) -> Bot:
    return Bot("900:web", session=WebChatSession(server))


async def test_what_is_said_and_answered_comes_back_in_order(server: ChatServer, bot: Bot, accepted: Accepted) -> None:
    chat = await server.open("visitor", "zh-Hant")
    said = await server.say(chat.id, " /start  hello ", "k1")
    sent = await bot.send_message(chat.id, "<b>Hi</b> you", parse_mode="HTML")
    assert sent.text == "Hi you"
    messages, seq = await server.changes(chat.id, 0)
    assert [m["message_id"] for m in messages] == [said, sent.message_id]
    assert [m["html"] for m in messages] == ["/start  hello", "<b>Hi</b> you"]
    assert seq == 2
    assert accepted.updates[0]["message"]["from"]["language_code"] == "zh-hant"
