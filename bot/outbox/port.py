"""The port between messages owed and the channels that carry them, and what a kind of message is.

A channel answers every send with an `Outcome`; it never raises for what the network or the other side did.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from bot.storage import Tx
from bot.texts import Message, Translator


@dataclass(frozen=True, slots=True)
class ChatRef:
    """Where a message goes: a chat of the bot `bot_id`."""

    bot_id: int
    chat_id: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where and how to reach a contact: their chat, language and zone."""

    chat: ChatRef
    locale: str
    zone: str


class AddressBook(Protocol):
    """Knows people's chats; implemented by bot.people."""

    async def find(self, tx: Tx, contact_id: int) -> Address | None:
        """None when no chat of theirs can be written to."""
        ...

    async def lost(self, tx: Tx, chat: ChatRef, at: datetime) -> None:
        """The chat cannot be written to any more: blocked, or gone. `at` is when the failed send began."""
        ...


class Result(StrEnum):
    SENT = "sent"
    UNREACHABLE = "unreachable"  # the person blocked us or is gone: give up on this chat
    WAIT = "wait"  # 429: not sent, come back after `retry_after` seconds
    REJECTED = "rejected"  # our own mistake, such as broken markup: never loop
    FAILED = "failed"  # proven not sent: try again later
    UNPROVEN = "unproven"  # the other side broke down (5xx): hardly sent, but nobody can say
    IN_DOUBT = "in_doubt"  # may or may not have been sent
    STOPPED = "stopped"  # the token is refused: the channel as a whole cannot send


@dataclass(frozen=True, slots=True)
class Outcome:
    result: Result
    message_id: int | None = None
    retry_after: float = 0.0
    detail: str = ""


class Channel(Protocol):
    """Carries messages to the chats of one bot."""

    @property
    def bot_id(self) -> int: ...

    @property
    def exactly_once(self) -> bool:
        """Whether the same `key` never sends twice, so that a send in doubt can simply be repeated."""
        ...

    async def send(self, chat: ChatRef, message: Message, key: str) -> Outcome:
        """Send once; where the channel can, the same `key` never sends twice."""
        ...


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a message is rendered for: `say` speaks the reader's language in the reader's zone."""

    contact_id: int
    say: Translator


@dataclass(frozen=True, slots=True)
class Owed:
    """A due row as its kind sees it; `payload` holds ids only, never names or texts."""

    id: int
    kind: str
    contact_id: int
    payload: Mapping[str, Any]
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of message. `policy` decides what happens to a row whose sending is in doubt.

    `still_wanted` and `render` run when the row is due, in one read transaction; a row that is not wanted
    any more, or renders to None, is cancelled.
    """

    name: str
    policy: Literal["at_least_once", "at_most_once"]
    still_wanted: Callable[[Tx, Owed, datetime], Awaitable[bool]]
    render: Callable[[Tx, Owed, Reader], Awaitable[Message | None]]
