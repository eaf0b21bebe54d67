"""Misses: questions that got no good answer, in clusters of like ones, and what curators make of them.

A miss was declined, or only suggestions were shown and none was picked, or the answer got a 👎.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, delete, exists, insert, select, update

from bot.clock import Clock
from bot.desk.desk import Desk
from bot.desk.models import DeskQuestion
from bot.people.roles import audit
from bot.storage import Database, Tx
from knowledge.clusters import clusters
from knowledge.curation import Curation, Drafted, Refused, Revision, Unchanged, seen_revision
from knowledge.curation import Gone as NoEntry
from knowledge.engine.analysis import Analyzer, detect_locale
from knowledge.library import LOCALES, Library, to_simplified
from knowledge.live import Live
from knowledge.models import AskedQuestion, DealtMiss, EntryRevision, Wish
from knowledge.revisions import lock
from knowledge.wishes import STANDS

MOST: Final = 1000
"""Misses looked at, the newest; more would only make the list slow."""
NEAREST: Final = 3
MOST_WORDINGS: Final = 6
LONGEST_WORDING: Final = 200
UNWRITTEN: Final = "…"
"""Stands where a draft lacks a language; without phrasings there it cannot be published."""
REVIEWED_EVERY: Final = timedelta(days=182)

How = Literal["phrasing", "entry", "desk", "aside"]


@dataclass(frozen=True, slots=True)
class Miss:
    """One question; who asked is not shown. `wished`: the asker wants to be told of an answer.

    `unhelpful` is the entry that was shown and got a 👎.
    """

    id: int
    text: str
    locale: str
    asked_at: datetime
    outcome: str
    unhelpful: str | None
    wished: bool
    at_desk: bool


@dataclass(frozen=True, slots=True)
class Near:
    """An entry that the engine thinks of, on a button."""

    entry_id: str
    question: Mapping[str, str]
    confidence: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """Like questions, the first asked leads; `id` is the leader's number."""

    misses: tuple[Miss, ...]
    nearest: tuple[Near, ...] = ()

    @property
    def id(self) -> int:
        return self.misses[0].id

    @property
    def size(self) -> int:
        return len(self.misses)

    @property
    def unhelpful(self) -> list[tuple[str, int]]:
        """The entries that got a 👎, with how many, most first."""
        return Counter(miss.unhelpful for miss in self.misses if miss.unhelpful is not None).most_common()

    @property
    def last_asked(self) -> datetime:
        return max(miss.asked_at for miss in self.misses)

    @property
    def locales(self) -> tuple[str, ...]:
        asked = {miss.locale for miss in self.misses}
        return tuple(locale for locale in LOCALES if locale in asked)

    @property
    def wordings(self) -> tuple[tuple[str, str], ...]:
        """Texts short enough for a phrasing, with their language, no two the same: (locale, text)."""
        texts = ((miss.locale, " ".join(miss.text.split())) for miss in self.misses)
        found = dict.fromkeys(each for each in texts if 0 < len(each[1]) <= LONGEST_WORDING)
        return tuple(found)[:MOST_WORDINGS]


@dataclass(frozen=True, slots=True)
class Dealt:
    """The questions are dealt with, as the same curator did before if it is the same again."""

    questions: int
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class AlreadyDealt:
    """Somebody was quicker, or did something else with them."""

    how: How


@dataclass(frozen=True, slots=True)
class NobodyAgreed:
    """None of the askers agreed to be told, so nobody at the desk may write to them."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What a curator wrote down for a new entry: question and answer by locale, en or zh-Hans (either script)."""

    category: str
    jurisdictions: tuple[str, ...]
    texts: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Gone:
    """The questions are not there any more."""


Outcome = Dealt | AlreadyDealt | Gone


class _UndoError(Exception):
    """Ends a transaction without effect, with what to say."""

    def __init__(self, outcome: Any) -> None:
        super().__init__()
        self.outcome = outcome


