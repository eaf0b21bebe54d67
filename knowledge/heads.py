"""Fitted heads of the engine: fitted by one replica in a process beside it, stored once, loaded by all.

A head belongs to a content by the content's key. Leases run on the database's clock.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from sqlalchemy import Update, case, delete, select, update

from bot.clock import Clock
from bot.storage import Database, Tx, database_epoch, insert_into
from knowledge import fitting
from knowledge.engine import Document
from knowledge.engine.engine import VERSION, digest_of
from knowledge.models import KnowledgeModel

if TYPE_CHECKING:  # numpy is loaded when there is a head, not when the machine is built
    from knowledge.engine import Head

log = structlog.get_logger(__name__)

LEASE: Final = 60.0
"""Seconds for which a fit is one replica's; kept up while it runs."""
RETRIES: Final = (30.0, 120.0, 600.0, 3600.0)
"""Seconds to wait after the first failure, the second and so on."""
KEPT: Final = 3
"""Stored heads; a content that comes back, by a rollback say, finds its own."""

ROOT: Final = Path(__file__).parent.parent
_ONE_CORE: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class FittingError(Exception):
    """The head could not be fitted; the text says why."""


class Fitter(Protocol):
    async def __call__(self, documents: Sequence[Document], synonyms: Sequence[Sequence[str]]) -> bytes:
        """The bytes of a head; FittingError when there is none."""
        ...


def content_key(documents: Iterable[Document], synonyms: Iterable[Sequence[str]]) -> str:
    """The same for the same content in any order, as long as the same is learned from it."""
    from knowledge.engine.head import MARK

    parts = [VERSION, MARK.decode(), sorted(map(digest_of, documents)), sorted(map(list, synonyms))]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:32]


def fitted(documents: Sequence[Document], synonyms: Sequence[Sequence[str]]) -> "Head":
    """A head fitted here and now."""
    from knowledge.engine import fit_head

    return fit_head(documents, synonyms)


async def fit_beside(documents: Sequence[Document], synonyms: Sequence[Sequence[str]]) -> bytes:
    """Fit in a process of low priority, which ends with whoever waits for it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        fitting.__name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **_ONE_CORE},
    )
    try:
        head, complaints = await process.communicate(fitting.request(documents, synonyms))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        reason = complaints.decode(errors="replace").strip().rpartition("\n")[2]
        raise FittingError(f"exit code {process.returncode}: {reason[:300]}")
    return head


class Heads:
    """Stored heads, and the right to fit one. `owner` is this replica, which without a fitter leaves it to others."""

    def __init__(self, db: Database, clock: Clock, owner: str, fitter: Fitter | None) -> None:
        self._db = db
        self._clock = clock
        self._owner = owner
        self._fitter = fitter

    @property
    def can_fit(self) -> bool:
        return self._fitter is not None

    async def load(self, key: str) -> "Head | None":
        """The head fitted for that content; None when there is none that can be read."""
        stored = select(KnowledgeModel.head).where(KnowledgeModel.key == key, KnowledgeModel.head.is_not(None))
        async with self._db.read() as tx:
            data = (await tx.execute(stored)).scalar_one_or_none()
        if data is None:
            return None
        from knowledge.engine import Head

        try:
            return await asyncio.to_thread(Head.from_bytes, data)
        except ValueError:
            log.exception("stored head is damaged, to be fitted again", key=key)
            async with self._db.write() as tx:
                await tx.execute(delete(KnowledgeModel).where(KnowledgeModel.key == key))
            return None

    async def newest(self) -> "Head | None":
        """The head stored last, for whatever content."""
        stored = select(KnowledgeModel.key).where(KnowledgeModel.head.is_not(None))
        async with self._db.read() as tx:
            key = (await tx.execute(stored.order_by(KnowledgeModel.stored_at.desc()).limit(1))).scalar_one_or_none()
        return await self.load(key) if key is not None else None

    async def may_fit(self, key: str) -> bool:
        """Take the right to fit the head of that content; False while another has it, or a failure is too recent."""
        if self._fitter is None:
            return False
        model, now = KnowledgeModel, database_epoch()
        held = select(model.key).where(model.key == key, model.head.is_not(None) | (model.lease_until > now))
        async with self._db.read() as tx:
            if (await tx.execute(held)).first() is not None:
                return False
        taken = {"owner": self._owner, "lease_until": now + LEASE}
        insert = insert_into(self._db, model).values(key=key, failures=0, **taken)
        free = model.head.is_(None) & (model.lease_until <= now)
        claim = insert.on_conflict_do_update(index_elements=["key"], set_=taken, where=free).returning(model.key)
        async with self._db.write() as tx:
            return (await tx.execute(claim)).first() is not None

    async def fit(self, key: str, documents: Sequence[Document], synonyms: Sequence[Sequence[str]]) -> None:
        """Fit and store the head of a content that `may_fit` gave us. A failure is noted, for a later attempt."""
        assert self._fitter is not None
        try:
            async with asyncio.TaskGroup() as both:
                keeping = both.create_task(self._keep_lease(key))
                head = await self._fitter(documents, synonyms)
                keeping.cancel()
            await self._store(key, await asyncio.to_thread(_id_of, head), head)
        except* (FittingError, OSError, ValueError) as failures:
            log.warning("fitting failed, to be tried again", key=key, reason=str(failures.exceptions[0]))
            await self._failed(key)
        except* _LeaseLostError:
            log.warning("another replica took over the fitting", key=key)

    async def _keep_lease(self, key: str) -> None:
        while True:
            await asyncio.sleep(LEASE / 4)
            kept = self._mine(key).values(lease_until=database_epoch() + LEASE)
            async with self._db.write() as tx:
                if not (await tx.execute(kept)).rowcount:
                    raise _LeaseLostError

    async def _store(self, key: str, head_id: str, head: bytes) -> None:
        stored = {"head": head, "head_id": head_id, "stored_at": self._clock.now(), "owner": None}
        model = KnowledgeModel
        kept = select(model.key).where(model.head.is_not(None)).order_by(model.stored_at.desc(), model.key).limit(KEPT)
        # a content that was replaced before its head was ready leaves a row without one
        abandoned = model.head.is_(None) & (model.lease_until < database_epoch() - RETRIES[-1])
        async with self._db.write() as tx:
            await tx.execute(self._mine(key).values(**stored))
            newest = (await tx.execute(kept)).scalars().all()
            await tx.execute(delete(model).where(model.key.not_in(newest), model.head.is_not(None) | abandoned))

    async def _failed(self, key: str) -> None:
        waits = [(KnowledgeModel.failures == n, seconds) for n, seconds in enumerate(RETRIES)]
        wait = case(*waits, else_=RETRIES[-1])
        again = {"owner": None, "failures": KnowledgeModel.failures + 1, "lease_until": database_epoch() + wait}
        async with self._db.write() as tx:
            await tx.execute(self._mine(key).values(**again))

    def _mine(self, key: str) -> Update:
        return update(KnowledgeModel).where(KnowledgeModel.key == key, KnowledgeModel.owner == self._owner)


def _id_of(head: bytes) -> str:
    """ValueError when these bytes are no head."""
    from knowledge.engine import Head

    return Head.from_bytes(head).id


async def void_leases(tx: Tx) -> None:
    """Let nobody wait for a fit that a dead process began: for a start that knows itself to be alone."""
    await tx.execute(
        update(KnowledgeModel).where(KnowledgeModel.owner.is_not(None)).values(lease_until=0.0, owner=None)
    )


class _LeaseLostError(Exception):
    pass
