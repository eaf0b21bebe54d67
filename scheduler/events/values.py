"""Events as the doors see them, drafts of new ones, and what became of a request."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from bot.clock import known_zones
from bot.texts import Localized

EventKind = Literal["forum", "training"]


def instant(local: datetime, zone: str) -> datetime:
    """The UTC instant at which the wall clock of `zone` shows the naive time `local`.

    A time that clocks skip in spring is moved forward by the gap; of one that they show twice the
    first is meant.
    """
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


class Problem(StrEnum):
    """Why an event cannot be as asked."""

    NO_TITLE = "no_title"
    UNKNOWN_ZONE = "unknown_zone"
    ENDS_BEFORE_START = "ends_before_start"
    IN_THE_PAST = "in_the_past"
    TOO_FAR = "too_far"
    TOO_LONG = "too_long"
    NO_SEATS = "no_seats"
    NOT_HTTPS = "not_https"


LONGEST = {"title": 200, "venue": 200, "summary": 800, "description": 2500}
"""Characters; together they leave room in one message of 4096."""

WEB_ADDRESS = re.compile(r"https://[^\s\"<>]{1,2000}")
YEARS_AHEAD = 10


@dataclass(frozen=True, slots=True)
class Times:
    """Naive wall-clock times in an IANA zone, as they are announced. ValueError for aware ones."""

    starts_local: datetime
    ends_local: datetime
    zone: str

    def __post_init__(self) -> None:
        if self.starts_local.tzinfo or self.ends_local.tzinfo:
            raise ValueError("the time on the wall has no offset")

    def problem(self, now: datetime) -> Problem | None:
        if self.zone not in known_zones():
            return Problem.UNKNOWN_ZONE
        if max(self.starts_local.year, self.ends_local.year) > now.year + YEARS_AHEAD:
            return Problem.TOO_FAR
        if self.starts_local.year < now.year - 1:
            return Problem.IN_THE_PAST  # asked first: the year 1 has no instant east of UTC
        if self.ends_local.year < self.starts_local.year:
            return Problem.ENDS_BEFORE_START
        if instant(self.starts_local, self.zone) <= now:
            return Problem.IN_THE_PAST
        ends_first = instant(self.ends_local, self.zone) <= instant(self.starts_local, self.zone)
        return Problem.ENDS_BEFORE_START if ends_first else None


@dataclass(frozen=True, slots=True)
class EventDraft:
    """A new event; a text not there yet is {}. `slug` names it for good, made up if None."""

    kind: EventKind
    title: Localized
    times: Times
    summary: Localized
    description: Localized
    venue: Localized
    online_url: str | None = None
    capacity: int | None = None
    sample: bool = False
    slug: str | None = None

    def problem(self, now: datetime) -> Problem | None:
        """The first thing that is wrong with it, if any."""
        if not any(self.title.values()):
            return Problem.NO_TITLE
        if self.capacity is not None and self.capacity < 1:
            return Problem.NO_SEATS
        if self.online_url is not None and not WEB_ADDRESS.fullmatch(self.online_url):
            return Problem.NOT_HTTPS
        return Problem.TOO_LONG if self._too_long() else self.times.problem(now)

    def _too_long(self) -> bool:
        return any(len(text) > limit for name, limit in LONGEST.items() for text in getattr(self, name).values())

    def name(self) -> str:
        """The same for the same draft, so that adding it twice adds one event."""
        if self.slug:
            return self.slug
        content = json.dumps(asdict(self), sort_keys=True, default=str)
        digest = hashlib.sha256(content.encode()).hexdigest()[:8]
        return f"{self.kind}-{self.times.starts_local:%Y-%m-%d}-{digest}"


@dataclass(frozen=True, slots=True)
class EventView:
    """An event as one person may see it: `online_url` is for those registered; `online` says that
    there is one.

    `starts_at` and `ends_at` are UTC; the local ones are naive, in `zone`. `taken` counts those
    registered.
    """

    id: int
    slug: str
    kind: EventKind
    status: Literal["published", "cancelled"]
    title: Localized
    summary: Localized
    description: Localized
    venue: Localized
    online: bool
    online_url: str | None
    starts_local: datetime
    ends_local: datetime
    zone: str
    starts_at: datetime
    ends_at: datetime
    capacity: int | None
    taken: int
    registered: bool
    revision: int
    sample: bool
    created_at: datetime
    changed_at: datetime

    @property
    def cancelled(self) -> bool:
        return self.status == "cancelled"

    @property
    def seats_left(self) -> int | None:
        """None where seats are not limited."""
        return None if self.capacity is None else max(self.capacity - self.taken, 0)

    @property
    def full(self) -> bool:
        return self.seats_left == 0

    @property
    def times(self) -> Times:
        return Times(self.starts_local, self.ends_local, self.zone)

    def ahead(self, now: datetime) -> bool:
        """Whether one can still register: it is on and has not begun."""
        return not self.cancelled and now < self.starts_at

    def own_zone(self, reader_zone: str) -> str | None:
        """The event's zone where its clocks differ from the reader's: show that time too."""
        here, there = (self.starts_at.astimezone(ZoneInfo(zone)).utcoffset() for zone in (reader_zone, self.zone))
        return None if here == there else self.zone


@dataclass(frozen=True, slots=True)
class PastEvent:
    """What took place. Of some only the year is known; `event_id` names one that was run here."""

    title: Localized
    text: Localized
    place: Localized
    year: int
    first: date | None
    last: date | None
    url: str | None
    event_id: int | None


# What became of a request


@dataclass(frozen=True, slots=True)
class Registered:
    """`reminded`: at least one reminder is still to come."""

    event: EventView
    reminded: bool


@dataclass(frozen=True, slots=True)
class AlreadyRegistered:
    event: EventView


@dataclass(frozen=True, slots=True)
class Full:
    event: EventView


@dataclass(frozen=True, slots=True)
class Unregistered:
    event: EventView


@dataclass(frozen=True, slots=True)
class NotRegistered:
    event: EventView


@dataclass(frozen=True, slots=True)
class Gone:
    """There is nothing to do any more: unknown (None), cancelled, begun or over."""

    event: EventView | None


@dataclass(frozen=True, slots=True)
class Added:
    """`told` counts the people who are told."""

    event: EventView
    told: int


@dataclass(frozen=True, slots=True)
class Changed:
    event: EventView
    told: int


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It was so already, as when the same request comes twice; nobody is told again."""

    event: EventView


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody else changed the event meanwhile: show it as it is now and ask again."""

    event: EventView


@dataclass(frozen=True, slots=True)
class Refused:
    problem: Problem
