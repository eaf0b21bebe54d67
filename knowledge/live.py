"""The knowledge that is answered from, kept up with the database: every publication, every new day, every new head.

An edit is answered from as soon as its entry is indexed; the head, which takes long to fit, follows. What is answered
from is one `View`, swapped whole.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.storage import Database
from knowledge import library
from knowledge.changes import Content
from knowledge.engine import Bands, Engine
from knowledge.heads import Heads, content_key, fitted
from knowledge.library import Entry, Glossary, Library, in_order, load_glossary_beside, parse, stored
from knowledge.reading import LibraryError
from knowledge.revisions import contents, published_ids, state

if TYPE_CHECKING:  # numpy is loaded when there is a head, not when the machine is built
    from knowledge.engine import Head

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.2
"""How often a replica looks for publications by others; what it publishes itself it sees at once."""

REST_SECONDS = 5.0
"""So that a database that is away does not fill the log."""


@dataclass(frozen=True, slots=True)
class View:
    """The entries as published at a version, and the engine for those that hold on the day. Never changed.

    `key` stands for what the engine was made from; `fitted` tells that its head was fitted on just that.
    """

    version: int
    day: date
    library: Library
    engine: Engine
    key: str
    fitted: bool


@dataclass(frozen=True, slots=True)
class _Published:
    """What the database holds at a version: the revision of each entry, and the texts that were not known yet."""

    version: int
    revisions: Mapping[str, int]
    texts: Mapping[int, Content]


class Live:
    """`zone` is where the day turns: the organiser's. `bands` say how sure an answer, or a suggestion, has to be."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        zone: str,
        heads: Heads,
        background: Background,
        bands: Bands | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._zone = ZoneInfo(zone)
        self._heads = heads
        self._background = background
        self._bands = bands
        self._looking = asyncio.Lock()
        self._ready = asyncio.Event()
        self._view: View | None = None
        self._glossary: Glossary | None = None
        self._parsed: dict[int, tuple[Entry, ...]] = {}
        self._head: Head | None = None
        self._fitting: asyncio.Task[None] | None = None
        self._resting_until = 0.0

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    @property
    def is_fitting(self) -> bool:
        """Whether this replica fits a head at the moment."""
        return self._fitting is not None and not self._fitting.done()

    async def view(self) -> View:
        """What to answer from; waits for the first."""
        await self._ready.wait()
        assert self._view is not None
        return self._view

    def today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    def wake(self) -> None:
        """Look now, beside whatever goes on: something was published here."""
        self._background.start(self.look(), "knowledge")

    async def look(self) -> None:
        """Take up what was published, and a new day; over in a moment when nothing changed."""
        async with self._looking:
            await self._follow()

    async def tick(self) -> None:
        """Look, and see that the engine gets a head for what it answers from. Rests for a while after a failure."""
        if time.monotonic() < self._resting_until:
            return
        try:
            async with self._looking:
                await self._follow()
                await self._see_to_head()
        except Exception:
            self._resting_until = time.monotonic() + REST_SECONDS
            raise

    async def use(self, view: View) -> None:
        """Answer from this view, whose engine is taken to be whole, until the database says otherwise."""
        async with self._looking:
            self._view = replace(view, fitted=True)
            self._ready.set()

    # Entries and days

    async def _follow(self) -> None:
        known, day = self._view, self.today()
        published = await self._newer(known.version if known else None)
        if published is None and known is not None and day == known.day:
            return
        if self._glossary is None:
            self._glossary = await asyncio.to_thread(load_glossary_beside, library.SHIPPED)
            self._head = await self._heads.newest()  # that of another content is better than none
        self._take(await asyncio.to_thread(self._renewed, known, published, day))

    async def _newer(self, version: int | None) -> _Published | None:
        async with self._db.read() as tx:
            now = (await state(tx)).version
            if now == version:
                return None
            revisions = await published_ids(tx)
            unknown = [revision for revision in revisions.values() if revision not in self._parsed]
            return _Published(now, revisions, await contents(tx, unknown))

    def _renewed(self, known: View | None, published: _Published | None, day: date) -> View:
        """The view of that day; what did not change is taken over."""
        if published is not None:
            base, version = self._library(published), published.version
        else:
            assert known is not None
            base, version = known.library, known.version
        key = content_key(base.documents(day), base.synonyms())
        if known is not None and key == known.key:
            return replace(known, version=version, day=day, library=base)
        return View(version, day, base, self._engine(base, day, self._head, known), key, fitted=False)

    def _library(self, published: _Published) -> Library:
        assert self._glossary is not None
        new = {number: _entries(content, self._glossary) for number, content in published.texts.items()}
        known = {**self._parsed, **new}
        self._parsed = {number: known[number] for number in published.revisions.values()}
        return Library(in_order(chain.from_iterable(self._parsed.values())), self._glossary)

    def _take(self, view: View) -> None:
        if self._view is None or view.engine is not self._view.engine:
            log.info("answering from", version=view.version, day=view.day.isoformat(), model=view.engine.model)
        self._view = view
        self._ready.set()

    # The engine and its head

    def _engine(self, base: Library, day: date, head: "Head | None", known: View | None) -> Engine:
        previous = known.engine if known else None
        return Engine(base.documents(day), base.synonyms(), head, self._bands, previous)

    async def _see_to_head(self) -> None:
        """Answer with the head of this very content once it is stored; see that somebody fits it."""
        view = self._view
        assert view is not None
        if view.fitted or self.is_fitting:
            return
        head = await self._heads.load(view.key)
        if head is not None:
            engine = await asyncio.to_thread(self._engine, view.library, view.day, head, view)
            self._head = head
            self._take(replace(view, engine=engine, fitted=True))
        elif await self._heads.may_fit(view.key):
            fitting = self._heads.fit(view.key, view.library.documents(view.day), view.library.synonyms())
            self._fitting = self._background.start(fitting, "fitting")

    async def whole_view(self) -> View:
        """The view with the head of its very content: stored or, where this is allowed, fitted here and now."""
        async with self._looking:
            await self._follow()
            view = self._view
            assert view is not None
            head = None if view.fitted else await self._heads.load(view.key)
            if head is None and not view.fitted and self._heads.can_fit:
                documents, synonyms = view.library.documents(view.day), view.library.synonyms()
                head = await asyncio.to_thread(fitted, documents, synonyms)
            if head is not None:
                engine = await asyncio.to_thread(self._engine, view.library, view.day, head, view)
                self._head = head
                self._take(replace(view, engine=engine, fitted=True))
        return await self.view()

    async def engine_for(self, base: Library) -> Engine:
        """An engine for other entries than those published, as it would answer before a head of its own is fitted."""
        view = await self.view()
        return await asyncio.to_thread(self._engine, base, view.day, self._head, view)


def _entries(content: Content, glossary: Glossary) -> tuple[Entry, ...]:
    """What cannot be read is left out: one damaged row must not take the answers from everybody."""
    try:
        return tuple(parse(stored(version), glossary) for version in content)
    except LibraryError as fault:
        log.error("entry of the database cannot be read", reason=str(fault))  # noqa: TRY400  the reason says it all
        return ()
