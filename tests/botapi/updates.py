"""The queue behind getUpdates: numbers only grow, an offset confirms, one poll waits at a time."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.channels.webchat.errors import ApiError
from bot.clock import Clock

LIFE = timedelta(hours=24)
CALLBACK_LIFE = timedelta(seconds=150)
LONGEST_POLL = 50
DEFAULT_REFUSES = {"chat_member", "message_reaction", "message_reaction_count"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Queued:
    update_id: int
    kind: str
    at: datetime
    payload: Json


class Updates:
    """`is_waiting` is set while a poll waits for something to be said."""

    def __init__(self, clock: Clock, first_id: int = 1000) -> None:
        self.clock = clock
        self.next_id = first_id
        self.allowed: set[str] | None = None
        self.webhook = ""
        self.queued: list[Queued] = []
        self.is_waiting = asyncio.Event()
        self._waiting: asyncio.Future[None] | None = None

    def add(self, payload: Json) -> None:
        """Queue an update unless the bot did not ask for its kind: decided now, not when it is fetched."""
        kind = next(iter(payload))
        if kind in DEFAULT_REFUSES if self.allowed is None else kind not in self.allowed:
            return
        self.queued.append(Queued(self.next_id, kind, self.clock.now(), payload))
        self.next_id += 1
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def drop(self) -> None:
        self.queued.clear()

    def pending(self) -> list[Json]:
        return [{"update_id": queued.update_id, **queued.payload} for queued in self.queued]

    async def get(
        self,
        offset: int | None = None,
        limit: int | None = None,
        timeout: int | None = None,  # noqa: ASYNC109 - the parameter's name in the Bot API
        allowed_updates: list[str] | None = None,
    ) -> list[Json]:
        """What getUpdates gives; ApiError 409 when a webhook is set or another poll takes over."""
        if self.webhook:
            raise _conflict(
                "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            )
        if allowed_updates is not None:
            self.allowed = set(allowed_updates) or None
        self._confirm(offset or 0)
        if not self.queued and timeout:
            await self._wait(min(timeout, LONGEST_POLL))
        return self.pending()[: limit if limit and 0 < limit <= 100 else 100]

    def set_webhook(self, url: str) -> None:
        self.webhook = url
        self._interrupt("setWebhook request")

    def _confirm(self, offset: int) -> None:
        now = self.clock.now()
        self.queued = [q for q in self.queued if now - q.at <= _life(q)]
        if offset < 0:
            self.queued = self.queued[offset:]
        else:
            self.queued = [q for q in self.queued if q.update_id >= offset]

    def _interrupt(self, by: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(_conflict(f"terminated by {by}"))

    async def _wait(self, seconds: float) -> None:
        self._interrupt("other getUpdates request; make sure that only one bot instance is running")
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        self.is_waiting.set()
        try:
            async with asyncio.timeout(seconds):
                await waiting
        except TimeoutError:
            return
        finally:
            if self._waiting is waiting:
                self._waiting = None
                self.is_waiting.clear()


def _life(queued: Queued) -> timedelta:
    return CALLBACK_LIFE if queued.kind == "callback_query" else LIFE


def _conflict(reason: str) -> ApiError:
    return ApiError(409, f"Conflict: {reason}")