class Misses:
    def __init__(self, db: Database, clock: Clock, live: Live, curation: Curation, desk: Desk) -> None:
        self._db = db
        self._clock = clock
        self._live = live
        self._curation = curation
        self._desk = desk
        self._analyzer = lru_cache(maxsize=1)(Analyzer)
        self._grouping = asyncio.Lock()
        self._grouped: tuple[object, list[list[int]]] = (None, [])

    # Looking

    async def clusters(self) -> list[Cluster]:
        """The largest first, of equals the one asked last; without the nearest entries."""
        found = await self._clusters()
        return sorted(found, key=lambda cluster: (-cluster.size, -cluster.last_asked.timestamp(), cluster.id))

    async def cluster(self, question: int) -> Cluster | None:
        """The cluster that a question is in now, with the entries nearest to its leader."""
        found = next((each for each in await self._clusters() if question in _ids(each)), None)
        return Cluster(found.misses, await self._nearest(found)) if found else None

    async def with_nearest(self, cluster: Cluster) -> Cluster:
        return Cluster(cluster.misses, await self._nearest(cluster))

    async def _clusters(self) -> list[Cluster]:
        async with self._db.read() as tx:
            rows = (await tx.execute(_OPEN)).all()
        misses = [_miss(row) for row in reversed(rows)]
        return [Cluster(tuple(misses[place] for place in places)) for places in await self._groups(misses)]

    async def _groups(self, misses: Sequence[Miss]) -> list[list[int]]:
        """The places of like ones; worked out once for the same questions, whoever looks."""
        synonyms = tuple((await self._live.view()).library.synonyms())
        same = ([miss.id for miss in misses], synonyms)
        async with self._grouping:
            if self._grouped[0] != same:
                texts = [miss.text for miss in misses]
                self._grouped = same, await asyncio.to_thread(clusters, texts, self._analyzer(synonyms))
            return self._grouped[1]

    async def _nearest(self, cluster: Cluster) -> tuple[Near, ...]:
        view, leader = await self._live.view(), cluster.misses[0]
        found = await asyncio.to_thread(view.engine.search, leader.text, leader.locale, NEAREST)
        entries = ((candidate, view.library.get(candidate.entry_id, view.day)) for candidate in found)
        return tuple(
            Near(entry.id, {locale: entry.texts[locale].question for locale in LOCALES}, candidate.confidence)
            for candidate, entry in entries
            if entry is not None
        )

    # Dealing with them

    async def set_aside(self, actor: int, question: int) -> Outcome:
        """Nothing is to be made of these questions."""
        return await self._deal(actor, question, "aside")

    async def add_phrasings(
        self, actor: int, question: int, entry_id: str, words: str | None = None
    ) -> Outcome | Unchanged | Refused | NoEntry:
        """Draft the cluster's own words, or those given, as ways to ask for an entry."""
        cluster = await self.cluster(question)
        leader = cluster.misses[0] if cluster else None
        wordings = cluster.wordings if cluster else ()
        if words and leader:
            wordings = ((detect_locale(words, leader.locale), words),)

        async def draft(tx: Tx) -> Revision:
            made: Any = NoEntry()
            for locale, text in wordings:
                outcome = await self._curation.put_phrasing(tx, actor, entry_id, locale, text)
                if isinstance(outcome, Refused | NoEntry):
                    raise _UndoError(outcome)
                if isinstance(outcome, Drafted) or not isinstance(made, Drafted):
                    made = outcome
            if not isinstance(made, Drafted):
                raise _UndoError(made)
            return made.revision

        try:
            return await self._deal(actor, question, "phrasing", cluster, draft)
        except _UndoError as undone:
            outcome: Unchanged | Refused | NoEntry = undone.outcome
            return outcome

    async def new_entry(self, actor: int, question: int, entry: NewEntry) -> Outcome | Refused:
        """Draft a new entry from what a curator wrote; the cluster's words are its phrasings."""
        cluster = await self.cluster(question)
        view = await self._live.view()
        day = view.day

        async def draft(tx: Tx) -> Revision:
            entry_id = await _free_id(tx, view.library, entry.category)
            content = [_content(entry_id, entry, cluster.wordings if cluster else (), day)]
            outcome = await self._curation.put_draft(tx, actor, entry_id, content)
            if not isinstance(outcome, Drafted):
                raise _UndoError(outcome)
            return outcome.revision

        try:
            return await self._deal(actor, question, "entry", cluster, draft)
        except _UndoError as undone:
            refused: Refused = undone.outcome
            return refused

    async def to_desk(self, actor: int, question: int) -> Outcome | NobodyAgreed:
        """Put the questions of those who agreed to be told on the desk; a reply reaches them, and ends their wish."""
        cluster = await self.cluster(question)
        agreed = tuple(miss for miss in cluster.misses if miss.wished) if cluster else ()
        if cluster and not agreed:
            return NobodyAgreed()
        outcome = await self._deal(actor, question, "desk", Cluster(agreed) if agreed else None)
        if isinstance(outcome, Dealt):
            self._desk.wake()
        return outcome

    async def _deal(
        self,
        actor: int,
        question: int,
        how: How,
        cluster: Cluster | None = None,
        draft: Callable[[Tx], Awaitable[Revision]] | None = None,
    ) -> Outcome:
        cluster = cluster or await self.cluster(question)
        now = self._clock.now()
        async with self._db.write() as tx:
            await lock(tx)  # so that of two curators one is first
            dealt = await self._claim(tx, actor, how, _ids(cluster), now) if cluster else []
            if not dealt:
                return await _before(tx, actor, question, how)
            revision = await draft(tx) if draft else None
            if revision is not None:
                mine = update(DealtMiss).where(DealtMiss.question_id.in_(dealt))
                await tx.execute(mine.values(revision_id=revision.id))
            if how == "desk":
                await self._put_on_desk(tx, dealt, now)
            details = {"questions": dealt, "revision": revision.id if revision else None}
            await audit(tx, actor, f"miss.{how}", f"question:{dealt[0]}", details, now)
        return Dealt(len(dealt), revision)

    async def _claim(self, tx: Tx, actor: int, how: How, questions: Sequence[int], now: datetime) -> list[int]:
        """Those of the questions that are still open, as dealt with from now on."""
        those = DealtMiss.question_id.in_(questions)
        await tx.execute(delete(DealtMiss).where(those, _discarded()))
        still = select(AskedQuestion.id).where(AskedQuestion.id.in_(questions), _is_open())
        dealt = list((await tx.execute(still.order_by(AskedQuestion.id))).scalars())
        if dealt:
            rows = [{"question_id": n, "how": how, "dealt_by": actor, "dealt_at": now} for n in dealt]
            await tx.execute(insert(DealtMiss), rows)
        return dealt

    async def _put_on_desk(self, tx: Tx, questions: Collection[int], now: datetime) -> None:
        settled = update(Wish).where(Wish.question_id.in_(questions), STANDS).values(settled_at=now)
        theirs = set((await tx.execute(settled.returning(Wish.question_id))).scalars())
        columns = select(AskedQuestion.id, AskedQuestion.contact_id, AskedQuestion.text)
        for row in await tx.execute(columns.where(AskedQuestion.id.in_(theirs)).order_by(AskedQuestion.id)):
            await self._desk.put(tx, row.contact_id, row.text, None, now)


