"""Curation: entries change as revisions, each a draft first, checked and measured before it is published."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from bot.clock import Clock
from bot.people.models import Contact
from bot.people.roles import audit
from bot.storage import Database, Tx
from knowledge.changes import Change, Content, differences, merge
from knowledge.check import Finding, check_entries, form_faults
from knowledge.engine import Case, Decision, Engine
from knowledge.exchange import since_export
from knowledge.library import Glossary, Library, Written, in_order, parse, stored, to_simplified, written
from knowledge.live import Live
from knowledge.models import DealtMiss, EntryRevision
from knowledge.reading import Raw
from knowledge.regression import Effect, ask, cases, effect
from knowledge.revisions import (
    REVISION,
    change_state,
    contents,
    digest,
    lock,
    named,
    published,
    published_contents,
    published_ids,
    published_since,
    raise_version,
    revision,
    state,
)

READ_AGAIN: Final = "✓"
"""The note of a revision that changes nothing but the dates of its review."""
NOTHING: Final = digest(())
"""Of a text that retires its entry."""
SOONEST: Final = timedelta(days=91)
LATEST: Final = timedelta(days=364)
"""Between two reviews: what is volatile has had the shorter one all along."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision as curators see it. `title` is the question by locale; an entry that is `retired` has none.

    A draft is `stale` when another text was published since it was begun. `author` is the name in their profile.
    """

    id: int
    entry_id: str
    origin: Literal["shipped", "local"]
    state: Literal["draft", "published", "superseded", "discarded"]
    based_on: int | None
    note: str
    author_id: int | None
    author: str | None
    created_at: datetime
    published_by: int | None
    published_at: datetime | None
    title: Mapping[str, str]
    retired: bool
    stale: bool

    @property
    def was_published(self) -> bool:
        """Everybody read it once, and it can come back."""
        return self.state == "superseded" and self.published_at is not None


@dataclass(frozen=True, slots=True)
class Editing:
    """What an edit goes on from: a revision, its version that holds today or else the last, and others' open drafts."""

    revision: int
    text: Written
    others: tuple[Revision, ...]


