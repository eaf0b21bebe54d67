"""Telegram by long polling: an update is confirmed only once the inbox has it, and the loop can be stopped at once.

aiogram's own polling confirms updates before they are handled and does not wait for them at the end.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramConflictError, TelegramUnauthorizedError
from aiogram.methods import GetUpdates
from aiogram.types import Update

from bot.clock import Clock
from bot.inbox import Accepted, Inbox, Lane
from bot.storage import Database, Tx, is_outage

log = structlog.get_logger(__name__)

POLL_SECONDS = 10
"""Less than the lease of the poller, which is renewed before each request."""
LONGEST_PAUSE = 60.0


class Poller:
    """Long-polls one bot. `lease` says whether this replica may poll now: Telegram serves one poller a token."""

    def __init__(
        self,
        bot: Bot,
        db: Database,
        inbox: Inbox,
        allowed: list[str],
        lease: Callable[[], Awaitable[bool]],
        clock: Clock,
    ) -> None:
        self._bot = bot
        self._db = db
        self._inbox = inbox
        self._allowed = allowed
        self._lease = lease
        self._clock = clock
        self._stands = "starting"
        self._succeeded_at: datetime | None = None
        self._offset: int | None = None
        self._failures = 0

    def health(self) -> Mapping[str, str | None]:
        """`polling`: "starting", "working", "failing", or "elsewhere" while another replica polls; `last_success`: when
        Telegram last answered here and what it gave was kept (ISO, UTC)."""
        at = self._succeeded_at
        return {"polling": self._stands, "last_success": at.isoformat(timespec="seconds") if at else None}

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping`. Nothing ends it before: neither Telegram nor the database being away."""
        while not stopping.is_set():
            try:
                pause = await self._poll_once(stopping)
            except Exception as error:
                self._stands = "failing"
                pause = self._pause_after(error)
            if pause and await _stopped_within(stopping, pause):
                break
        await self._confirm()

    async def _poll_once(self, stopping: asyncio.Event) -> float:
        """One request; how many seconds to wait before the next."""
        if not await self._lease():
            self._stands = "elsewhere"
            return 1.0
        updates = await _unless(stopping, self._ask(POLL_SECONDS))
        if updates:
            await self._accept(updates)
            self._offset = updates[-1].update_id + 1
        self._failures, self._stands, self._succeeded_at = 0, "working", self._clock.now()
        return 0.0

    async def _ask(self, seconds: int) -> list[Update]:
        ask = GetUpdates(offset=self._offset, timeout=seconds, allowed_updates=self._allowed)
        return await self._bot(ask, request_timeout=seconds + 10)

    async def _accept(self, updates: list[Update]) -> None:
        async with self._db.write() as tx:
            accepted = [await self._keep(tx, update) for update in updates]
        for update in accepted:
            if update is not None:
                self._inbox.take(update)

    async def _keep(self, tx: Tx, update: Update) -> Accepted | None:
        chat_id = chat_of(update)
        if chat_id is None:
            return None
        payload = update.model_dump_json(exclude_none=True, by_alias=True, exclude={"update_id"})
        return await self._inbox.accept(tx, Lane(self._bot.id, chat_id), str(update.update_id), payload)

    def _pause_after(self, error: Exception) -> float:
        self._failures += 1
        pause = min(LONGEST_PAUSE, 2.0 ** min(self._failures, 6)) * random.uniform(0.8, 1.2)  # noqa: S311  spreads retries, hides nothing
        if isinstance(error, TelegramConflictError):
            log.error("another program polls this bot; stop it, or give this one its own token")
        elif isinstance(error, TelegramUnauthorizedError):
            log.error("Telegram refuses the token; set CIPO_TELEGRAM_TOKEN to the one @BotFather shows")
        elif isinstance(error, AiogramError) or is_outage(error):
            log.warning("polling failed", error=type(error).__name__, pause=round(pause, 1))
        else:
            log.error("polling failed", exc_info=error, pause=round(pause, 1))
        return pause

    async def _confirm(self) -> None:
        """Tell Telegram about the last batch, which it would deliver again; no harm if this fails."""
        if self._offset is None:
            return
        try:
            await self._bot(GetUpdates(offset=self._offset, timeout=0, limit=1), request_timeout=5)
        except AiogramError as error:
            log.info("last updates not confirmed", error=type(error).__name__)


def chat_of(update: Update) -> int | None:
    """The chat whose lane an update belongs to; None for what we did not ask for."""
    if update.message is not None:
        return update.message.chat.id
    if update.callback_query is not None:
        press = update.callback_query
        return press.message.chat.id if press.message is not None else press.from_user.id
    return update.my_chat_member.chat.id if update.my_chat_member is not None else None


async def _unless(stopping: asyncio.Event, work: Any) -> Any:
    """The result of the work; None when stopping came first."""
    doing, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({doing, stop}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        stop.cancel()
        doing.cancel()


async def _stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await stopping.wait()
    except TimeoutError:
        return False
