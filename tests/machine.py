"""The whole machine in one process, as `run_bot.py` builds it, without the network: for conversations as tests.

`Machine` serves nothing; people talk to it through the strict chat server, whose page they see as text.
"""

import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from sqlalchemy import select

from bot.clock import Clock
from bot.outbox.models import OutboxRow
from bot.settings import Settings
from bot.texts import LOCALES
from handlers.app import App
from handlers.services import Core
from knowledge.live import View
from knowledge.revisions import state
from run_bot import build, build_core

UNEDITED = 1
"""The version of the knowledge when only the shipped entries were merged."""
PATIENCE = 60.0
"""Seconds after which something awaited is taken not to happen."""


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until `condition()`, which may have to be awaited, is true."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _awaited(condition()):
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "br":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def plain(html: str) -> str:
    """What a reader sees of a message."""
    parser = _Text()
    parser.feed(html)
    return "".join(parser.parts)


@dataclass(frozen=True)
class Seen:
    """A message on somebody's page, or in their Telegram."""

    id: int
    by: str
    text: str
    html: str
    buttons: tuple[tuple[str, str | None], ...]
    replies: tuple[str, ...]
    document: str | None
    edited: bool

    def labels(self) -> list[str]:
        return [label for label, _ in self.buttons]

    def data_of(self, label: str) -> str:
        """The callback data of the first button whose label contains `label`."""
        for text, data in self.buttons:
            if label in text and data is not None:
                return data
        raise AssertionError(f"no button {label!r} among {self.labels()} under: {self.text}")


@dataclass
class Visitor:
    """Somebody with the page open."""

    machine: "Machine"
    name: str
    chat_id: int
    toasts: list[str] = field(default_factory=list)
    _keys: Any = field(default_factory=lambda: itertools.count(1))

    async def says(self, text: str) -> Seen:
        """Type something; the bot's newest message when all is handled."""
        await self.machine.server.say(self.chat_id, text, f"{self.name}-{next(self._keys)}")
        await self.machine.settled()
        return await self.last()

    async def presses(self, label: str, message: Seen | None = None) -> Seen:
        """Press a button of the newest message that has one of that label (or of `message`)."""
        target = message or await self._with_button(label)
        return await self.sends_data(target.data_of(label), target.id)

    async def sends_data(self, data: str, message_id: int) -> Seen:
        """Press the button of that data under that message; what that message shows afterwards, or what came new."""
        before = await self.page()
        with self.machine.app.push.subscribe(self.chat_id) as events:
            await self.machine.server.press(self.chat_id, message_id, data, f"{self.name}-{next(self._keys)}")
            await self.machine.settled()
            while len(events):
                event = await events.next()
                if getattr(event, "text", None):
                    self.toasts.append(event.text)
        after = await self.page()
        if after[-1].id != before[-1].id:
            return after[-1]
        return next(message for message in after if message.id == message_id)

    async def page(self) -> list[Seen]:
        """All messages, oldest first."""
        messages, _ = await self.machine.server.changes(self.chat_id, 0)
        return [seen(message) for message in messages]

    async def last(self) -> Seen:
        """The newest message of the bot."""
        return [message for message in await self.page() if message.by == "bot"][-1]

    async def _with_button(self, label: str) -> Seen:
        for message in reversed(await self.page()):
            if any(label in text for text in message.labels()):
                return message
        raise AssertionError(f"no button {label!r} on the page; last: {await self.last()}")

    async def downloads(self, message: Seen) -> bytes:
        document = await self.machine.server.document(self.chat_id, message.id)
        assert document is not None, message
        return document.data


def seen(message: dict[str, Any]) -> Seen:
    rows = message["inline_keyboard"] or []
    buttons = tuple((button["text"], button.get("data")) for row in rows for button in row)
    keyboard = message["reply_keyboard"] or {"rows": []}
    return Seen(
        id=message["message_id"],
        by=message["from"],
        text=plain(message["html"]),
        html=message["html"],
        buttons=buttons,
        replies=tuple(text for row in keyboard["rows"] for text in row),
        document=(message["document"] or {}).get("name"),
        edited=message["edited"],
    )


class Machine:
    def __init__(self, app: App) -> None:
        self.app = app
        self.core: Core = app.core
        self.server = app.chat_server
        self._names = itertools.count(1)

    async def visitor(self, locale: str = "en", name: str | None = None) -> Visitor:
        """A new visitor, whose browser speaks `locale`; the same name is the same visitor again."""
        assert locale in LOCALES
        name = name or f"visitor{next(self._names)}"
        chat = await self.server.open(name, locale)
        return Visitor(self, name, chat.id)

    async def staff(self, role: str, expert: int | None = None, locale: str = "en") -> Visitor:
        """A visitor who followed an invitation."""
        token = await self.core.services.invitations.create(role, expert)  # type: ignore[arg-type]
        member = await self.visitor(locale)
        await member.says(f"/start {token}")
        return member

    async def settled(self) -> None:
        """All accepted updates are handled, what was published is known, and what is owed by now is sent."""
        await until(lambda: not self.core.inbox.busy, "the inbox to be worked off")
        await self.core.live.look()
        while await self.app.sender.tick():
            pass


_shipped: list[View] = []
"""What a test run answers from before anything is published in it. It never changes."""


async def take_up_knowledge(core: Core) -> None:
    """Let the core answer at once; indexing anew for each test would take most of its time."""
    async with core.db.read() as tx:
        version = (await state(tx)).version
    if _shipped and version == _shipped[0].version:
        await core.live.use(_shipped[0])
        return
    await core.live.look()
    if version == UNEDITED:
        _shipped.append(await core.live.view())


async def nothing_owed(core: Core) -> bool:
    """Whether every message due by now has reached its end."""
    on_their_way = OutboxRow.state.in_(("leased", "started"))
    due = (OutboxRow.state == "pending") & (OutboxRow.due_at <= core.clock.now())
    async with core.db.read() as tx:
        return (await tx.execute(select(OutboxRow.id).where(on_their_way | due).limit(1))).first() is None


@asynccontextmanager
async def machine(settings: Settings, clock: Clock) -> AsyncIterator[Machine]:
    """The machine on a migrated database, ready to answer; closed without leaving anything open."""
    app = build(build_core(settings, clock))
    core = app.core
    await take_up_knowledge(core)
    try:
        yield Machine(app)
    finally:
        await core.in_flight.drained(PATIENCE)
        await core.inbox.stop()
        await core.close()