@dataclass(frozen=True, slots=True)
class Drafted:
    """There is a draft now; the same again gives the same draft."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Published:
    """These are what everybody reads now."""

    revisions: tuple[Revision, ...]

    @property
    def revision(self) -> Revision:
        return self.revisions[0]


@dataclass(frozen=True, slots=True)
class Discarded:
    revision: Revision


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The published text already says that; nothing was written."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody published another text since the draft was begun. Nothing is lost: the draft stays, for `rebase`."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Refused:
    """The text cannot be taken or published like this."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such entry, or no such draft any more."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing would do: `findings` about the entries concerned, of which errors forbid it, and the `effect`."""

    findings: tuple[Finding, ...]
    effect: Effect

    @property
    def errors(self) -> tuple[Finding, ...]:
        return _errors(self.findings)


@dataclass(frozen=True, slots=True)
class Batch:
    """Drafts of different entries that came in together, oldest first; `note` is where they came from: a file."""

    note: str
    drafts: tuple[Revision, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(draft.id for draft in self.drafts)

    @property
    def newest(self) -> int:
        return max(self.numbers)


Fate = Literal["added", "changed", "unchanged", "retired"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What would become of one entry."""

    entry_id: str
    fate: Fate
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What taking in a file would do; with errors nothing may be taken in, and the effect is not measured.

    Of what it would retire, `newer` was published after everything that the file was exported from. `based_on` are the
    published revisions that were looked at.
    """

    entries: tuple[Planned, ...]
    texts: Mapping[str, Content]
    preview: Preview
    newer: tuple[str, ...] = ()
    based_on: Mapping[str, int] = field(default_factory=dict)


class Curation:
    """`actor` is the contact who acts; None is the command line. `tell` says that something was published.

    `questions` are the regression set, read when first wanted.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        live: Live,
        questions: Callable[[], Sequence[Case]] = cases,
    ) -> None:
        self._db = db
        self._clock = clock
        self._live = live
        self._questions = questions
        self._asked: tuple[Engine, list[Decision]] | None = None

    # Looking

    async def revision(self, number: int) -> Revision | None:
        return next(iter(await self._listed(EntryRevision.id == number)), None)

    async def content(self, number: int) -> Content | None:
        """The text of a revision."""
        async with self._db.read() as tx:
            row = await revision(tx, number)
        return row.content if row else None

    def _version_now(self, content: Content) -> int:
        today = self._live.today().isoformat()
        holds = [(v.get("valid_from") or "") <= today <= (v.get("valid_to") or "9999") for v in content]
        return holds.index(True) if True in holds else len(content) - 1

    async def standing(self, number: int) -> list[Written]:
        """The versions of a revision that hold today or will."""
        return [version for version in await self.content(number) or () if self._stands(version)]

    def _stands(self, version: Written) -> bool:
        return (version.get("valid_to") or "9999") >= self._live.today().isoformat()

    async def history(self, entry_id: str) -> list[Revision]:
        """All revisions of an entry, newest first."""
        return await self._listed(EntryRevision.entry_id == entry_id, newest_first=True)

    async def drafts(self) -> list[Revision]:
        """Open drafts by people, oldest first."""
        return await self._listed((EntryRevision.state == "draft") & (EntryRevision.origin == "local"))

    async def batches(self) -> list[Batch]:
        """Drafts that came in together and can still be published, where there are several."""
        by_note: dict[str, dict[str, Revision]] = {}
        for each in await self.drafts():
            if each.note not in ("", READ_AGAIN) and not each.stale:
                by_note.setdefault(each.note, {})[each.entry_id] = each  # of several of one entry the newest
        return [Batch(note, tuple(found.values())) for note, found in by_note.items() if len(found) > 1]

    async def batch(self, newest: int) -> Batch | None:
        """The drafts that came in with this one, up to it; None when it is no longer one of several."""
        for each in await self.batches():
            if any(draft.id == newest for draft in each.drafts):
                drafts = tuple(draft for draft in each.drafts if draft.id <= newest)
                return Batch(each.note, drafts) if len(drafts) > 1 else None
        return None

    async def conflicts(self) -> list[Revision]:
        """Shipped texts that wait for a decision, as the entry was edited here: publish them or discard them."""
        return await self._listed((EntryRevision.state == "draft") & (EntryRevision.origin == "shipped"))

    async def _listed(self, which: Any, newest_first: bool = False) -> list[Revision]:
        order = EntryRevision.id.desc() if newest_first else EntryRevision.id
        async with self._db.read() as tx:
            rows: Sequence[Any] = (await tx.execute(_WITH_AUTHOR.where(which).order_by(order))).all()
            live = await published_ids(tx)
        return [_revision(row, live.get(row.entry_id), row.author) for row in rows]

    async def diff(self, number: int) -> list[Change] | None:
        """How a draft differs from what is published, any other revision from the one before it."""
        async with self._db.read() as tx:
            row = await revision(tx, number)
            if row is None:
                return None
            before = await published(tx, row.entry_id) if row.state == "draft" else None
            if row.state != "draft" and row.based_on is not None:
                before = await revision(tx, row.based_on)
        return differences(before.content if before else (), row.content)

    async def preview(self, *numbers: int) -> Preview | None:
        """What would change if the texts of these revisions, of different entries, were published now."""
        async with self._db.read() as tx:
            rows = [await revision(tx, number) for number in numbers]
            whole = await published_contents(tx)
        texts = {row.entry_id: row.content for row in rows if row is not None}
        if len(texts) != len(numbers):
            return None
        return await self._preview(whole, texts, _raws(texts))

    async def plan(self, raws: Sequence[Raw], is_whole: bool = False) -> Plan:
        """What would change if these entries of a file were published; `is_whole` retires those it does not hold.

        Where the file names the revisions that it was exported from, what was published since is kept, and a field
        that both changed is an error. Findings name places in the file.
        """
        faults = tuple(chain.from_iterable(form_faults(raw) for raw in raws))
        if faults:
            return Plan((), {}, Preview(faults, _NO_EFFECT))
        read: dict[str, list[Raw]] = {}
        for raw in raws:
            read.setdefault(raw.id, []).append(raw)
        names = {entry_id: one[0].revision for entry_id, one in read.items() if one[0].revision}
        async with self._db.read() as tx:
            whole, based_on = await published_contents(tx), await published_ids(tx)
            known = await named(tx, names)
            bases = await contents(tx, [row.id for row in known.values()])
            newest = max((row.published_at for row in known.values()), default=None)
            since = await published_since(tx, newest) if newest else set()
        findings = [_not_known_here(read[entry_id][0]) for entry_id in names if entry_id in whole.keys() - known.keys()]
        for entry_id, row in known.items():
            read[entry_id], clashes = since_export(read[entry_id], bases[row.id], whole[entry_id])
            findings += clashes
        if _errors(findings):
            return Plan((), {}, Preview(tuple(findings), _NO_EFFECT))
        gone = [entry_id for entry_id, content in whole.items() if is_whole and content and entry_id not in read]
        after: dict[str, Content] = {id_: [written(parse(raw, Glossary())) for raw in one] for id_, one in read.items()}
        after.update(dict.fromkeys(gone, ()))
        planned = [_planned(entry_id, whole.get(entry_id, ()), text) for entry_id, text in after.items()]
        fates = {one.entry_id: one.fate for one in planned}
        texts = {entry_id: text for entry_id, text in after.items() if fates[entry_id] != "unchanged"}
        changed = [raw for entry_id, one in read.items() if entry_id in texts for raw in one]
        preview = await self._preview(whole, texts, changed)
        told = Preview((*findings, *preview.findings), preview.effect)
        newer = tuple(entry_id for entry_id in gone if entry_id in since)
        return Plan(tuple(planned), texts, told, newer, based_on)

    async def _preview(self, whole: Mapping[str, Content], texts: Mapping[str, Content], raws: list[Raw]) -> Preview:
        """`raws` are the new texts, with the places that findings are to name."""
        view = await self._live.view()
        kept = _raws({entry_id: content for entry_id, content in whole.items() if entry_id not in texts})
        findings, library = await asyncio.to_thread(
            _examined, [*kept, *raws], texts, view.library.glossary, self._live.today()
        )
        if library is None:
            return Preview(findings, _NO_EFFECT)
        after = await asyncio.to_thread(ask, await self._live.engine_for(library), self._questions())
        return Preview(findings, effect(self._questions(), await self._decisions(view.engine), after))

    async def _decisions(self, engine: Engine) -> list[Decision]:
        """Those of the engine that answers now; asked once."""
        if self._asked is None or self._asked[0] is not engine:
            self._asked = engine, await asyncio.to_thread(ask, engine, self._questions())
        return self._asked[1]

    async def pointing_to(self, entry_id: str) -> list[str]:
        """The entries of today that name this one as related."""
        view = await self._live.view()
        return [entry.id for entry in view.library.valid(view.day) if entry_id in entry.related]

    # Drafting

    async def draft(
        self, actor: int | None, entry_id: str, content: Content, note: str = ""
    ) -> Drafted | Unchanged | Refused:
        """Write a new text for an entry, there already or not, based on what is published now."""
        drafted = await self.draft_all(actor, {entry_id: content}, note)
        return drafted[0] if isinstance(drafted, list) else drafted

    async def draft_all(
        self, actor: int | None, texts: Mapping[str, Content], note: str = ""
    ) -> list[Drafted | Unchanged] | Refused:
        """Write new texts for several entries: all or, when one does not fit the form, none."""
        faults = tuple(chain.from_iterable(_form_faults(entry_id, text) for entry_id, text in texts.items()))
        if faults:
            return Refused(faults)
        async with self._db.write() as tx:
            await lock(tx)
            live = await published_ids(tx)
            return [
                await self._draft(tx, actor, entry_id, _tidy(text), note, live.get(entry_id))
                for entry_id, text in texts.items()
            ]

    async def put_draft(self, tx: Tx, actor: int | None, entry_id: str, content: Content) -> Drafted | Refused:
        """`draft` of an entry that is new, within the caller's transaction."""
        await lock(tx)
        faults = _form_faults(entry_id, content)
        drafted = Refused(faults) if faults else await self._draft(tx, actor, entry_id, _tidy(content), "", None)
        assert not isinstance(drafted, Unchanged), entry_id
        return drafted

    async def add_phrasing(
        self, actor: int | None, entry_id: str, locale: str, text: str, note: str = ""
    ) -> Drafted | Unchanged | Refused | Gone:
        """Draft one more way to ask, in every version of the entry.

        It goes on from the newest local draft of the entry that can still be published, which it supersedes, so that
        several phrasings gather in one draft. Unchanged when the entry has the phrasing already.
        """
        async with self._db.write() as tx:
            return await self.put_phrasing(tx, actor, entry_id, locale, text, note)

    async def put_phrasing(
        self, tx: Tx, actor: int | None, entry_id: str, locale: str, text: str, note: str = ""
    ) -> Drafted | Unchanged | Refused | Gone:
        """`add_phrasing` within the caller's transaction."""

        def with_phrasing(content: Content) -> Content:
            return [_with_phrasing(version, locale, " ".join(text.split())) for version in content]

        return await self._amend(tx, actor, entry_id, with_phrasing, note)

    async def _amend(
        self, tx: Tx, actor: int | None, entry_id: str, change: Callable[[Content], Content | None], note: str
    ) -> Drafted | Unchanged | Refused | Gone:
        """What only adds to a text goes on from the newest draft, whoever wrote it."""
        await lock(tx)
        live = await published(tx, entry_id)
        if live is not None and not live.content:
            return Gone()
        base = await self._open_draft(tx, entry_id, live.id if live else None) or live
        return await self._changed(tx, actor, base, live, change, note) if base else Gone()

    async def _changed(
        self,
        tx: Tx,
        actor: int | None,
        base: Row[Any],
        live: Row[Any] | None,
        change: Callable[[Content], Content | None],
        note: str,
        keeps: bool = False,
    ) -> Drafted | Unchanged | Refused | Gone:
        """Draft a change of a revision, which goes into it if it is a draft and not to be kept."""
        content = change(base.content) if base.content else None
        if content is None:
            return Gone()
        if content == base.content:
            seen = _revision(base, live.id if live else None)
            return Drafted(seen) if base.state == "draft" else Unchanged(seen)
        faults = _form_faults(base.entry_id, content)
        if faults:
            return Refused(faults)
        against = base.id if base.published_at is not None else base.based_on
        if base.state != "draft" or keeps:
            return await self._draft(tx, actor, base.entry_id, _tidy(content), note, against)
        await change_state(tx, [base.id], "superseded")
        came_with = base.note if base.note != READ_AGAIN else ""
        drafted = await self._draft(tx, actor, base.entry_id, _tidy(content), note or came_with, against)
        await _follow(tx, base.id, drafted.revision.id)
        return drafted

    async def editing(self, actor: int | None, entry_id: str) -> Editing | None:
        """What a person who edits the entry goes on from; None for a retired entry, or none."""
        async with self._db.read() as tx:
            live = await published(tx, entry_id)
            live_id = live.id if live else None
            mine = EntryRevision.author_id.is_not_distinct_from(actor)
            own = await self._open_draft(tx, entry_id, live_id, mine)
            others: Sequence[Any] = (await tx.execute(_WITH_AUTHOR.where(_open(entry_id, live_id), ~mine))).all()
            base = own or live or await self._open_draft(tx, entry_id, None)
        if base is None or not base.content or (live is not None and not live.content):
            return None
        by_others = tuple(_revision(row, live_id, row.author) for row in others if row.id != base.id)
        return Editing(base.id, base.content[self._version_now(base.content)], by_others)

    async def edit(
        self, actor: int | None, seen: int, field: str, locale: str | None, value: Any
    ) -> Drafted | Unchanged | Refused | Gone:
        """Draft another value of a field, in the version that holds today, of the revision that the writer saw.

        The writer's own draft is gone on from; another's is kept beside. When another text was published since, the
        draft is a stale one, for `rebase`.
        """

        def edited(content: Content) -> Content | None:
            at = self._version_now(content)
            if locale is not None and not content[at].get(locale):
                return None
            changed = {field: value} if locale is None else {locale: {**content[at][locale], field: value}}
            return [*content[:at], {**content[at], **changed}, *content[at + 1 :]]

        async with self._db.write() as tx:
            await lock(tx)
            base = await revision(tx, seen)
            if base is None:
                return Gone()
            live = await published(tx, base.entry_id)
            if live is not None and not live.content:
                return Gone()
            return await self._changed(tx, actor, base, live, edited, "", keeps=base.author_id != actor)

    async def rebase(self, actor: int | None, number: int) -> Drafted | Unchanged | Gone:
        """Bring a stale draft up to what is published now, as a new draft. What both changed stays as drafted."""
        async with self._db.write() as tx:
            await lock(tx)
            row = await revision(tx, number)
            live = await published(tx, row.entry_id) if row else None
            if row is None or row.state != "draft" or live is None:
                return Gone()
            if row.based_on == live.id:
                return Drafted(_revision(row, live.id))
            base = await revision(tx, row.based_on) if row.based_on is not None else None
            merged = merge(base.content if base else (), row.content, live.content)
            await change_state(tx, [row.id], "superseded")
            drafted = await self._draft(tx, actor, row.entry_id, merged.content, row.note, live.id)
            await _follow(tx, row.id, drafted.revision.id)
            return drafted

    async def _open_draft(
        self, tx: Tx, entry_id: str, published_id: int | None, whose: ColumnElement[bool] | None = None
    ) -> Row[Any] | None:
        """The newest local draft of that published text; from one that retires the entry nobody can go on."""
        fresh = select(REVISION).where(_open(entry_id, published_id), EntryRevision.digest != NOTHING)
        mine = fresh if whose is None else fresh.where(whose)
        return (await tx.execute(mine.order_by(EntryRevision.id.desc()).limit(1))).first()

    async def _draft(
        self, tx: Tx, actor: int | None, entry_id: str, content: Content, note: str, against: int | None
    ) -> Drafted | Unchanged:
        """Once for each text that was seen, `against`, and new text."""
        live, same = await published(tx, entry_id), digest(content)
        live_id = live.id if live else None
        if live is not None and live.digest == same:
            return Unchanged(_revision(live, live_id))
        there = _open(entry_id, against) & (EntryRevision.digest == same)
        row = (await tx.execute(select(REVISION).where(there).limit(1))).first()
        if row is None:
            row = await self._write(tx, actor, entry_id, content, against, state="draft", note=note)
            await audit(tx, actor, "entry.drafted", f"entry:{entry_id}", {"revision": row.id}, row.created_at)
        return Drafted(_revision(row, live_id))

    async def _write(
        self, tx: Tx, actor: int | None, entry_id: str, content: Content, based_on: int | None, **fields: Any
    ) -> Row[Any]:
        row = {
            "entry_id": entry_id,
            "origin": "local",
            "based_on": based_on,
            "content": list(content),
            "digest": digest(content),
            "author_id": actor,
            "created_at": self._clock.now(),
        }
        return (await tx.execute(insert(EntryRevision).values(**row, **fields).returning(*REVISION.c))).one()

    # Publishing

    async def publish(self, actor: int | None, number: int) -> Published | Stale | Refused | Gone:
        """Let everybody read a draft; refused with the findings when one is an error."""
        return await self.publish_together(actor, [number])

    async def publish_together(self, actor: int | None, numbers: Sequence[int]) -> Published | Stale | Refused | Gone:
        """Publish drafts of different entries at once: all or none, so that they may refer to each other."""
        wanted = sorted(set(numbers))
        while True:
            async with self._db.read() as tx:
                version = (await state(tx)).version
                rows = [await revision(tx, number) for number in wanted]
                live = await published_ids(tx)
                whole = await published_contents(tx)
            drafts = [row for row in rows if row is not None]
            refusal = _refusal(drafts, live) if len(drafts) == len(rows) else Gone()
            if refusal is not None:
                return refusal
            texts = {row.entry_id: row.content for row in drafts}
            errors = await self._faults_of({**whole, **texts}, texts)
            if errors:
                return Refused(errors)
            done = await self._publish(actor, wanted, [live.get(entry_id) for entry_id in texts], version)
            if done is not None:
                self._live.wake()
                return Published(tuple(_revision(row, row.id) for row in done))

    async def _publish(
        self, actor: int | None, drafts: Sequence[int], replaced: Iterable[int | None], version: int
    ) -> list[Row[Any]] | None:
        """None when somebody published or discarded in the meantime, so that all is to be looked at again."""
        now, these = self._clock.now(), EntryRevision.id.in_(drafts)
        still_open = select(func.count()).where(these, EntryRevision.state == "draft")
        published_now = {"state": "published", "published_by": actor, "published_at": now}
        change = update(EntryRevision).where(these).values(**published_now).returning(*REVISION.c)
        async with self._db.write() as tx:
            if (await lock(tx)).version != version or (await tx.execute(still_open)).scalar_one() != len(drafts):
                return None
            await change_state(tx, [number for number in replaced if number is not None], "superseded")
            done = (await tx.execute(change)).all()
            await raise_version(tx)
            for row in done:
                await audit(tx, actor, "entry.published", f"entry:{row.entry_id}", {"revision": row.id}, now)
        return sorted(done, key=lambda row: row.id)

    async def _faults_of(self, whole: Mapping[str, Content], about: Collection[str]) -> tuple[Finding, ...]:
        view = await self._live.view()
        glossary = view.library.glossary
        return _errors(await asyncio.to_thread(_findings, whole, about, glossary, self._live.today()))

    async def still_right(self, actor: int | None, seen: int) -> Published | Unchanged | Stale | Refused | Gone:
        """Publish the text that was read anew, as of today and with the next review at the entry's own pace.

        Stale, with what is published, when that is another text than the one that was read.
        """
        async with self._db.read() as tx:
            row = await revision(tx, seen)
            live = await published(tx, row.entry_id) if row else None
        if live is None or not live.content:
            return Gone()
        if live.id != seen:
            mine = live.based_on == seen and live.note == READ_AGAIN and live.published_by == actor
            found = _revision(live, live.id)
            return Published((found,)) if mine else Stale(found)
        today = self._live.today()
        read = [_reviewed(version, today) if self._stands(version) else version for version in live.content]
        drafted = await self.draft(actor, live.entry_id, read, READ_AGAIN)
        return await self.publish(actor, drafted.revision.id) if isinstance(drafted, Drafted) else drafted

    async def discard(self, actor: int | None, number: int) -> Discarded | Gone:
        """Put a draft away; it stays in the entry's history."""
        is_draft = (EntryRevision.id == number) & (EntryRevision.state == "draft")
        change = update(EntryRevision).where(is_draft).values(state="discarded").returning(*REVISION.c)
        async with self._db.write() as tx:
            await lock(tx)
            row = (await tx.execute(change)).first()
            if row is not None:
                subject = f"entry:{row.entry_id}"
                await audit(tx, actor, "entry.discarded", subject, {"revision": number}, self._clock.now())
            else:
                row = await revision(tx, number)
        return Discarded(_revision(row, None)) if row is not None and row.state == "discarded" else Gone()

    async def rollback(
        self, actor: int | None, entry_id: str, to_revision: int
    ) -> Published | Unchanged | Refused | Gone:
        """Publish the text of an earlier revision of the entry again, as a new revision."""
        while True:
            async with self._db.read() as tx:
                version = (await state(tx)).version
                target, live = await revision(tx, to_revision), await published(tx, entry_id)
                whole = await published_contents(tx)
            if target is None or target.entry_id != entry_id or target.published_at is None or live is None:
                return Gone()
            if live.digest == target.digest:
                return Unchanged(_revision(live, live.id))
            errors = await self._faults_of({**whole, entry_id: target.content}, {entry_id})
            if errors:
                return Refused(errors)
            done = await self._put_back(actor, target, live.id, version)
            if done is not None:
                self._live.wake()
                return Published((_revision(done, done.id),))

    async def _put_back(self, actor: int | None, target: Row[Any], replaced: int, version: int) -> Row[Any] | None:
        now, entry_id = self._clock.now(), target.entry_id
        fields = {"state": "published", "published_by": actor, "published_at": now, "note": f"= {target.id}"}
        async with self._db.write() as tx:
            if (await lock(tx)).version != version:
                return None
            await change_state(tx, [replaced], "superseded")
            row = await self._write(tx, actor, entry_id, target.content, replaced, **fields)
            await raise_version(tx)
            details = {"revision": row.id, "to": target.id}
            await audit(tx, actor, "entry.rolled_back", f"entry:{entry_id}", details, now)
        return row


