"""Consent, export and erasure. Each room that keeps personal data hands in a `PersonalData` owner at build."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import insert, select

from bot.clock import Clock
from bot.people.models import Consent
from bot.storage import Database, Tx

CONSENT_VERSION = "2026-11"
"""Raise it when the text of the privacy notice changes."""


class PersonalData(Protocol):
    """Owns a part of what is kept about a person."""

    @property
    def name(self) -> str: ...

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]: ...

    async def erase(self, tx: Tx, contact_id: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a person stands in other people's chats.

    That is what was sent about `subjects` (as in the outbox) and what carries a button whose callback data is one of
    `buttons`, or begins with one that ends in a colon.
    """

    subjects: frozenset[str] = frozenset()
    buttons: frozenset[str] = frozenset()

    def __or__(self, other: "Shown") -> "Shown":
        return Shown(self.subjects | other.subjects, self.buttons | other.buttons)


class ShowsToStaff(Protocol):
    """Shows what a person said or entered to staff, in their chats."""

    async def shown(self, tx: Tx, contact_id: int) -> Shown: ...


TakeBack = Callable[[Tx, Shown], Awaitable[None]]
"""Deletes such messages, as far as the channels let us."""


class Privacy:
    """Owners are erased in the order given: whoever others refer to comes last."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        owners: Sequence[PersonalData],
        rooms: Sequence[ShowsToStaff],
        take_back: TakeBack,
    ) -> None:
        self._db = db
        self._clock = clock
        self._owners = owners
        self._rooms = rooms
        self._take_back = take_back

    async def export(self, contact_id: int) -> bytes:
        """Everything kept about the person, as readable JSON."""
        async with self._db.read() as tx:
            data = {owner.name: await owner.export(tx, contact_id) for owner in self._owners}
        return json.dumps(data, ensure_ascii=False, indent=2, default=_readable).encode()

    async def erase(self, contact_id: int) -> None:
        """Delete what is kept about the person, in the chats of staff too; doing it twice is harmless."""
        async with self._db.write() as tx:
            shown = Shown()
            for room in self._rooms:
                shown |= await room.shown(tx, contact_id)
            await self._take_back(tx, shown)
            for owner in self._owners:
                await owner.erase(tx, contact_id)
        await self._db.empty_log()


class Consents:
    name = "consents"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def give(self, tx: Tx, contact_id: int, purpose: str, locale: str) -> None:
        given = {"contact_id": contact_id, "purpose": purpose, "version": CONSENT_VERSION}
        await tx.execute(insert(Consent).values(**given, locale=locale, given_at=self._clock.now()))

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        rows = await tx.execute(select(Consent.__table__).where(Consent.contact_id == contact_id))
        return {"given": [dict(row._mapping) for row in rows]}

    async def erase(self, tx: Tx, contact_id: int) -> None:
        """Goes with the contact."""


def _readable(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
