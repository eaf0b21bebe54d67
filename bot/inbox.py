"""Updates accepted: kept before they are acknowledged, worked off in order per chat, by one replica at a time.

Each chat is a lane. Accepting an update takes the lane's lease in the same statement that locks it, so a lane has one
owner; updates accepted by another replica meanwhile are picked up by the owner's next tick, and the lanes of a
dead replica by everyone's. An update is done when its handling returned; one that was cut off is handled again,
which is harmless: use cases are idempotent, and conversations are replayed from where they stood before it.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import (
    BigInteger,
    Index,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    case,
    delete,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from bot.background import Background, InFlight
from bot.clock import Clock
from bot.storage import Base, Database, Id, Tx, database_epoch, insert_into, is_outage

log = structlog.get_logger(__name__)

LEASE_SECONDS = 15.0
HANDLING_SECONDS = 60.0
"""An update whose handling takes longer is given up: the next message of that chat must not wait for ever."""
TELLING_SECONDS = 10.0
"""What there is on top to tell the person that it was given up."""
MAX_ATTEMPTS = 3
KEPT_FOR = timedelta(days=2)
"""A channel may deliver an update again within a day; later than that nobody asks."""


class InboxLane(Base):
    """Who works off a chat. `generation` grows with every change of owner."""

    __tablename__ = "inbox_lane"

    bot_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    chat_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    owner: Mapped[str]
    generation: Mapped[int]
    lease_until: Mapped[float]


class InboxUpdate(Base):
    """`key` is the channel's own name for the update; the same key is accepted once."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("bot_id", "key"),
        Index(
            "ix_inbox_open",
            "bot_id",
            "chat_id",
            "id",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    bot_id: Mapped[int] = mapped_column(BigInteger)
    chat_id: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str]
    payload: Mapped[str] = mapped_column(Text)
    accepted_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Lane:
    bot_id: int
    chat_id: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """An update that is safe. `ours` says whether this replica holds the lane, `generation` since when.

    `settled` are earlier updates of the lane, marked done in the same transaction. `attempts` counts how often it was
    begun after somebody had left it behind; None for one that comes straight from its channel.
    """

    id: int
    lane: Lane
    payload: str
    ours: bool = True
    generation: int = 0
    settled: tuple[int, ...] = ()
    attempts: int | None = None


Handle = Callable[[Accepted], Awaitable[None]]
GivenUp = Callable[[Accepted, str], Awaitable[None]]
"""Hears of an update that will not be handled any more, and under which reference the log tells why."""


async def nobody_hears(accepted: Accepted, reference: str) -> None:
    """For tests without anybody to tell."""