def _ids(cluster: Cluster) -> list[int]:
    return [miss.id for miss in cluster.misses]


def _miss(row: Row[*tuple[Any, ...]]) -> Miss:
    unhelpful = row.entry_id if row.helpful is False else None
    return Miss(row.id, row.text, row.locale, row.asked_at, row.outcome, unhelpful, row.wished, row.at_desk)


def _discarded() -> ColumnElement[bool]:
    drafts = select(EntryRevision.id).where(EntryRevision.state == "discarded")
    return DealtMiss.revision_id.in_(drafts)


def _is_open() -> ColumnElement[bool]:
    dealt = exists().where(DealtMiss.question_id == AskedQuestion.id, ~_discarded() | DealtMiss.revision_id.is_(None))
    unanswered = AskedQuestion.entry_id.is_(None) & AskedQuestion.outcome.in_(("decline", "suggest"))
    return (unanswered | AskedQuestion.helpful.is_(False)) & ~dealt


_OPEN = (
    select(
        AskedQuestion.id,
        AskedQuestion.text,
        AskedQuestion.locale,
        AskedQuestion.asked_at,
        AskedQuestion.outcome,
        AskedQuestion.entry_id,
        AskedQuestion.helpful,
        exists().where(Wish.question_id == AskedQuestion.id, STANDS).label("wished"),
        exists()
        .where(DeskQuestion.contact_id == AskedQuestion.contact_id, DeskQuestion.text == AskedQuestion.text)
        .label("at_desk"),
    )
    .where(_is_open())
    .order_by(AskedQuestion.id.desc())
    .limit(MOST)
)


