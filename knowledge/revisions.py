"""The rows behind entries: which revision is published, and what changes when another is.

Whoever writes locks the state first, so that publications, of whatever entries, happen one after the other.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from bot.storage import Tx
from knowledge.changes import Content
from knowledge.models import EntryRevision, KnowledgeState

REVISION = EntryRevision.__table__
_ALL = select(REVISION)
_PUBLISHED = EntryRevision.state == "published"
_TELLING = 8
"""Characters of a digest that tell the texts of one entry apart."""
_AT_ONCE = 500
"""Ids in one statement: databases limit its parameters."""


@dataclass(frozen=True, slots=True)
class State:
    """`version` counts publications, `shipped` is the digest of the shipped files merged last."""

    version: int
    shipped: str


_STATE = select(KnowledgeState.version, KnowledgeState.shipped)


async def state(tx: Tx) -> State:
    row = (await tx.execute(_STATE)).one()
    return State(row.version, row.shipped)


async def lock(tx: Tx) -> State:
    """The state, which nobody else changes until the transaction ends."""
    row = (await tx.execute(_STATE.with_for_update())).one()
    return State(row.version, row.shipped)


async def raise_version(tx: Tx) -> None:
    """Tell all replicas that something else is published now."""
    await tx.execute(update(KnowledgeState).values(version=KnowledgeState.version + 1))


def digest(content: Content) -> str:
    """The same for the same text, whatever the order of its fields."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def published(tx: Tx, entry_id: str) -> Row[Any] | None:
    """The published revision of an entry, all columns."""
    return (await tx.execute(_ALL.where(EntryRevision.entry_id == entry_id, _PUBLISHED))).first()


async def revision(tx: Tx, number: int) -> Row[Any] | None:
    return (await tx.execute(_ALL.where(EntryRevision.id == number))).first()


async def published_ids(tx: Tx) -> dict[str, int]:
    """The published revision of every entry id, retired ones too."""
    rows = await tx.execute(select(EntryRevision.entry_id, EntryRevision.id).where(_PUBLISHED))
    return {row.entry_id: row.id for row in rows}


async def published_names(tx: Tx) -> dict[str, str]:
    """What the published revision of every entry is called in files.

    The number is for people; the beginning of the digest means the same text in other installations too.
    """
    columns = select(EntryRevision.entry_id, EntryRevision.id, EntryRevision.digest)
    return {row.entry_id: f"{row.id}-{row.digest[:_TELLING]}" for row in await tx.execute(columns.where(_PUBLISHED))}


async def named(tx: Tx, names: Mapping[str, str]) -> dict[str, Row[Any]]:
    """The revisions, by entry, that were published with the text which these names mean: `id`, `published_at`.

    Where the same text was published several times it is the one of that number, else the newest. What was never
    published here is left out.
    """
    wanted, found = list(names), dict[str, Row[Any]]()
    revision = EntryRevision
    columns: Any = select(revision.entry_id, revision.id, revision.digest, revision.published_at)
    for at in range(0, len(wanted), _AT_ONCE):
        some = EntryRevision.entry_id.in_(wanted[at : at + _AT_ONCE]) & EntryRevision.published_at.is_not(None)
        for row in await tx.execute(columns.where(some).order_by(EntryRevision.id)):
            number, _, telling = names[row.entry_id].rpartition("-")
            before = found.get(row.entry_id)
            if row.digest[:_TELLING] == telling and (before is None or str(before.id) != number):
                found[row.entry_id] = row
    return found


async def published_since(tx: Tx, when: datetime) -> set[str]:
    """The entries whose published text is younger."""
    rows = await tx.execute(select(EntryRevision.entry_id).where(_PUBLISHED, EntryRevision.published_at > when))
    return {row.entry_id for row in rows}


async def contents(tx: Tx, revisions: Iterable[int]) -> dict[int, Content]:
    """The contents of some revisions."""
    wanted, found = list(revisions), dict[int, Content]()
    for at in range(0, len(wanted), _AT_ONCE):
        some = EntryRevision.id.in_(wanted[at : at + _AT_ONCE])
        rows = await tx.execute(select(EntryRevision.id, EntryRevision.content).where(some))
        found.update({row.id: row.content for row in rows})
    return found


async def published_contents(tx: Tx) -> dict[str, Content]:
    """The text of every entry as published; empty for a retired one."""
    rows = await tx.execute(select(EntryRevision.entry_id, EntryRevision.content).where(_PUBLISHED))
    return {row.entry_id: row.content for row in rows}


async def change_state(tx: Tx, revisions: Iterable[int], to: str) -> None:
    wanted = list(revisions)
    for at in range(0, len(wanted), _AT_ONCE):
        some = EntryRevision.id.in_(wanted[at : at + _AT_ONCE])
        await tx.execute(update(EntryRevision).where(some).values(state=to))


async def add(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        await tx.execute(insert(EntryRevision), list(rows))
