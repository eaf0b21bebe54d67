"""The shipped entries and those of the database: merged on upgrade, without overwriting what was edited here.

What was shipped before is known from the newest shipped revision of each entry. An entry whose published text is
still that one follows the shipped files. One that was edited takes over what was changed elsewhere in its text; where
both changed the same it keeps its own, and the new shipped text waits as a draft. So does one that would be at odds
with what was edited in other entries, such as a way to ask that two entries have then.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, select, update

from bot.people.roles import audit
from bot.storage import Database, Tx
from knowledge import library
from knowledge.changes import Content, merge
from knowledge.check import check_entries
from knowledge.library import Glossary, Library, stored, written
from knowledge.models import EntryRevision, KnowledgeState
from knowledge.reading import LibraryError
from knowledge.revisions import (
    State,
    add,
    change_state,
    contents,
    digest,
    lock,
    published_contents,
    raise_version,
    state,
)

Contents = Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class Merged:
    """Entry ids by what became of them.

    `combined` were edited here and changed in the shipped files in other places; `conflicts` in the same ones. `unfit`
    are at odds with other entries as they were edited here.
    """

    published: tuple[str, ...]
    retired: tuple[str, ...]
    combined: tuple[str, ...]
    conflicts: tuple[str, ...]
    unfit: tuple[str, ...] = ()


async def merge_shipped(db: Database, now: datetime, folder: Path | None = None) -> Merged | None:
    """Bring the shipped entries into the database; None when these very files were merged before.

    One short transaction writes what was found out before it, and only where nothing was published or merged
    meanwhile; else it is found out anew. Harmless from several replicas at once. LibraryError when a file cannot be
    read.
    """
    folder = folder or library.SHIPPED
    files = await asyncio.to_thread(files_digest, folder)
    async with db.read() as tx:
        if (await state(tx)).shipped == files:
            return None
    base = await asyncio.to_thread(library.load, folder)
    while True:
        async with db.read() as tx:
            seen = await _seen(tx)
        plan = await asyncio.to_thread(_plan, seen, base, now.date())
        async with db.write() as tx:
            held = await lock(tx)
            if held.shipped == files:
                return None  # another replica was quicker
            if held == seen.state:
                return await _write(tx, plan, seen.known, files, now)


def files_digest(folder: Path) -> str:
    """Changes whenever a shipped file does, the glossary too; costs less than reading the entries."""
    found = hashlib.sha256()
    glossary = library.glossary_beside(folder)
    for file in [*sorted(folder.glob("*.yaml")), *([glossary] if glossary else [])]:
        try:
            found.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
        except OSError as fault:
            raise LibraryError(f"{file}: cannot be read ({fault.strerror})") from fault
    return found.hexdigest()


def _contents(base: Library) -> Contents:
    found: dict[str, list[library.Written]] = {}
    for entry in base.entries:
        found.setdefault(entry.id, []).append(written(entry))
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has of an entry: the published revision, the newest shipped text, and the newest one taken.

    What still waits or was discarded was not taken: the published text does not come from it.
    """

    published: int | None = None
    published_digest: str | None = None
    shipped_digest: str | None = None
    taken: int | None = None
    taken_digest: str | None = None

    @property
    def is_edited(self) -> bool:
        return self.published_digest != self.taken_digest


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database held at a version: of each entry, all published texts, and those that edits came from."""

    state: State
    known: Mapping[str, _Known]
    published: Contents
    texts: Mapping[int, Content]


async def _seen(tx: Tx) -> _Seen:
    now, known = await state(tx), await _known(tx)
    edited = [it for it in known.values() if it.is_edited]
    wanted = [number for it in edited for number in (it.published, it.taken) if number is not None]
    return _Seen(now, known, await published_contents(tx), await contents(tx, wanted))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written: texts by entry, and what becomes of them."""

    changed: Contents
    new: Contents
    combined: Contents
    conflicts: Contents
    unfit: Set[str]