class Inbox:
    """`handle` works off one update and raises only when the database is away: then the update stays open and is
    handled again, as often as one that was cut off. `given_up` hears of those that never will be, and of one that took
    too long. Both are set once, at build.

    `replayable` names the bots whose channel drops a repeated send by itself: their updates are marked done together
    with the next one accepted, or within a tick, as handling one twice shows nobody anything. But an update is always
    marked before the next one of its chat begins: handled again after that, it would see a state it never knew.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        background: Background,
        in_flight: InFlight,
        replica: str,
        replayable: Collection[int] = (),
    ) -> None:
        self._db = db
        self._clock = clock
        self._background = background
        self._in_flight = in_flight
        self._replica = replica
        self._replayable = frozenset(replayable)
        self._leasing, self._keeping = _leasing(db), _keeping(db)
        self._queues: dict[Lane, deque[Accepted]] = {}
        self._owned: dict[Lane, int] = {}
        self._done: dict[Lane, list[int]] = {}
        self._to_blank: set[int] = set()
        self._one_suspect = asyncio.Lock()
        self._stopping = False
        self.handle: Handle
        self.given_up: GivenUp = nobody_hears

    async def accept(self, tx: Tx, lane: Lane, key: str, payload: str) -> Accepted | None:
        """Keep an update, in the caller's transaction; None when it was accepted before. `take` it after the commit."""
        owner, generation = await self._lease(tx, lane)
        row = {"bot": lane.bot_id, "chat": lane.chat_id, "channel_key": key, "body": payload, "at": self._clock.now()}
        update_id = (await tx.execute(self._keeping, row)).scalar_one_or_none()
        if update_id is None:
            return None
        settled = tuple(self._done.get(lane, ()))
        await self._mark_done(tx, settled)
        return Accepted(update_id, lane, payload, owner == self._replica, generation, settled)

    async def _lease(self, tx: Tx, lane: Lane) -> tuple[str, int]:
        here = {"bot": lane.bot_id, "chat": lane.chat_id, "replica": self._replica}
        row = (await tx.execute(self._leasing, here)).one()
        return row.owner, row.generation

    def take(self, accepted: Accepted) -> None:
        """Work the update off here, if the lane is ours; call it once its transaction is committed."""
        self._forget_done(accepted.lane, accepted.settled)
        if not accepted.ours or self._stopping:
            return
        lane = accepted.lane
        queue = self._queues.get(lane)
        if queue is None:
            self._queues[lane] = queue = deque()
            self._background.start(self._work_off(lane, accepted.generation), f"lane {lane.chat_id}")
        queue.append(accepted)

    @property
    def busy(self) -> bool:
        """Whether updates are being worked off here."""
        return bool(self._queues)

    async def _work_off(self, lane: Lane, generation: int) -> None:
        queue = self._queues[lane]
        try:
            if self._owned.get(lane) != generation:
                await self._load(lane, queue)
                self._owned[lane] = generation
            while queue and not self._stopping:
                with self._in_flight.one():
                    await self._settle(lane)
                    await self._begin(queue[0])
                queue.popleft()
        except BaseException as error:
            # whatever is still open has to be loaded again before anything newer begins
            self._owned.pop(lane, None)
            if not is_outage(error):
                raise
            log.warning("updates left for later, as the database is away", chat=lane.chat_id, error=str(error))
        finally:
            del self._queues[lane]

    async def _load(self, lane: Lane, queue: deque[Accepted]) -> None:
        """A lane new to this replica may hold updates that another one left: they come first."""
        async with self._db.read() as tx:
            left = await self._open_updates(tx, lane)
        fresh = {accepted.id: accepted for accepted in queue}
        known = {accepted.id for accepted in left}
        later = [accepted for accepted in queue if accepted.id not in known]
        queue.clear()
        queue.extend([*(fresh.get(each.id, each) for each in left), *later])

    async def _open_updates(self, tx: Tx, lane: Lane) -> list[Accepted]:
        is_open = (InboxUpdate.bot_id == lane.bot_id) & (InboxUpdate.chat_id == lane.chat_id)
        rows = select(InboxUpdate.id, InboxUpdate.payload, InboxUpdate.attempts).where(
            is_open, InboxUpdate.done_at.is_(None), InboxUpdate.id.not_in(self._done.get(lane, []))
        )
        return [
            Accepted(row.id, lane, row.payload, attempts=row.attempts)
            for row in await tx.execute(rows.order_by(InboxUpdate.id))
        ]

    async def _begin(self, accepted: Accepted) -> None:
        """Work an update off. One that was cut off again and again may be what kills the process.

        So it is counted as it begins, and suspects begin one at a time: whoever is cut off beside them is not blamed.
        """
        if accepted.attempts is None:
            await self._work(accepted)
        elif accepted.attempts >= MAX_ATTEMPTS:
            await self._give_up(accepted, f"tried {accepted.attempts} times")
            self._done.setdefault(accepted.lane, []).append(accepted.id)
        elif accepted.attempts:
            async with self._one_suspect:
                await self._count_attempt(accepted.id)
                await self._work(accepted)
        else:
            await self._count_attempt(accepted.id)
            await self._work(accepted)

    async def _count_attempt(self, update_id: int) -> None:
        async with self._db.write() as tx:
            again = update(InboxUpdate).where(InboxUpdate.id == update_id)
            await tx.execute(again.values(attempts=InboxUpdate.attempts + 1))

    async def _work(self, accepted: Accepted) -> None:
        try:
            async with asyncio.timeout(HANDLING_SECONDS) as limit:
                await self.handle(accepted)
        except Exception as error:
            if limit.expired():
                await self._give_up(accepted, "took too long", trace=True)
            elif is_outage(error):
                raise
            else:
                log.exception("update failed", update_id=accepted.id)
        self._done.setdefault(accepted.lane, []).append(accepted.id)
        if accepted.lane.bot_id not in self._replayable:
            await self._settle(accepted.lane)

    async def _give_up(self, accepted: Accepted, why: str, trace: bool = False) -> None:
        """Whoever sent it is told, if that can be done; in any case the next update of the chat gets its turn."""
        reference = secrets.token_hex(4)
        log.error("update given up", update_id=accepted.id, why=why, reference=reference, exc_info=trace)
        try:
            async with asyncio.timeout(TELLING_SECONDS):
                await self.given_up(accepted, reference)
        except Exception:
            log.exception("nobody could be told", update_id=accepted.id, reference=reference)

    async def flush(self) -> None:
        """Mark what was worked off as done."""
        await self._mark({lane: tuple(ids) for lane, ids in self._done.items()})

    async def _settle(self, lane: Lane) -> None:
        await self._mark({lane: tuple(self._done.get(lane, ()))})

    async def _mark(self, done: Mapping[Lane, Sequence[int]]) -> None:
        ids = [update_id for each in done.values() for update_id in each]
        if not ids:
            return
        async with self._db.write() as tx:
            await self._mark_done(tx, ids)
        for lane, marked in done.items():
            self._forget_done(lane, marked)

    async def _mark_done(self, tx: Tx, ids: Sequence[int]) -> None:
        if ids:
            now = self._clock.now()
            await tx.execute(_MARK_DONE, [{"this": update_id, "at": now} for update_id in ids])
        if blank := self._to_blank.intersection(ids):
            await tx.execute(update(InboxUpdate).where(InboxUpdate.id.in_(blank)).values(payload=""))

    def _forget_done(self, lane: Lane, marked: Sequence[int]) -> None:
        self._to_blank.difference_update(marked)
        left = [update_id for update_id in self._done.get(lane, ()) if update_id not in marked]
        if left:
            self._done[lane] = left
        else:
            self._done.pop(lane, None)

    async def tick(self) -> None:
        """Renew the leases in use, and take up what other replicas accepted for our lanes or left behind."""
        await self.flush()
        for lane, generation in await self._lanes_to_work():
            self.take_lane(lane, generation)

    def take_lane(self, lane: Lane, generation: int) -> None:
        if lane not in self._queues and not self._stopping:
            self._owned.pop(lane, None)
            self._queues[lane] = deque()
            self._background.start(self._work_off(lane, generation), f"lane {lane.chat_id}")

    async def _lanes_to_work(self) -> list[tuple[Lane, int]]:
        is_open = select(InboxUpdate.bot_id, InboxUpdate.chat_id).where(InboxUpdate.done_at.is_(None)).distinct()
        async with self._db.read() as tx:
            waiting = [Lane(row.bot_id, row.chat_id) for row in await tx.execute(is_open)]
        if not waiting:
            return []
        async with self._db.write() as tx:
            leased = [(lane, await self._lease(tx, lane)) for lane in waiting]
        return [(lane, generation) for lane, (owner, generation) in leased if owner == self._replica]

    async def hold(self, lane: Lane) -> bool:
        """Whether this replica has the lane now, for work that only one may do; asking again renews it."""
        async with self._db.write() as tx:
            owner, _ = await self._lease(tx, lane)
        return owner == self._replica

    async def recover(self) -> None:
        """Void all leases: for a start that knows itself to be the only process on the database."""
        async with self._db.write() as tx:
            await tx.execute(update(InboxLane).values(lease_until=0.0))

    def pause(self) -> None:
        """Begin nothing any more; what is being worked off goes on, what waits stays in the database."""
        self._stopping = True

    async def stop(self) -> None:
        """Leave the lanes to others; the caller has paused, and drained what was in flight."""
        self.pause()
        await self.flush()
        async with self._db.write() as tx:
            release = update(InboxLane).where(InboxLane.owner == self._replica)
            await tx.execute(release.values(lease_until=0.0))

    async def forget_old(self) -> None:
        """Drop what was done long ago."""
        async with self._db.write() as tx:
            await tx.execute(delete(InboxUpdate).where(InboxUpdate.done_at < self._clock.now() - KEPT_FOR))

    async def forget_chat(self, tx: Tx, lane: Lane) -> None:
        """Blank what a chat sent, as its owner wants to be forgotten; the keys stay against repeats.

        What is still to be handled here, such as the wish itself, is blanked as it is marked done.
        """
        await self._mark_done(tx, self._done.get(lane, ()))
        mine = (InboxUpdate.bot_id == lane.bot_id) & (InboxUpdate.chat_id == lane.chat_id)
        is_open = select(InboxUpdate.id).where(mine, InboxUpdate.done_at.is_(None))
        self._to_blank.update((await tx.execute(is_open)).scalars())
        await tx.execute(update(InboxUpdate).where(mine, InboxUpdate.done_at.is_not(None)).values(payload=""))


