"""The shipped entries and those of the database: merged on upgrade, without overwriting what was edited here.

What was shipped before is known from the newest shipped revision of each entry. An entry whose published text is
still that one follows the shipped files. One that was edited takes over what was changed elsewhere in its text; where
both changed the same it keeps its own, and the new shipped text waits as a draft.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from bot.people.roles import audit
from bot.storage import Database, Tx
from knowledge import library
from knowledge.changes import Content, merge
from knowledge.library import written
from knowledge.models import EntryRevision, KnowledgeState
from knowledge.revisions import add, change_state, contents, digest, lock, raise_version, state

Contents = Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class Merged:
    """Entry ids by what became of them.

    `combined` were edited here and changed in the shipped files in other places; `conflicts` in the same ones.
    """

    published: tuple[str, ...]
    retired: tuple[str, ...]
    combined: tuple[str, ...]
    conflicts: tuple[str, ...]


async def merge_shipped(db: Database, now: datetime, folder: Path = library.SHIPPED) -> Merged | None:
    """Bring the shipped entries into the database; None when these very files were merged before.

    One transaction, and harmless from several replicas at once. LibraryError when a file cannot be read.
    """
    files = await asyncio.to_thread(files_digest, folder)
    async with db.read() as tx:
        if (await state(tx)).shipped == files:
            return None
    texts = await asyncio.to_thread(_contents, folder)
    async with db.write() as tx:
        if (await lock(tx)).shipped == files:
            return None  # another replica was quicker
        return await _merge(tx, texts, files, now)


def files_digest(folder: Path) -> str:
    """Changes whenever a shipped file does; costs less than reading the entries."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.yaml")):
        found.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _contents(folder: Path) -> Contents:
    found: dict[str, list[library.Written]] = {}
    for entry in library.load(folder).entries:
        found.setdefault(entry.id, []).append(written(entry))
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has of an entry: the published revision, and the newest shipped one."""

    published: int | None = None
    published_digest: str | None = None
    shipped: int | None = None
    shipped_digest: str | None = None

    @property
    def is_edited(self) -> bool:
        return self.published_digest != self.shipped_digest


async def _merge(tx: Tx, texts: Contents, files: str, now: datetime) -> Merged:
    known = await _known(tx)
    changed = {
        entry_id: content
        for entry_id, content in _with_gone(texts, known).items()
        if digest(content) != known.get(entry_id, _Known()).shipped_digest
    }
    edited = {entry_id for entry_id, content in changed.items() if _is_edited(content, known.get(entry_id, _Known()))}
    new = {entry_id: content for entry_id, content in changed.items() if entry_id not in edited}
    combined = await _combined(tx, {entry_id: changed[entry_id] for entry_id in edited}, known)
    conflicts = {entry_id: changed[entry_id] for entry_id in edited if entry_id not in combined}
    followed = [known[entry_id].published for entry_id in (*new, *combined) if entry_id in known]
    await change_state(tx, await _waiting(tx, changed), "discarded")
    await change_state(tx, [each for each in followed if each is not None], "superseded")
    rows = _Rows(known, now)
    await add(
        tx,
        [
            *rows.of(new, "shipped", "published"),
            *rows.of({entry_id: changed[entry_id] for entry_id in combined}, "shipped", "superseded"),
            *rows.of(combined, "local", "published"),
            *rows.of(conflicts, "shipped", "draft"),
        ],
    )
    await tx.execute(update(KnowledgeState).values(shipped=files))
    if followed or new:
        await raise_version(tx)
    merged = Merged(
        published=tuple(entry_id for entry_id, content in new.items() if content),
        retired=tuple(entry_id for entry_id, content in new.items() if not content),
        combined=tuple(sorted(combined)),
        conflicts=tuple(sorted(conflicts)),
    )
    counts = {what: len(ids) for what, ids in asdict(merged).items()}
    await audit(tx, None, "knowledge.merged", f"shipped:{files[:16]}", counts, now)
    return merged


def _with_gone(texts: Contents, known: Mapping[str, _Known]) -> Contents:
    """The shipped texts, and nothing for what was shipped once and no longer is."""
    gone = [entry_id for entry_id, it in known.items() if it.shipped is not None and entry_id not in texts]
    return {**texts, **dict.fromkeys(gone, ())}


def _is_edited(content: Content, known: _Known) -> bool:
    """Whether somebody here wrote another text than either shipped one."""
    return known.is_edited and known.published_digest != digest(content)


async def _combined(tx: Tx, texts: Contents, known: Mapping[str, _Known]) -> dict[str, Content]:
    """The edited entries whose edits and whose shipped changes do not touch the same fields, put together."""
    both = [known[entry_id] for entry_id in texts]
    found = await contents(tx, [number for it in both for number in (it.published, it.shipped) if number is not None])
    combined: dict[str, Content] = {}
    for entry_id, theirs in texts.items():
        it = known[entry_id]
        if it.published is None or it.shipped is None:
            continue
        merged = merge(found[it.shipped], found[it.published], theirs)
        if not merged.clashes:
            combined[entry_id] = merged.content
    return combined


async def _known(tx: Tx) -> dict[str, _Known]:
    revision = EntryRevision
    columns = select(revision.entry_id, revision.id, revision.digest)
    newest = select(func.max(revision.id)).where(revision.origin == "shipped").group_by(revision.entry_id)
    shipped = {row.entry_id: row for row in await tx.execute(columns.where(revision.id.in_(newest)))}
    live = {row.entry_id: row for row in await tx.execute(columns.where(revision.state == "published"))}
    return {entry_id: _of(live.get(entry_id), shipped.get(entry_id)) for entry_id in {**shipped, **live}}


def _of(live: Any, shipped: Any) -> _Known:
    return _Known(
        live.id if live else None,
        live.digest if live else None,
        shipped.id if shipped else None,
        shipped.digest if shipped else None,
    )


async def _waiting(tx: Tx, changed: Contents) -> list[int]:
    """Earlier shipped texts of these entries that nobody has decided on."""
    revision = EntryRevision
    drafts = select(revision.id, revision.entry_id).where(revision.state == "draft", revision.origin == "shipped")
    return [row.id for row in await tx.execute(drafts) if row.entry_id in changed]


@dataclass(frozen=True, slots=True)
class _Rows:
    known: Mapping[str, _Known]
    now: datetime

    def of(self, texts: Contents, origin: str, state: str) -> Iterator[dict[str, Any]]:
        for entry_id, content in texts.items():
            yield {
                "entry_id": entry_id,
                "origin": origin,
                "state": state,
                "based_on": self.known.get(entry_id, _Known()).published,
                "content": list(content),
                "digest": digest(content),
                "note": "",
                "created_at": self.now,
                "published_at": self.now if state == "published" else None,
            }
