"""Somebody who uses Telegram: says, presses by what is written on the button, reads."""

import asyncio
import re
import secrets
from collections.abc import Callable
from html import unescape
from typing import Any

from bot.channels.telegram_html import Styled
from bot.channels.webchat.server import ChatServer

Json = dict[str, Any]


class Person:
    """All methods act as the person's app would: only what is on the screen can be pressed."""

    def __init__(self, server: ChatServer, chat_id: int, first_name: str, language_code: str) -> None:
        self.server = server
        self.chat_id = chat_id
        self.first_name = first_name
        self.language_code = language_code

    def as_json(self) -> Json:
        return {"first_name": self.first_name, "language_code": self.language_code}

    async def say(self, text: str) -> int:
        return await self.server.say(self.chat_id, text, _key())

    async def sticker(self, emoji: str = "👍") -> int:
        sticker = _file() | {"type": "regular", "width": 512, "height": 512, "emoji": emoji}
        return await self._send({"sticker": sticker | {"is_animated": False, "is_video": False}})

    async def photo(self, caption: str = "") -> int:
        photo = {"photo": [_file() | {"width": 90, "height": 90}]}
        return await self._send(photo | ({"caption": caption} if caption else {}))

    async def _send(self, extra: Json) -> int:
        return await self.server.receive(self.chat_id, Styled(""), _key(), extra)

    async def press(self, label: str) -> str:
        """Press the newest button with this label; the id of the callback query. LookupError if there is none."""
        for message in reversed(await self.messages()):
            for button in (button for row in message["inline_keyboard"] or [] for button in row):
                if button["text"] == label and "data" in button:
                    return await self.press_data(message["message_id"], button["data"])
        raise LookupError(f"no button {label!r} on the screen:\n{await self.transcript()}")

    async def press_data(self, message_id: int, data: str) -> str:
        return await self.server.press(self.chat_id, message_id, data, _key())

    async def block(self) -> None:
        await self.server.block(self.chat_id, blocked=True)

    async def unblock(self) -> None:
        await self.server.block(self.chat_id, blocked=False)

    async def messages(self) -> list[Json]:
        """What the screen shows, oldest first, in the page's JSON."""
        messages, _ = await self.server.changes(self.chat_id, 0)
        return messages

    async def hears(self, text: str = "", seconds: float = 30) -> Json:
        """The newest message, once it is the bot's and has `text` in it."""
        return await self.sees(lambda shown: shown[-1]["from"] == "bot" and text in plain(shown[-1]), seconds)

    async def sees(self, what: Callable[[list[Json]], bool], seconds: float = 30) -> Json:
        """The newest message, once the screen is as described; AssertionError with the screen if it never is."""
        with self.server.push.subscribe(self.chat_id) as events:
            try:
                async with asyncio.timeout(seconds):
                    while not (shown := await self.messages()) or not what(shown):
                        await events.next()
            except TimeoutError:
                raise AssertionError(f"never seen; the screen shows:\n{await self.transcript()}") from None
        return shown[-1]

    async def transcript(self) -> str:
        """The screen as text: who said what, buttons in brackets."""
        return "\n".join(_lines(message, self.first_name) for message in await self.messages())


def plain(message: Json) -> str:
    """The text of a message of the page, without its markup."""
    return unescape(re.sub(r"<[^>]+>", "", message["html"].replace("<br>", "\n")))


def _lines(message: Json, name: str) -> str:
    who = "bot" if message["from"] == "bot" else name
    lines = [f"{who}: {plain(message)}"]
    if message["document"]:
        lines.append(f"  (file {message['document']['name']})")
    buttons = [[f"[{button['text']}]" for button in row] for row in message["inline_keyboard"] or []]
    replies = [[f"<{label}>" for label in row] for row in (message["reply_keyboard"] or {}).get("rows", [])]
    return "\n".join([*lines, *("  " + " ".join(row) for row in buttons + replies)])


def _key() -> str:
    return secrets.token_hex(8)


def _file() -> Json:
    name = secrets.token_hex(8)
    return {"file_id": name, "file_unique_id": name[:8]}
