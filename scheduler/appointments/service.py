"""What people, experts and the clock do with appointments. Each use case is one transaction, its messages included."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from bot.clock import Clock
from bot.outbox.outbox import Outbox
from bot.outbox.port import Kind
from bot.people.privacy import Consents
from bot.storage import Database, Tx
from bot.texts import Document, Translator
from scheduler.appointments.availability import Reason
from scheduler.appointments.values import (
    AlreadyCancelled,
    AlreadyConfirmed,
    AppointmentView,
    Cancelled,
    Confirmed,
    Expired,
    ExpertCard,
    ExpertDraft,
    Gone,
    Held,
    HoldView,
    Mine,
    MonthView,
    Moved,
    Stale,
    Taken,
    TooLong,
)


class Appointments:
    def __init__(
        self,
        db: Database,
        clock: Clock,
        outbox: Outbox,
        consents: Consents,
        reminders: Sequence[int],
        hold: timedelta,
        host: str,
    ) -> None: ...

    async def topics(self) -> tuple[str, ...]:
        """Keys of `TOPICS` for which there is an expert, in their order."""
        raise NotImplementedError

    async def experts(self, topic: str) -> tuple[ExpertCard, ...]:
        raise NotImplementedError

    async def expert(self, expert_id: int) -> ExpertCard | None:
        """None when unknown or no longer available."""
        raise NotImplementedError

    async def month(
        self,
        topic: str,
        expert_id: int | None,
        year: int,
        month: int,
        zone: str,
        contact_id: int,
        moving: int | None = None,
    ) -> MonthView:
        """The days with something free, in the reader's `zone`; `expert_id` None stands for any expert.

        With `moving`, one's own appointment, its expert is meant and its present time counts as free.
        """
        raise NotImplementedError

    async def day(
        self,
        topic: str,
        expert_id: int | None,
        day: date,
        zone: str,
        contact_id: int,
        moving: int | None = None,
    ) -> tuple[datetime, ...]:
        """The free starts of a local date of `zone`, in order."""
        raise NotImplementedError

    async def next_free(
        self, topic: str, expert_id: int | None, contact_id: int, moving: int | None = None
    ) -> datetime | None:
        raise NotImplementedError

    async def why_not(self, expert_id: int, start: datetime) -> Reason | None:
        """Why nobody can book this start at present; None: somebody can."""
        raise NotImplementedError

    async def hold(
        self, contact_id: int, topic: str, expert_id: int | None, start: datetime, held_in: int
    ) -> Held | Taken:
        """Keep a slot while the person fills in; drops their previous hold. The same `held_in` gives the same hold."""
        raise NotImplementedError

    async def held(self, hold_id: int, contact_id: int) -> HoldView | None:
        """The person's own hold, lapsed or not, while it can still be filled in or confirmed."""
        raise NotImplementedError

    async def fill(
        self,
        hold_id: int,
        contact_id: int,
        *,
        name: str | None = None,
        company: str | None = None,
        contact_details: str | None = None,
        question: str | None = None,
    ) -> HoldView | Expired | TooLong:
        """Fill in fields; None leaves one as it is, "" clears it. Keeps the hold alive while the person is active."""
        raise NotImplementedError

    async def drop(self, hold_id: int, contact_id: int) -> None:
        """Give a held slot back; harmless to repeat."""
        raise NotImplementedError

    async def confirm(
        self, hold_id: int, contact_id: int, consent_locale: str
    ) -> Confirmed | AlreadyConfirmed | Expired:
        """Book the held slot, recording consent to the notice shown in `consent_locale`."""
        raise NotImplementedError

    async def mine(self, contact_id: int) -> Mine:
        raise NotImplementedError

    async def view(self, appointment_id: int, contact_id: int) -> AppointmentView | None:
        """For the person who booked it and for its expert; None for anybody else."""
        raise NotImplementedError

    async def move(
        self, appointment_id: int, contact_id: int, version: int, start: datetime
    ) -> Moved | Taken | Stale | Gone:
        """Give one's own appointment a new start with the same expert. `version` is the one the person saw."""
        raise NotImplementedError

    async def cancel(
        self, appointment_id: int, contact_id: int, version: int
    ) -> Cancelled | AlreadyCancelled | Stale | Gone:
        """Call an appointment off, as the person who booked it or as its expert."""
        raise NotImplementedError

    async def calendar_file(self, appointment_id: int, contact_id: int, say: Translator) -> Document | None:
        """The appointment as it is now for the reader's calendar; None when it is not theirs."""
        raise NotImplementedError

    async def add_expert(self, draft: ExpertDraft) -> int:
        """The new expert's id; ValueError for a draft that makes no sense."""
        raise NotImplementedError

    async def link_expert(self, expert_id: int, contact_id: int) -> bool:
        """From now on the contact is told what is booked with this expert; False for an unknown expert."""
        raise NotImplementedError

    async def sweep(self) -> int:
        """A tick: give lapsed holds back; how many."""
        raise NotImplementedError

    def kinds(self) -> list[Kind]:
        raise NotImplementedError

    name = "appointments"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        raise NotImplementedError

    async def erase(self, tx: Tx, contact_id: int) -> None:
        raise NotImplementedError
