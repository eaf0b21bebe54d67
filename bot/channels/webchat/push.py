"""What happens in a chat, told to the pages that show it.

A page never gets messages from here, only word that there are some: it reads them from the database by their
number. So nothing is lost when a slow page's queue overflows or another replica did the writing.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import select, tuple_

from bot.channels.webchat.models import WebCallback, WebChat
from bot.storage import Database

CAPACITY = 64
"""Events that wait for one page."""

ANSWER_SECONDS = 150.0
"""A press that has no answer by then gets none."""

_CHATS_A_QUERY = 10_000


@dataclass(frozen=True, slots=True)
class Changed:
    """The chat has messages up to `seq`."""

    seq: int


@dataclass(frozen=True, slots=True)
class Typing:
    pass


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the press that the page sent under `key`."""

    key: str
    text: str | None
    alert: bool
    url: str | None


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Language or commands are others now."""


Event = Changed | Typing | Answered | StateChanged


class Subscription:
    """The events of one chat for one page: `await next()`, or iterate for ever."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._some = asyncio.Event()

    def put(self, event: Event) -> None:
        """A newer `Changed` replaces the one that waits; a full queue becomes "look everything up"."""
        if isinstance(event, Changed):
            self._events = deque(e for e in self._events if not isinstance(e, Changed))
        if len(self._events) >= CAPACITY:
            answers = [e for e in self._events if isinstance(e, Answered)]  # no other frame tells of them
            self._events = deque((*answers[-CAPACITY // 2 :], StateChanged(), Changed(0)))
        self._events.append(event)
        self._some.set()

    async def next(self) -> Event:
        while not self._events:
            self._some.clear()
            await self._some.wait()
        return self._events.popleft()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        return await self.next()

    def __len__(self) -> int:
        return len(self._events)


class Push:
    """Who listens to which chat, in this process."""

    def __init__(self) -> None:
        self._listeners: dict[int, set[Subscription]] = {}
        self._seen: dict[int, int] = {}
        self._told: dict[int, str] = {}
        self._awaited: dict[int, dict[str, float]] = {}

    @contextmanager
    def subscribe(self, chat_id: int) -> Iterator[Subscription]:
        """Events from now on; read the chat's changes after subscribing, so that none falls between."""
        subscription = Subscription()
        self._listeners.setdefault(chat_id, set()).add(subscription)
        try:
            yield subscription
        finally:
            self._listeners[chat_id].discard(subscription)
            if not self._listeners[chat_id]:
                del self._listeners[chat_id]
                for about in (self._seen, self._told, self._awaited):
                    about.pop(chat_id, None)

    def told(self, chat_id: int, locale: str) -> None:
        """The pages of the chat are being told that it speaks `locale`."""
        if chat_id in self._listeners:
            self._told[chat_id] = locale

    def awaits(self, chat_id: int, key: str) -> None:
        """A page waits for the answer to its press, which another replica may give."""
        if chat_id in self._listeners:
            self._awaited.setdefault(chat_id, {})[key] = monotonic() + ANSWER_SECONDS

    def publish(self, chat_id: int, event: Event) -> None:
        if isinstance(event, Answered):
            self._awaited.get(chat_id, {}).pop(event.key, None)
        if isinstance(event, Changed) and chat_id in self._listeners:
            self._seen[chat_id] = max(event.seq, self._seen.get(chat_id, 0))
        for subscription in self._listeners.get(chat_id, ()):
            subscription.put(event)

    def publish_all(self, event: Event) -> None:
        for chat_id in self._listeners:
            self.publish(chat_id, event)

    async def poll(self, db: Database) -> None:
        """Notice what other replicas wrote, and a language that a use case set: one query for all chats that somebody
        looks at, and one more while answers to presses are awaited."""
        chats = list(self._listeners)
        for start in range(0, len(chats), _CHATS_A_QUERY):
            some = chats[start : start + _CHATS_A_QUERY]
            async with db.read() as tx:
                query = select(WebChat.id, WebChat.last_seq, WebChat.locale)
                rows = await tx.execute(query.where(WebChat.id.in_(some)))
            for chat_id, seq, locale in rows:
                if seq > self._seen.get(chat_id, 0):
                    self.publish(chat_id, Changed(seq))
                if locale != self._told.get(chat_id, locale):
                    self.publish(chat_id, StateChanged())
        await self._poll_answers(db)

    async def _poll_answers(self, db: Database) -> None:
        now = monotonic()
        self._awaited = {
            chat_id: left
            for chat_id, keys in self._awaited.items()
            if (left := {key: until for key, until in keys.items() if until > now})
        }
        waiting = [(chat_id, key) for chat_id, keys in self._awaited.items() for key in keys]
        if not waiting:
            return
        this = tuple_(WebCallback.chat_id, WebCallback.client_key)
        query = select(WebCallback.chat_id, WebCallback.client_key, WebCallback.answer)
        async with db.read() as tx:
            rows = (await tx.execute(query.where(this.in_(waiting), WebCallback.answer.is_not(None)))).all()
        for chat_id, key, answer in rows:
            if key in self._awaited.get(chat_id, ()):  # or it was answered here meanwhile
                self.publish(chat_id, Answered(key, **answer))
