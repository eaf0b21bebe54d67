"""Experts, holds and appointments as the doors see them, and what became of a request.

Instants are aware UTC; localized texts are {"en": ..., "zh-Hans": ..., "zh-Hant": ...}.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from bot.texts import N_, Localized, Translator
from scheduler.appointments.availability import EPOCH, MINUTE, Minutes, Reason

TOPICS: Mapping[str, str] = {
    "patents": N_("Patents and inventions"),
    "trademarks": N_("Trade marks and brands"),
    "strategy": N_("IP strategy and management"),
    "licensing": N_("Licensing and IP transactions"),
    "finance_tax": N_("IP finance, valuation and tax"),
    "overseas": N_("IP overseas and disputes"),
    "data_ai": N_("Data, software and AI"),
    "cipo_programme": N_("The CIPO programme"),
}
"""What can be discussed, in the order it is offered: key and English name."""

LIMITS: Mapping[str, int] = {"name": 100, "company": 100, "contact_details": 200, "question": 1000}
"""How many characters a person may write in each field."""


def topic_name(say: Translator, topic: str) -> str:
    """Plain text in the reader's language; a key that is no longer offered stands for itself."""
    return say.plain(TOPICS[topic]) if topic in TOPICS else topic


def slot_minutes(start: datetime) -> int:
    """A start as buttons carry it: minutes since 1970 UTC."""
    return (start - EPOCH) // MINUTE


@dataclass(frozen=True, slots=True)
class ExpertCard:
    """An expert as people see them. `languages` are ISO 639 codes, `zone` is where they are."""

    id: int
    name: Localized
    title: Localized
    bio: Localized
    languages: tuple[str, ...]
    topics: tuple[str, ...]
    zone: str
    length: timedelta
    sample: bool


@dataclass(frozen=True, slots=True)
class ExpertDraft:
    """A new expert. Durations are minutes; `hours` maps a weekday, 0 is Monday, to windows of local minutes.

    `overrides` replace the windows of a local date; none close it. `per_day`, `per_week` None set no limit.
    """

    name: Localized
    title: Localized
    languages: tuple[str, ...]
    topics: tuple[str, ...]
    zone: str
    hours: Mapping[int, tuple[Minutes, ...]]
    bio: Localized = field(default_factory=dict)
    overrides: Mapping[date, tuple[Minutes, ...]] = field(default_factory=dict)
    length: int = 45
    interval: int = 30
    before: int = 0
    after: int = 15
    notice: int = 720
    window_days: int = 60
    per_day: int | None = None
    per_week: int | None = None
    meeting_info: Localized | None = None
    sample: bool = False


@dataclass(frozen=True, slots=True)
class MonthView:
    """The days of a month, in the reader's zone, on which something is free.

    `first` and `last` are the first days of the first and the last month that can be booked at all.
    """

    month: date
    days: frozenset[date]
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class HoldView:
    """A slot kept for a person until `expires_at` while they fill in; None where nothing is filled in yet."""

    id: int
    expert: ExpertCard
    topic: str
    start: datetime
    end: datetime
    expires_at: datetime
    any_expert: bool
    name: str | None
    company: str | None
    contact_details: str | None
    question: str | None


Role = Literal["owner", "expert"]
Status = Literal["confirmed", "cancelled"]


@dataclass(frozen=True, slots=True)
class AppointmentView:
    """A booked appointment. `version` goes into the buttons, `sequence` into the calendar entry.

    `created_at` is when its time was first held, `changed_at` when this version came to be. `contact_id` is None once
    the person erased their data.
    """

    id: int
    expert: ExpertCard
    topic: str
    start: datetime
    end: datetime
    status: Status
    version: int
    sequence: int
    any_expert: bool
    meeting_info: Localized | None
    name: str | None
    company: str | None
    contact_details: str | None
    question: str | None
    cancelled_by: Role | None
    created_at: datetime
    changed_at: datetime
    contact_id: int | None
    expert_contact_id: int | None

    def role(self, contact_id: int) -> Role | None:
        """Which side of the table a contact sits on, if any."""
        if contact_id == self.contact_id:
            return "owner"
        return "expert" if contact_id == self.expert_contact_id else None

    def ahead(self, now: datetime) -> bool:
        """Whether it can still be moved or cancelled."""
        return self.status == "confirmed" and now < self.start


@dataclass(frozen=True, slots=True)
class Mine:
    """A person's appointments: `upcoming` soonest first, `recent` (over or cancelled) latest first.

    `as_expert` are the upcoming ones that others booked with them.
    """

    upcoming: tuple[AppointmentView, ...]
    recent: tuple[AppointmentView, ...]
    as_expert: tuple[AppointmentView, ...]


# What became of a request


@dataclass(frozen=True, slots=True)
class Held:
    hold: HoldView


@dataclass(frozen=True, slots=True)
class Taken:
    """Not free, and why; `alternatives` are the up to three nearest free starts, in order of time."""

    alternatives: tuple[datetime, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class TooMany:
    """The contact has as many appointments ahead as one may, `limit`; they are `ahead`, soonest first."""

    limit: int
    ahead: tuple[AppointmentView, ...]


@dataclass(frozen=True, slots=True)
class Expired:
    """The hold has lapsed and its slot is not to be had any more; None when there never was one of theirs.

    What was filled in is kept and prefills the next hold.
    """

    hold: HoldView | None


@dataclass(frozen=True, slots=True)
class TooLong:
    field: str
    limit: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    appointment: AppointmentView


@dataclass(frozen=True, slots=True)
class AlreadyConfirmed:
    """Confirmed before, as by a double tap; nobody is told again."""

    appointment: AppointmentView


@dataclass(frozen=True, slots=True)
class Moved:
    appointment: AppointmentView


@dataclass(frozen=True, slots=True)
class Cancelled:
    appointment: AppointmentView


@dataclass(frozen=True, slots=True)
class AlreadyCancelled:
    appointment: AppointmentView


@dataclass(frozen=True, slots=True)
class Stale:
    """It was changed since the person looked: show it as it is now and ask again."""

    appointment: AppointmentView


@dataclass(frozen=True, slots=True)
class Gone:
    """There is nothing to do any more: over, cancelled, or (None) not theirs or unknown."""

    appointment: AppointmentView | None