# Statements of every update's way, built once: building them takes longer than running them.


def _leasing(db: Database) -> ReturningInsert[str, int]:
    """Take a lane or renew its lease; who has it then, and since which change of owner."""
    now, until, replica = database_epoch(), database_epoch() + LEASE_SECONDS, bindparam("replica", type_=String())
    mine = InboxLane.owner == replica
    free = or_(mine, InboxLane.lease_until < now)
    insert = insert_into(db, InboxLane).values(
        bot_id=bindparam("bot"), chat_id=bindparam("chat"), owner=replica, generation=0, lease_until=until
    )
    taken = insert.on_conflict_do_update(
        index_elements=["bot_id", "chat_id"],
        set_={
            "owner": case((free, replica), else_=InboxLane.owner),
            "generation": InboxLane.generation + case((mine, 0), (free, 1), else_=0),
            "lease_until": case((free, until), else_=InboxLane.lease_until),
        },
    )
    return taken.returning(InboxLane.owner, InboxLane.generation)


def _keeping(db: Database) -> ReturningInsert[int]:
    """Keep an update; nothing comes back when it was kept before."""
    insert = insert_into(db, InboxUpdate).values(
        bot_id=bindparam("bot"),
        chat_id=bindparam("chat"),
        key=bindparam("channel_key"),
        payload=bindparam("body"),
        accepted_at=bindparam("at"),
        attempts=0,
    )
    return insert.on_conflict_do_nothing(index_elements=["bot_id", "key"]).returning(InboxUpdate.id)


_MARK_DONE = update(InboxUpdate).where(InboxUpdate.id == bindparam("this")).values(done_at=bindparam("at"))