async def _before(tx: Tx, actor: int, question: int, how: How) -> Outcome:
    """What became of a question that is not open: done by this curator just so, or by somebody else, or gone."""
    row = (await tx.execute(select(DealtMiss.__table__).where(DealtMiss.question_id == question))).first()
    if row is None:
        return Gone()
    if row.dealt_by != actor or row.how != how:
        return AlreadyDealt(row.how)
    same = (DealtMiss.dealt_by == actor) & (DealtMiss.dealt_at == row.dealt_at)
    together = (await tx.execute(select(DealtMiss.question_id).where(same))).all()
    revision = await seen_revision(tx, row.revision_id) if row.revision_id is not None else None
    return Dealt(len(together), revision)


async def _free_id(tx: Tx, library: Library, category: str) -> str:
    """The next number of the entries made here, which never meet the shipped ones to come: "cipo-l01".

    Drafts and retired entries count.
    """
    in_use = (await tx.execute(select(EntryRevision.entry_id).distinct())).scalars()
    ids = {entry.id for entry in library.entries if entry.category == category}
    prefix = _commonest(entry_id.rpartition("-")[0] for entry_id in ids) or category.replace("_", "-")
    made_here = re.compile(f"{re.escape(prefix)}-l([0-9]+)")
    last = max((int(found[1]) for entry_id in in_use if (found := made_here.fullmatch(entry_id))), default=0)
    return f"{prefix}-l{last + 1:02}"


def _commonest(names: Iterable[str]) -> str | None:
    counted = [(len(list(same)), name) for name, same in groupby(sorted(names))]
    return max(counted)[1] if counted else None


def _content(entry_id: str, entry: NewEntry, wordings: Sequence[tuple[str, str]], day: date) -> dict[str, Any]:
    return {
        "category": entry.category,
        "id": entry_id,
        "basis": "editorial",
        "jurisdictions": list(entry.jurisdictions),
        "as_of": day.isoformat(),
        "review_by": (day + REVIEWED_EVERY).isoformat(),
        "valid_from": None,
        "valid_to": None,
        "sources": [],
        "related": [],
        "tags": [],
        "en": _text(entry.texts.get("en"), [text for locale, text in wordings if locale == "en"]),
        **_chinese(entry.texts.get("zh-Hans"), [text for locale, text in wordings if locale != "en"]),
    }


def _chinese(said: tuple[str, str] | None, wordings: Sequence[str]) -> dict[str, Any]:
    """Both scripts; what was typed in Traditional Chinese stays as it is there."""
    simplified = (to_simplified(said[0]), to_simplified(said[1])) if said else None
    by_hand = _text(said, ()) if said != simplified else None
    return {"zh-Hans": _text(simplified, [to_simplified(text) for text in wordings]), "zh-Hant": by_hand}


def _text(said: tuple[str, str] | None, wordings: Sequence[str]) -> dict[str, Any]:
    if said is None:
        return {"question": UNWRITTEN, "phrasings": [], "answer": UNWRITTEN}
    question, answer = said
    phrasings = [text for text in dict.fromkeys(wordings) if text != question]
    return {"question": question, "phrasings": phrasings, "answer": answer}
