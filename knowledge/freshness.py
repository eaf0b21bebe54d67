"""Freshness: which entries are due for a review, and a weekly reminder of them to curators.

Only a published text with a later `review_by` moves an entry's date; that it is often read or liked changes nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.clock import Clock
from bot.outbox.outbox import NewRow, Outbox
from bot.outbox.port import Address, Kind, Owed, Reader
from bot.people.contacts import Contacts
from bot.storage import Database, Tx
from bot.texts import Button, Message
from bot.texts.actions import ShowEntryHistory, ShowReviews
from knowledge.library import CATEGORIES, Entry, Written
from knowledge.live import Live, View

REVIEW_DUE = "knowledge.review_due"
CURATORS = ("curator",)
SOON = timedelta(days=30)
AT = time(9)
"""Monday at nine, where the curator lives."""
LATEST = timedelta(hours=12)
LISTED = 6


@dataclass(frozen=True, slots=True)
class Due:
    """Entries whose review is `overdue`, and those it will be within 30 days, the longest due first."""

    overdue: tuple[Entry, ...]
    soon: tuple[Entry, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.overdue + self.soon

    def by_category(self) -> list[tuple[Mapping[str, str], int, int]]:
        """The categories concerned by their names, with how many are overdue and how many soon."""
        late, soon = (Counter(entry.category for entry in which) for which in (self.overdue, self.soon))
        return [(each.names, late[each.id], soon[each.id]) for each in CATEGORIES if late[each.id] or soon[each.id]]


def due(entries: Sequence[Entry], day: date) -> Due:
    """What is due on a day; an entry that holds no more needs no review."""
    standing = [entry for entry in entries if entry.valid_to is None or day <= entry.valid_to]
    in_order = sorted(standing, key=lambda entry: (entry.review_by, entry.id))
    overdue = tuple(entry for entry in in_order if entry.overdue_on(day))
    soon = tuple(entry for entry in in_order if day <= entry.review_by <= day + SOON)
    return Due(overdue, soon)


class Freshness:
    def __init__(self, db: Database, clock: Clock, live: Live, outbox: Outbox, contacts: Contacts) -> None:
        self._db = db
        self._clock = clock
        self._live = live
        self._outbox = outbox
        self._contacts = contacts

    async def due(self) -> Due:
        return _due(await self._live.view())

    def is_due(self, versions: Sequence[Written]) -> bool:
        """Whether one of these texts, whatever is answered from now, is due for a review or will be soon."""
        soon = (self._live.today() + SOON).isoformat()
        return any(version["review_by"] <= soon for version in versions)

    async def remind(self) -> None:
        """Owe every curator this week's digest once it is Monday morning there; none when nothing is due."""
        if not self._live.is_ready or not (await self.due()).entries:
            return
        now = self._clock.now()
        async with self._db.write() as tx:
            curators = await self._contacts.staff(tx, *CURATORS)
            homes = [(curator, await self._contacts.find(tx, curator)) for curator in curators]
            rows = [row for curator, home in homes if home and (row := _digest(curator, home, now))]
            new = await self._outbox.enqueue(tx, rows)
        if new:
            self._outbox.wake()

    def kinds(self) -> list[Kind]:
        return [Kind(REVIEW_DUE, "at_least_once", self._is_curator, self._render)]

    async def _is_curator(self, tx: Tx, owed: Owed, now: datetime) -> bool:
        return owed.contact_id in await self._contacts.staff(tx, *CURATORS)

    async def _render(self, tx: Tx, owed: Owed, reader: Reader) -> Message | None:
        found = await self.due()
        if not found.entries:
            return None
        say = reader.say
        ids = dict.fromkeys(entry.id for entry in found.entries)  # versions of one entry share its id
        buttons = tuple(Button(entry, ShowEntryHistory(entry)) for entry in list(ids)[:LISTED])
        html = say.page("staff/review_due.html", due=found, listed=found.entries[:LISTED])
        whole = (Button(say.plain("All of them"), ShowReviews()),)
        return Message(html, (*(buttons[at : at + 3] for at in range(0, len(buttons), 3)), whole))


def _due(view: View) -> Due:
    return due(view.library.entries, view.day)


def _digest(curator: int, home: Address, now: datetime) -> NewRow | None:
    """The digest of this week; None before Monday's hour there, and when it is too late for it."""
    there = now.astimezone(ZoneInfo(home.zone)).date()
    monday = there - timedelta(days=there.weekday())
    due_at = datetime.combine(monday, AT, ZoneInfo(home.zone)).astimezone(UTC)
    if not due_at <= now < due_at + LATEST:
        return None
    year, week, _ = monday.isocalendar()
    return NewRow(
        kind=REVIEW_DUE,
        contact_id=curator,
        subject="knowledge:review",
        key=f"{REVIEW_DUE}:{year}-W{week:02}:{curator}",
        payload={"week": f"{year}-W{week:02}"},
        due_at=due_at,
        expires_at=due_at + LATEST,
    )
