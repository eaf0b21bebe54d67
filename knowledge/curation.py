"""Curation: entries change as revisions, each a draft first, checked and measured before it is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bot.clock import Clock
from bot.storage import Database, Tx
from knowledge.check import Finding

Content = Sequence[Mapping[str, Any]]
"""The versions of one entry, each as `library.written` gives it; none retires the entry."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision as curators see it. `title` is the question by locale, of the version that holds latest."""

    id: int
    entry_id: str
    origin: Literal["shipped", "local"]
    state: Literal["draft", "published", "superseded", "discarded"]
    based_on: int | None
    note: str
    author_id: int | None
    created_at: datetime
    published_by: int | None
    published_at: datetime | None
    title: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Drafted:
    """There is a draft now; the same again gives the same draft."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Published:
    revision: Revision


@dataclass(frozen=True, slots=True)
class Discarded:
    revision: Revision


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The published text already says that; nothing was written."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody published another text since the draft was begun. The draft stays; `published` is what stands now."""

    revision: Revision
    published: Revision


@dataclass(frozen=True, slots=True)
class Refused:
    """The text cannot be taken or published like this."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such entry, or no such draft any more."""


class Curation:
    """`actor` is the contact who acts; None is the command line."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def draft(
        self, actor: int | None, entry_id: str, content: Content, note: str
    ) -> Drafted | Unchanged | Refused:
        """Write a new text for an entry, there already or not, based on what is published now."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def publish(self, actor: int | None, revision: int) -> Published | Stale | Refused | Gone:
        """Let everybody read a draft; refused with the findings when they hold an error."""
        raise NotImplementedError

    async def discard(self, actor: int | None, revision: int) -> Discarded | Gone:
        """Put a draft away; it stays in the entry's history."""
        raise NotImplementedError

    async def rollback(
        self, actor: int | None, entry_id: str, to_revision: int
    ) -> Published | Unchanged | Refused | Gone:
        """Publish the text of an earlier revision of the entry again, as a new revision."""
        raise NotImplementedError

    async def history(self, entry_id: str) -> list[Revision]:
        """All revisions of an entry, newest first."""
        raise NotImplementedError

    async def drafts(self) -> list[Revision]:
        """Open drafts by people, oldest first."""
        raise NotImplementedError

    async def conflicts(self) -> list[Revision]:
        """Shipped texts that wait for a decision, as the entry was edited here: publish them or discard them."""
        raise NotImplementedError