_WITH_AUTHOR = select(*REVISION.c, Contact.name.label("author")).outerjoin(
    Contact, Contact.id == EntryRevision.author_id
)
_NO_EFFECT = effect((), (), ())


def _refusal(drafts: Sequence[Row[Any]], live: Mapping[str, int]) -> Published | Stale | Gone | None:
    """Why these cannot be published, or that they are; None for drafts of what is published now."""
    if all(row.state == "published" for row in drafts):
        return Published(tuple(_revision(row, row.id) for row in drafts))
    if any(row.state != "draft" for row in drafts):
        return Gone()
    seen: set[str] = set()
    for row in drafts:
        if row.based_on != live.get(row.entry_id) or row.entry_id in seen:
            return Stale(_revision(row, live.get(row.entry_id)))
        seen.add(row.entry_id)
    return None


def _open(entry_id: str, against: int | None) -> ColumnElement[bool]:
    """Open local drafts of the entry, written against that published revision."""
    mine = (EntryRevision.entry_id == entry_id) & (EntryRevision.state == "draft")
    return mine & (EntryRevision.origin == "local") & EntryRevision.based_on.is_not_distinct_from(against)


async def _follow(tx: Tx, draft: int, into: int) -> None:
    """The questions that a draft was made of hang on the one that it went into."""
    await tx.execute(update(DealtMiss).where(DealtMiss.revision_id == draft).values(revision_id=into))


