"""Sends what is due: claim with a lease, prepare, start, send, mark.

A row is rendered before it is started and started right before the send, so only a row that was truly on its way
can be in doubt. No transaction is open during a send, and each row is marked by itself, so that a crash leaves in
doubt no more than the rows in flight. One row of a contact is on its way at a time, over all replicas.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.clock import Clock
from bot.outbox.claims import Abandoned, Claimed, Claims
from bot.outbox.models import OutboxRow
from bot.outbox.outbox import State, cancel
from bot.outbox.port import (
    Address,
    AddressBook,
    Channel,
    ChatRef,
    Kind,
    Outcome,
    Owed,
    Reader,
    Result,
)
from bot.outbox.verdict import CHANNEL_PAUSE, Attempt, Verdict, judge
from bot.storage import Database, Tx
from bot.texts import Message, Texts

log = structlog.get_logger(__name__)

TICK = 1.0
REFUSED_PAUSE = timedelta(minutes=5)
"""How long a channel is left alone that refused our token: a mistake of the other side passes by itself."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A rendered row and its way out."""

    chat: ChatRef
    channel: Channel
    message: Message


class Sender:
    """Works the outbox off in one process; any number of them may run on one database.

    `lease`, in seconds, is how long the rows of a dead process rest; a send gets `send_limit`, which is to be less.
    After `max_attempts` sends a row is dead. `chance` spreads repetitions and lies in [0, 1).
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        kinds: Mapping[str, Kind],
        channels: Mapping[int, Channel],
        address_book: AddressBook,
        texts: Texts,
        replica: str,
        *,
        in_flight: int = 10,
        lease: float = 60.0,
        send_limit: float = 30.0,
        max_attempts: int = 30,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._clock = clock
        self._kinds = kinds
        self._channels = channels
        self._addresses = address_book
        self._texts = texts
        self._claims = Claims(db, clock, kinds.keys(), replica, lease)
        self._in_flight = in_flight
        self._lease = lease
        self._send_limit = send_limit
        self._max_attempts = max_attempts
        self._chance = chance
        self._stopped: dict[int, datetime] = {}
        self._awake = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Look for due rows now instead of at the next tick."""
        self._awake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Send what is due until `stopping`; then finish what is on its way and give back what is not.

        Cancelling it ends at once and leaves in doubt what was on its way.
        """
        self._stopping = stopping
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wake_at(stopping))
            while not stopping.is_set():
                claimed = await self._round()
                for row in claimed:
                    group.create_task(self._deliver(row), name=f"outbox {row.owed.id}")
                if not claimed:
                    await self._rest()

    async def tick(self) -> int:
        """Send everything that is due now and wait for it; how many rows were taken up."""
        total = 0
        if await self._claims.anything_to_do():
            await self.reap()
            while claimed := await self._claims.claim(self._in_flight):
                await asyncio.gather(*(self._deliver(row) for row in claimed))
                total += len(claimed)
        return total

    async def reap(self) -> int:
        """Take back rows whose lease ran out: unstarted ones are owed again, started ones are in doubt."""
        async with self._db.write() as tx:
            abandoned = await self._claims.abandoned(tx)
            for one in abandoned:
                await self._claims.settle(tx, one.row, self._taken_back(one))
        return len(abandoned)

    def _taken_back(self, abandoned: Abandoned) -> Verdict:
        row = abandoned.row
        if not abandoned.started:
            return _unchanged(row, State.PENDING)
        outcome = Outcome(Result.IN_DOUBT, detail="the sender ended while sending")
        verdict = judge(outcome, self._attempt(row, row.attempts, row.chat), self._chance())
        _report(row, verdict)
        return verdict

    async def _wake_at(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self.wake()

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                await self._awake.wait()
        self._awake.clear()

    async def _round(self) -> Sequence[Claimed]:
        free = self._in_flight - len(self._claims.busy)
        try:
            if not free or not await self._claims.anything_to_do():
                return []
            await self.reap()
            return await self._claims.claim(free)
        except Exception:
            log.exception("the outbox cannot be worked off at present")
            return []

    async def _deliver(self, row: Claimed) -> None:
        try:
            ready = await self._prepare(row)
            if isinstance(ready, Verdict):
                await self._conclude(row, ready)
            elif (started_at := await self._start(row, ready.chat)) is not None:
                outcome = await self._send(row, ready)
                await self._mark(row, ready.chat, outcome, started_at)
        except Exception:
            log.exception("outbox row left to its lease", row=row.owed.id, kind=row.owed.kind)
        finally:
            self._claims.busy.discard(row.owed.id)
            self.wake()

    async def _prepare(self, row: Claimed) -> Ready | Verdict:
        try:
            async with self._db.read() as tx:
                return await self._ready(tx, row)
        except Exception as error:
            log.exception("outbox row cannot be rendered", row=row.owed.id, kind=row.owed.kind)
            outcome = Outcome(Result.FAILED, detail=f"cannot be rendered: {type(error).__name__}")
            return judge(outcome, self._attempt(row, row.attempts + 1, None), self._chance())

    async def _ready(self, tx: Tx, row: Claimed) -> Ready | Verdict:
        kind = self._kinds[row.owed.kind]
        now = self._clock.now()
        if not await kind.still_wanted(tx, row.owed, now):
            return _unchanged(row, State.CANCELLED, detail="not wanted any more")
        address = await self._addresses.find(tx, row.owed.contact_id)
        if address is None:
            return _unchanged(row, State.UNDELIVERABLE, detail="no chat to write to")
        chat = self._chat_for(row, address)
        channel = self._channels.get(chat.bot_id)
        if channel is None or self._stopped.get(chat.bot_id, now) > now:
            return _unchanged(row, State.PENDING, CHANNEL_PAUSE, "the channel cannot send now")
        message = await kind.render(tx, row.owed, self._reader(row.owed, address))
        if message is None:
            return _unchanged(row, State.CANCELLED, detail="nothing to say any more")
        return Ready(chat, channel, message)

    def _reader(self, owed: Owed, address: Address) -> Reader:
        return Reader(owed.contact_id, self._texts.translator(address.locale, address.zone))

    def _chat_for(self, row: Claimed, address: Address) -> ChatRef:
        """The same key never sends twice to one chat: what is in doubt there is not taken to another."""
        pinned = row.in_doubt and self._exactly_once(row.chat)
        return row.chat if row.chat and pinned else address.chat

    def _exactly_once(self, chat: ChatRef | None) -> bool:
        channel = self._channels.get(chat.bot_id) if chat else None
        return channel is not None and channel.exactly_once

    async def _start(self, row: Claimed, chat: ChatRef) -> datetime | None:
        """The instant of the start; None when the row is not to be sent by us any more."""
        async with self._db.write() as tx:
            now = self._clock.now()
            if row.expires_at <= now:
                expired = State.UNCERTAIN if row.in_doubt else State.EXPIRED
                await self._claims.settle(tx, row, _unchanged(row, expired))
                return None
            if self._stopping.is_set():
                await self._claims.settle(tx, row, _unchanged(row, State.PENDING))
                return None
            return now if await self._claims.start(tx, row, chat, now) else None

    async def _send(self, row: Claimed, ready: Ready) -> Outcome:
        try:
            async with asyncio.timeout(self._send_limit):
                return await ready.channel.send(ready.chat, ready.message, f"outbox:{row.owed.id}")
        except TimeoutError:
            return Outcome(Result.IN_DOUBT, detail="no answer in time")
        except Exception as error:
            log.exception("a channel raised instead of answering", bot=ready.chat.bot_id)
            return Outcome(Result.IN_DOUBT, detail=f"the channel raised {type(error).__name__}")

    async def _mark(self, row: Claimed, chat: ChatRef, outcome: Outcome, started_at: datetime) -> None:
        if outcome.result is Result.STOPPED:
            self._stopped[chat.bot_id] = self._clock.now() + REFUSED_PAUSE
            log.critical("a channel refuses our token", bot=chat.bot_id, detail=outcome.detail)
        verdict = judge(outcome, self._attempt(row, row.attempts + 1, chat), self._chance())

        async def mark(tx: Tx) -> None:
            if outcome.result is Result.UNREACHABLE:
                await self._lose(tx, row, chat, verdict, started_at)
                return
            if outcome.result is Result.WAIT:
                pause = max(1.0, outcome.retry_after) + self._chance()
                await self._claims.pause(tx, row.owed.contact_id, pause)
            await self._claims.settle(tx, row, verdict)

        _report(row, verdict)
        await self._insist(row, mark)

    async def _lose(self, tx: Tx, row: Claimed, chat: ChatRef, verdict: Verdict, started_at: datetime) -> None:
        """The chat is gone: on to the contact's next chat, or nothing more is owed to them."""
        await self._addresses.lost(tx, chat, started_at)
        other = await self._addresses.find(tx, row.owed.contact_id)
        movable = not row.in_doubt and verdict.attempts < self._max_attempts
        if movable and other is not None and other.chat != chat:
            verdict = Verdict(State.PENDING, verdict.attempts, in_doubt=False)
        await self._claims.settle(tx, row, verdict)
        if other is None:
            await cancel(tx, OutboxRow.contact_id == row.owed.contact_id)

    async def _conclude(self, row: Claimed, verdict: Verdict) -> None:
        async def settle(tx: Tx) -> None:
            await self._claims.settle(tx, row, verdict)

        _report(row, verdict)
        await self._insist(row, settle)

    async def _insist(self, row: Claimed, work: Callable[[Tx], Awaitable[None]]) -> None:
        """What became of a row is kept in memory until it is written, or until the lease is over."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + self._lease, 0.2
        while not await self._written(row, work, last=loop.time() + pause >= deadline):
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)

    async def _written(self, row: Claimed, work: Callable[[Tx], Awaitable[None]], last: bool) -> bool:
        try:
            async with self._db.write() as tx:
                await work(tx)
        except Exception as error:
            if last:
                raise
            log.warning("an outbox row cannot be marked yet", row=row.owed.id, error=str(error))
            return False
        return True

    def _attempt(self, row: Claimed, number: int, chat: ChatRef | None) -> Attempt:
        kind = self._kinds.get(row.owed.kind)
        return Attempt(
            number=number,
            in_doubt=row.in_doubt,
            # a kind unknown here may be one that must not be repeated
            policy=kind.policy if kind else "at_most_once",
            exactly_once=self._exactly_once(chat),
            last=number >= self._max_attempts,
        )


def _unchanged(row: Claimed, state: State, wait: float = 0.0, detail: str = "") -> Verdict:
    return Verdict(state, row.attempts, row.in_doubt, wait, detail)


def _report(row: Claimed, verdict: Verdict) -> None:
    facts = {"row": row.owed.id, "kind": row.owed.kind, "attempts": verdict.attempts}
    if verdict.state in (State.DEAD, State.UNCERTAIN):
        log.error("outbox row needs a look", **facts, state=verdict.state, detail=verdict.detail)
    elif verdict.state is State.PENDING:
        log.info("outbox row put off", **facts, seconds=verdict.wait, detail=verdict.detail)
