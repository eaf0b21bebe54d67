"""The shipped entries and those of the database: merged on upgrade, without overwriting what was edited here.

What was shipped before is known from the newest shipped revision of each entry. An entry whose published text is
still that one follows the shipped files; one that was edited keeps its text, and the new shipped one waits as a draft.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from bot.people.roles import audit
from bot.storage import Database, Tx
from knowledge import library
from knowledge.changes import Content
from knowledge.library import written
from knowledge.models import EntryRevision, KnowledgeState
from knowledge.revisions import add, change_state, digest, lock, raise_version, state

Contents = Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class Merged:
    """Entry ids by what became of them; `conflicts` were edited here and changed in the shipped files as well."""

    published: tuple[str, ...]
    retired: tuple[str, ...]
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
    new = {entry_id: content for entry_id, content in changed.items() if not _conflicts(entry_id, content, known)}
    conflicts = {entry_id: content for entry_id, content in changed.items() if entry_id not in new}
    await change_state(tx, await _waiting(tx, changed), "discarded")
    followed = [known[entry_id].published for entry_id in new if entry_id in known]
    await change_state(tx, [each for each in followed if each is not None], "superseded")
    await add(tx, [*_rows(new, "published", known, now), *_rows(conflicts, "draft", known, now)])
    await tx.execute(update(KnowledgeState).values(shipped=files))
    if new:
        await raise_version(tx)
    merged = Merged(
        tuple(entry_id for entry_id, content in new.items() if content),
        tuple(entry_id for entry_id, content in new.items() if not content),
        tuple(conflicts),
    )
    counts = {"published": len(merged.published), "retired": len(merged.retired), "conflicts": len(merged.conflicts)}
    await audit(tx, None, "knowledge.merged", f"shipped:{files[:16]}", counts, now)
    return merged


def _with_gone(texts: Contents, known: Mapping[str, _Known]) -> Contents:
    """The shipped texts, and nothing for what was shipped once and no longer is."""
    gone = [entry_id for entry_id, it in known.items() if it.shipped_digest is not None and entry_id not in texts]
    return {**texts, **dict.fromkeys(gone, ())}


def _conflicts(entry_id: str, content: Content, known: Mapping[str, _Known]) -> bool:
    it = known.get(entry_id, _Known())
    return it.is_edited and it.published_digest != digest(content)


async def _known(tx: Tx) -> dict[str, _Known]:
    revision = EntryRevision
    columns = select(revision.entry_id, revision.id, revision.digest)
    newest = select(func.max(revision.id)).where(revision.origin == "shipped").group_by(revision.entry_id)
    shipped = {row.entry_id: row.digest for row in await tx.execute(columns.where(revision.id.in_(newest)))}
    live = {row.entry_id: row for row in await tx.execute(columns.where(revision.state == "published"))}
    return {
        entry_id: _Known(live[entry_id].id, live[entry_id].digest, shipped.get(entry_id))
        if entry_id in live
        else _Known(shipped_digest=shipped[entry_id])
        for entry_id in {**shipped, **live}
    }


async def _waiting(tx: Tx, changed: Contents) -> list[int]:
    """Earlier shipped texts of these entries that nobody has decided on."""
    revision = EntryRevision
    drafts = select(revision.id, revision.entry_id).where(revision.state == "draft", revision.origin == "shipped")
    return [row.id for row in await tx.execute(drafts) if row.entry_id in changed]


def _rows(texts: Contents, state: str, known: Mapping[str, _Known], now: datetime) -> Iterator[dict[str, Any]]:
    for entry_id, content in texts.items():
        yield {
            "entry_id": entry_id,
            "origin": "shipped",
            "state": state,
            "based_on": known.get(entry_id, _Known()).published,
            "content": list(content),
            "digest": digest(content),
            "note": "",
            "created_at": now,
            "published_at": now if state == "published" else None,
        }