async def seen_revision(tx: Tx, number: int) -> Revision | None:
    """A revision within the caller's transaction, without its author's name."""
    row = await revision(tx, number)
    live = await published(tx, row.entry_id) if row else None
    return _revision(row, live.id if live else None) if row else None


def _revision(row: Row[Any], live: int | None, author: str | None = None) -> Revision:
    return Revision(
        id=row.id,
        entry_id=row.entry_id,
        origin=row.origin,
        state=row.state,
        based_on=row.based_on,
        note=row.note,
        author_id=row.author_id,
        author=author,
        created_at=row.created_at,
        published_by=row.published_by,
        published_at=row.published_at,
        title=_title(row.content),
        retired=not row.content,
        stale=row.state == "draft" and row.based_on != live,
    )


def _title(content: Content) -> dict[str, str]:
    texts = content[-1] if content else {}
    return {locale: text["question"] for locale in ("en", "zh-Hans", "zh-Hant") if (text := texts.get(locale))}


def _errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.level == "error")


def _tidy(content: Content) -> list[dict[str, Any]]:
    """As `written` would have it, whoever wrote it."""
    return [written(parse(stored(version), Glossary())) for version in content]


def _form_faults(entry_id: str, content: Content) -> tuple[Finding, ...]:
    faults = list(chain.from_iterable(form_faults(stored(version)) for version in content))
    for version in content:
        if version.get("id") != entry_id:
            told = {"id": version.get("id"), "entry": entry_id}
            faults.append(Finding("error", entry_id, entry_id, "the text is of {id}, not of {entry}", told))
    return tuple(faults)


