"""What the outbox's tests share: contacts, a channel that does as it is told, an address book."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from bot.outbox.models import OutboxRow
from bot.outbox.outbox import NewRow, Outbox
from bot.outbox.port import Address, Channel, ChatRef, Kind, Outcome, Owed, Reader, Result
from bot.outbox.sender import Sender
from bot.people.models import Contact
from bot.storage import Database, Tx
from bot.texts import Message, Texts
from tests.conftest import START, MovableClock

BOT = 7
SENT = Outcome(Result.SENT, message_id=1)
texts = cache(Texts)


class Killed(BaseException):
    """Ends a sender where it stands, as a kill would: no handler of ours may catch it."""


@dataclass
class FakeChannel:
    """Answers by `answer`, which may also raise or wait; `calls` are all sends, `delivered` those that arrived."""

    bot_id: int = BOT
    exactly_once: bool = False
    answer: Callable[[ChatRef, Message], Awaitable[Outcome]] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    calls: list[tuple[int, str, str]] = field(default_factory=list)
    delivered: list[tuple[int, str]] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)

    async def send(self, chat: ChatRef, message: Message, key: str) -> Outcome:
        self.calls.append((chat.chat_id, message.html, key))
        if self.answer is not None:
            return await self.answer(chat, message)
        outcome = self.outcomes.pop(0) if self.outcomes else SENT
        if outcome.result in (Result.SENT, Result.IN_DOUBT):
            self.deliver(chat, message, key)
        return outcome

    def deliver(self, chat: ChatRef, message: Message, key: str = "") -> None:
        if self.exactly_once and key in self.known:
            return
        self.known[key] = len(self.delivered)
        self.delivered.append((chat.chat_id, message.html))

    @property
    def texts(self) -> list[str]:
        return [html for _, html in self.delivered]


@dataclass
class FakeAddressBook:
    """Every contact has the chat with their own number, until it is lost; `others` are second chats."""

    blocked: set[ChatRef] = field(default_factory=set)
    others: dict[int, ChatRef] = field(default_factory=dict)
    locales: dict[int, str] = field(default_factory=lambda: defaultdict(lambda: "en"))
    bots: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: BOT))

    async def find(self, tx: Tx, contact_id: int) -> Address | None:
        chats = [ChatRef(self.bots[contact_id], contact_id)]
        chats += [self.others[contact_id]] if contact_id in self.others else []
        open_chats = [chat for chat in chats if chat not in self.blocked]
        return Address(open_chats[0], self.locales[contact_id], "Asia/Hong_Kong") if open_chats else None

    async def lost(self, tx: Tx, chat: ChatRef, at: datetime) -> None:
        self.blocked.add(chat)


@dataclass
class Wishes:
    """What the kinds of the tests go by."""

    unwanted: set[str] = field(default_factory=set)
    checked: Callable[[Owed], Awaitable[None]] | None = None
    broken: bool = False

    def kind(self, name: str, policy: Literal["at_least_once", "at_most_once"]) -> Kind:
        return Kind(name, policy, self.still_wanted, self.render)

    async def still_wanted(self, tx: Tx, owed: Owed, now: datetime) -> bool:
        if self.checked is not None:
            await self.checked(owed)
        return owed.payload["text"] not in self.unwanted

    async def render(self, tx: Tx, owed: Owed, reader: Reader) -> Message | None:
        if self.broken:
            raise ZeroDivisionError
        text = owed.payload["text"]
        return None if text == "nothing" else Message(f"{text} {reader.say.locale}")


@dataclass
class World:
    """A database with an outbox, kinds "reminder" (at least once) and "offer" (at most once), and one channel."""

    db: Database
    clock: MovableClock
    channel: FakeChannel = field(default_factory=FakeChannel)
    addresses: FakeAddressBook = field(default_factory=FakeAddressBook)
    wishes: Wishes = field(default_factory=Wishes)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.clock)
        self.sender = self.a_sender()

    def a_sender(
        self,
        replica: str = "one",
        db: Database | None = None,
        channels: Mapping[int, Channel] | None = None,
        **options: Any,
    ) -> Sender:
        kinds = [
            self.wishes.kind("reminder", "at_least_once"),
            self.wishes.kind("offer", "at_most_once"),
        ]
        return Sender(
            db or self.db,
            self.clock,
            {kind.name: kind for kind in kinds},
            channels or {self.channel.bot_id: self.channel},
            self.addresses,
            texts(),
            replica,
            **{"chance": lambda: 0.0, **options},
        )

    async def owe(
        self,
        contact: int,
        *texts: str,
        kind: str = "reminder",
        due: timedelta = timedelta(0),
        life: timedelta = timedelta(hours=1),
        subject: str = "event:1",
    ) -> None:
        """Messages with these texts, by default one that says "hello"."""
        due_at = self.clock.now() + due
        rows = [
            NewRow(kind, contact, subject, f"{kind}:{contact}:{text}", {"text": text}, due_at, due_at + life)
            for text in texts or ["hello"]
        ]
        async with self.db.write() as tx:
            assert await self.outbox.enqueue(tx, rows) == len(rows)

    async def row(self, text: str = "hello") -> Row[Any]:
        return next(row for row in await self.rows() if row.payload["text"] == text)

    async def rows(self) -> list[Row[Any]]:
        async with self.db.read() as tx:
            return list(await tx.execute(select(*OutboxRow.__table__.columns).order_by(OutboxRow.id)))

    async def states(self) -> dict[str, str]:
        return {row.payload["text"]: row.state for row in await self.rows()}

    async def later(self, **by: float) -> int:
        """Time passes, then a tick."""
        self.clock.advance(timedelta(**by))
        return await self.sender.tick()

    async def leases_run_out(self) -> None:
        async with self.db.write() as tx:
            await tx.execute(update(OutboxRow).values(lease_until=0.0))

    async def restart(self) -> None:
        """The old process is gone, its leases are over, and a new one begins."""
        await self.leases_run_out()
        self.sender = self.a_sender("two")
        self.channel.answer = None


async def contacts(db: Database, number: int) -> list[int]:
    values = [{"created_at": START, "locale": "en", "zone": "Asia/Hong_Kong"}] * number
    async with db.write() as tx:
        return list((await tx.execute(insert(Contact).returning(Contact.id), values)).scalars())


async def a_contact(db: Database) -> int:
    return (await contacts(db, 1))[0]


class FlakyDatabase(Database):
    """The same database, whose next `failures` write transactions cannot begin."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.failures = 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        if self.failures:
            self.failures -= 1
            raise OSError("the database is not there")
        async with super().write() as tx:
            yield tx