def _plan(seen: _Seen, base: Library, day: date) -> _Plan:
    known, texts = seen.known, _contents(base)
    changed = {
        entry_id: content
        for entry_id, content in _with_gone(texts, known).items()
        if digest(content) != known.get(entry_id, _Known()).shipped_digest
    }
    edited = {entry_id for entry_id, content in changed.items() if _is_edited(content, known.get(entry_id, _Known()))}
    new = {entry_id: content for entry_id, content in changed.items() if entry_id not in edited}
    combined = _combined(seen, {entry_id: changed[entry_id] for entry_id in edited})
    unfit = _unfit(base, texts, seen.published, {**combined, **new}, day)
    new = {entry_id: content for entry_id, content in new.items() if entry_id not in unfit}
    combined = {entry_id: content for entry_id, content in combined.items() if entry_id not in unfit}
    conflicts = {entry_id: changed[entry_id] for entry_id in (edited | unfit) - combined.keys()}
    return _Plan(changed, new, combined, conflicts, unfit)


async def _write(tx: Tx, plan: _Plan, known: Mapping[str, _Known], files: str, now: datetime) -> Merged:
    changed, new, combined, conflicts = plan.changed, plan.new, plan.combined, plan.conflicts
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
        conflicts=tuple(sorted(conflicts.keys() - plan.unfit)),
        unfit=tuple(sorted(plan.unfit)),
    )
    counts = {what: len(ids) for what, ids in asdict(merged).items()}
    await audit(tx, None, "knowledge.merged", f"shipped:{files[:16]}", counts, now)
    return merged


def _with_gone(texts: Contents, known: Mapping[str, _Known]) -> Contents:
    """The shipped texts, and nothing for what was shipped once and no longer is."""
    gone = [entry_id for entry_id, it in known.items() if it.shipped_digest is not None and entry_id not in texts]
    return {**texts, **dict.fromkeys(gone, ())}


def _is_edited(content: Content, known: _Known) -> bool:
    """Whether somebody here wrote another text than either shipped one."""
    return known.is_edited and known.published_digest != digest(content)


def _combined(seen: _Seen, texts: Contents) -> dict[str, Content]:
    """The edited entries whose edits and whose shipped changes do not touch the same fields, put together."""
    combined: dict[str, Content] = {}
    for entry_id, theirs in texts.items():
        it = seen.known[entry_id]
        if it.published is None or it.taken is None:
            continue
        merged = merge(seen.texts[it.taken], seen.texts[it.published], theirs)
        if not merged.clashes:
            combined[entry_id] = merged.content
    return combined


def _unfit(base: Library, shipped: Contents, before: Contents, taken: Contents, day: date) -> set[str]:
    """Of the entries to be taken over, those that the checks forbid beside what else will be published.

    Of two at odds the later one is. What is said of the shipped files alone is not for this installation to decide.
    """
    unfit: set[str] = set()
    told: set[tuple[str, str]] | None = None
    while kept := {entry_id: content for entry_id, content in taken.items() if entry_id not in unfit}:
        whole = {**{entry_id: content for entry_id, content in before.items() if entry_id not in kept}, **kept}
        if all(digest(content) == digest(shipped.get(entry_id, ())) for entry_id, content in whole.items()):
            break
        if told is None:
            told = _faults(shipped, taken, base.glossary, day)
        more = {entry_id for entry_id, fault in _faults(whole, kept, base.glossary, day) - told}
        if not more:
            break
        unfit |= more
    return unfit


def _faults(whole: Contents, about: Contents, glossary: Glossary, day: date) -> set[tuple[str, str]]:
    raws = [stored(version) for content in whole.values() for version in content]
    findings = check_entries(raws, glossary, day, about)
    return {(one.entry_id, one.message) for one in findings if one.level == "error" and one.entry_id}


async def _known(tx: Tx) -> dict[str, _Known]:
    revision = EntryRevision
    columns = select(revision.entry_id, revision.id, revision.digest)

    async def newest(which: ColumnElement[bool]) -> dict[str, Any]:
        ids = select(func.max(revision.id)).where(which).group_by(revision.entry_id)
        return {row.entry_id: row for row in await tx.execute(columns.where(revision.id.in_(ids)))}

    is_shipped = revision.origin == "shipped"
    shipped = await newest(is_shipped)
    taken = await newest(is_shipped & revision.state.in_(("published", "superseded")))
    live = await newest(revision.state == "published")
    return {each: _of(live.get(each), shipped.get(each), taken.get(each)) for each in {**shipped, **live}}


def _of(live: Any, shipped: Any, taken: Any) -> _Known:
    return _Known(
        live.id if live else None,
        live.digest if live else None,
        shipped.digest if shipped else None,
        taken.id if taken else None,
        taken.digest if taken else None,
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