def _reviewed(version: Written, today: date) -> Written:
    """Reviewed today; the next time is as far away as it was the last time."""
    pace = date.fromisoformat(version["review_by"]) - date.fromisoformat(version["as_of"])
    due = today + min(max(pace, SOONEST), LATEST)
    return {**version, "as_of": today.isoformat(), "review_by": due.isoformat()}


def _with_phrasing(version: Mapping[str, Any], locale: str, text: str) -> Mapping[str, Any]:
    """Traditional Chinese that nobody wrote by hand is rendered from Simplified, where the phrasing goes then."""
    if not version.get(locale):
        locale, text = "zh-Hans", to_simplified(text)
    said = version[locale]
    if text in (said["question"], *said["phrasings"]):
        return version
    return {**version, locale: {**said, "phrasings": [*said["phrasings"], text]}}


def _raws(whole: Mapping[str, Content]) -> list[Raw]:
    return [stored(version) for content in whole.values() for version in content]


def _findings(
    whole: Mapping[str, Content], about: Collection[str], glossary: Glossary, day: date
) -> tuple[Finding, ...]:
    return tuple(check_entries(_raws(whole), glossary, day, about))


def _examined(
    raws: Sequence[Raw], about: Collection[str], glossary: Glossary, day: date
) -> tuple[tuple[Finding, ...], Library | None]:
    """The findings about some entries, and the library that all of them make, if there is no error."""
    findings = tuple(check_entries(raws, glossary, day, about))
    if _errors(findings):
        return findings, None
    return findings, Library(in_order(parse(raw, glossary) for raw in raws), glossary)


def _not_known_here(raw: Raw) -> Finding:
    told = {"revision": raw.revision}
    return Finding("warning", raw.place(), raw.id, "revision {revision} is not of this database; taken whole", told)


def _planned(entry_id: str, before: Content, after: Content) -> Planned:
    changes = tuple(differences(before, after))
    if digest(before) == digest(after):
        return Planned(entry_id, "unchanged", ())
    return Planned(entry_id, "added" if not before else "changed" if after else "retired", changes)
