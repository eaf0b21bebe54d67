"""What people, experts and the clock do with appointments. Each use case is one transaction, its messages included."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, delete, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from bot.clock import Clock
from bot.outbox.outbox import NewRow, Outbox
from bot.outbox.port import Kind
from bot.people.models import Contact
from bot.people.privacy import Consents, Shown
from bot.people.roles import audit
from bot.storage import Database, Tx
from bot.texts import Document, Translator, one_line
from scheduler.appointments import experts, kinds
from scheduler.appointments.availability import MINUTE, SECOND, Reason, Rules
from scheduler.appointments.calendar_entry import document
from scheduler.appointments.models import Appointment, Expert
from scheduler.appointments.queries import (
    Offer,
    Seeker,
    appointment_view,
    appointments,
    fairest_first,
    find,
    free_of_any,
    hold_view,
    known,
    lock_contact,
    lock_experts,
    offer_of,
    offers,
    refusal,
)
from scheduler.appointments.values import (
    LIMITS,
    TOPICS,
    AlreadyCancelled,
    AlreadyConfirmed,
    AppointmentView,
    Cancelled,
    Confirmed,
    ExpertCard,
    ExpertDraft,
    Expired,
    Gone,
    Held,
    HoldView,
    Mine,
    MonthView,
    Moved,
    Role,
    Stale,
    Taken,
    TooLong,
    TooMany,
)

PURPOSE = "appointment"
"""What consent is given to."""

LONGEST = 3
"""A hold lives at most this many times its length, however active the person is."""

FORGET_LAPSED = timedelta(days=1)
"""What was typed into a hold that was never confirmed is forgotten after this."""

NEARBY = timedelta(days=14)
"""How far from a wish alternatives are looked for."""

ALTERNATIVES = 3

RECENT = timedelta(days=60)
RECENT_SHOWN = 5

UNDECIDED = ("held", "expired")


class Appointments:
    def __init__(
        self,
        db: Database,
        clock: Clock,
        outbox: Outbox,
        consents: Consents,
        *,
        reminders: Sequence[int],
        hold: timedelta,
        most: int,
    ) -> None:
        """`reminders` are minutes before the start; one contact holds at most `most` appointments ahead."""
        self._db = db
        self._clock = clock
        self._outbox = outbox
        self._consents = consents
        self._reminders = tuple(reminders)
        self._hold = hold
        self._most = most

    # Whoever looks

    async def topics(self) -> tuple[str, ...]:
        """Keys of `TOPICS` for which there is an expert, in their order."""
        async with self._db.read() as tx:
            there = {topic for offer in await offers(tx) for topic in offer.card.topics}
        return tuple(topic for topic in TOPICS if topic in there)

    async def experts(self, topic: str) -> tuple[ExpertCard, ...]:
        async with self._db.read() as tx:
            return tuple(offer.card for offer in await offers(tx, topic))

    async def expert(self, expert_id: int) -> ExpertCard | None:
        """None when unknown or no longer available."""
        async with self._db.read() as tx:
            return next((offer.card for offer in await offers(tx, expert_id=expert_id)), None)

    async def month(
        self,
        topic: str,
        expert_id: int | None,
        year: int,
        month: int,
        *,
        zone: str,
        contact_id: int,
        moving: int | None = None,
    ) -> MonthView:
        """The days with something free, in the reader's `zone`; `expert_id` None stands for any expert.

        A month that cannot be booked gives the nearest that can. With `moving`, one's own appointment, its expert
        is meant and its present time counts as free.
        """
        now, wanted = self._clock.now(), date(year, month, 1)
        seeker = Seeker(now, contact_id, moving)
        async with self._db.read() as tx:
            of = await _sought(tx, topic, expert_id, seeker)
            today, last = _local_date(now, zone), _local_date(_latest(of, now), zone)
            first_month, last_month = today.replace(day=1), last.replace(day=1)
            shown = min(max(wanted, first_month), last_month)
            since, until = _midnight(shown, zone), _midnight(_next_month(shown), zone)
            starts = await free_of_any(tx, of, since, until, seeker)
        days = frozenset(_local_date(start, zone) for start in starts)
        return MonthView(shown, days, first_month, last_month)

    async def day(
        self,
        topic: str,
        expert_id: int | None,
        day: date,
        *,
        zone: str,
        contact_id: int,
        moving: int | None = None,
    ) -> tuple[datetime, ...]:
        """The free starts of a local date of `zone`, in order."""
        now = self._clock.now()
        seeker = Seeker(now, contact_id, moving)
        async with self._db.read() as tx:
            of = await _sought(tx, topic, expert_id, seeker)
            if not _local_date(now, zone) <= day <= _local_date(_latest(of, now), zone):
                return ()
            since, until = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
            return tuple(await free_of_any(tx, of, since, until, seeker))

    async def next_free(
        self, topic: str, expert_id: int | None, *, contact_id: int, moving: int | None = None
    ) -> datetime | None:
        """The first free start of all; None when there is none in the time that can be booked."""
        now = self._clock.now()
        seeker = Seeker(now, contact_id, moving)
        async with self._db.read() as tx:
            of = await _sought(tx, topic, expert_id, seeker)
            starts = await free_of_any(tx, of, now, _latest(of, now) + SECOND, seeker)
        return next(iter(starts), None)

    async def why_not(self, expert_id: int, start: datetime) -> Reason | None:
        """Why nobody can book this start at present; None: somebody can. ValueError for an unknown expert."""
        async with self._db.read() as tx:
            offer = await offer_of(tx, expert_id)
            if offer is None:
                raise ValueError(f"no expert {expert_id}")
            return await refusal(tx, offer, start, Seeker(self._clock.now()))

    # Holding a slot

    async def hold(
        self, contact_id: int, topic: str, expert_id: int | None, start: datetime, held_in: int
    ) -> Held | Taken | TooMany:
        """Keep a slot while the person fills in; drops their previous hold. The same `held_in` gives the same hold.

        Of several experts whoever has the fewest appointments ahead is taken. A contact has one hold only, so whoever
        gets it stays within the limit when they confirm it.
        """
        seeker = Seeker(self._clock.now(), contact_id)
        async with self._db.write() as tx:
            await lock_contact(tx, contact_id)
            made = await find(tx, Appointment.held_in == held_in, Appointment.contact_id == contact_id)
            if made is not None:
                return Held(hold_view(made))
            if too_many := await self._too_many(tx, contact_id, seeker.now):
                return too_many
            of = await _locked_offers(tx, topic, expert_id, seeker.now)
            draft = {
                "contact_id": contact_id,
                "topic": topic,
                "any_expert": expert_id is None,
                "held_in": held_in,
                **await _details(tx, contact_id, topic),
            }
            held = await self._hold_one(tx, of, start, seeker, draft)
        return Held(held) if isinstance(held, HoldView) else await self._taken(of, start, seeker, held)

    async def too_many(self, contact_id: int) -> TooMany | None:
        """What stands in the way of one more appointment of this contact; None: they may book."""
        async with self._db.read() as tx:
            return await self._too_many(tx, contact_id, self._clock.now())

    async def _too_many(self, tx: Tx, contact_id: int, now: datetime) -> TooMany | None:
        own = (Appointment.contact_id == contact_id, Appointment.status == "confirmed", Appointment.starts_at > now)
        ahead = await appointments(tx, *own)
        return TooMany(self._most, tuple(ahead)) if len(ahead) >= self._most else None

    async def _hold_one(
        self, tx: Tx, of: Sequence[Offer], start: datetime, seeker: Seeker, draft: Mapping[str, Any]
    ) -> HoldView | Reason:
        reasons = [await refusal(tx, offer, start, seeker) for offer in of]
        free = [offer for offer, reason in zip(of, reasons, strict=True) if reason is None]
        for offer in await fairest_first(tx, free, seeker):
            if (hold_id := await self._keep(tx, offer, start, seeker.now, draft)) is not None:
                return hold_view(await known(tx, hold_id))
        return next(iter(reasons), Reason.RETIRED) or Reason.BUSY

    async def _taken(self, of: Sequence[Offer], start: datetime, seeker: Seeker, reason: Reason) -> Taken:
        """With the free starts nearest to the wish; looked for when no lock is held any more."""
        wish = min(max(start, seeker.now), _latest(of, seeker.now))
        async with self._db.read() as tx:
            starts = await free_of_any(tx, of, wish - NEARBY, wish + NEARBY, seeker)
        nearest = sorted(starts, key=lambda other: (abs(other - wish), other))[:ALTERNATIVES]
        return Taken(tuple(sorted(nearest)), reason)

    async def _keep(self, tx: Tx, offer: Offer, start: datetime, now: datetime, draft: Mapping[str, Any]) -> int | None:
        """The id of the new hold; None, with nothing changed, when the database says that it would overlap."""
        row = {
            **draft,
            **_times(offer.rules, start),
            "expert_id": offer.expert_id,
            "status": "held",
            "expires_at": now + self._hold,
            "version": 1,
            "sequence": 0,
            "created_at": now,
            "changed_at": now,
        }
        try:
            async with tx.begin_nested():
                await _drop(tx, now, Appointment.contact_id == draft["contact_id"])
                made = await tx.execute(insert(Appointment).values(row).returning(Appointment.id))
                return made.scalar_one()
        except IntegrityError as error:
            _only_overlap(error)
            return None

    async def held(self, hold_id: int, contact_id: int) -> HoldView | None:
        """The person's own hold, lapsed or not, while it can still be filled in or confirmed."""
        async with self._db.read() as tx:
            row = await find(tx, _own(hold_id, contact_id), Appointment.status.in_(UNDECIDED))
        return hold_view(row) if row is not None else None

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
        """Fill in fields; None leaves one as it is, "" clears it. Keeps the hold alive while the person is active.

        What was typed is kept even if the hold has lapsed. All but the question are kept on one line.
        """
        given = {
            "name": name,
            "company": company,
            "contact_details": contact_details,
            "question": question,
        }
        fields = {
            field: text.strip() if field == "question" else one_line(text)
            for field, text in given.items()
            if text is not None
        }
        if too_long := next((f for f, text in fields.items() if len(text) > LIMITS[f]), None):
            return TooLong(too_long, LIMITS[too_long])
        now = self._clock.now()
        async with self._db.write() as tx:
            row = await _locked(tx, hold_id, contact_id)
            if row is None or row.status not in UNDECIDED:
                return Expired(None)
            await _change(tx, row, now, **{field: text or None for field, text in fields.items()})
            alive = await self._keep_alive(tx, row, now)
            view = hold_view(await known(tx, hold_id))
        return view if alive else Expired(view)

    async def _keep_alive(self, tx: Tx, row: Row[Any], now: datetime) -> bool:
        expires_at = min(now + self._hold, row.created_at + LONGEST * self._hold)
        if _is_live(row, now):
            await _change(tx, row, now, expires_at=max(row.expires_at, expires_at))
            return True
        return now < expires_at and await self._revive(tx, row, now, expires_at)

    async def _revive(self, tx: Tx, row: Row[Any], now: datetime, expires_at: datetime) -> bool:
        """Take a lapsed hold's slot again, if it is still free."""
        offer = next(iter(await offers(tx, expert_id=row.expert_id)), None)
        if offer is None or await refusal(tx, offer, row.starts_at, Seeker(now, row.contact_id)):
            return False
        await _expire(tx, [row.expert_id], now)
        try:
            async with tx.begin_nested():
                times = _times(offer.rules, row.starts_at)
                await _change(tx, row, now, status="held", expires_at=expires_at, **times)
        except IntegrityError as error:
            _only_overlap(error)
            return False
        return True

    async def drop(self, hold_id: int, contact_id: int) -> None:
        """Give a held slot back; harmless to repeat."""
        async with self._db.write() as tx:
            await _drop(tx, self._clock.now(), _own(hold_id, contact_id))

    async def confirm(
        self, hold_id: int, contact_id: int, consent_locale: str
    ) -> Confirmed | AlreadyConfirmed | Expired:
        """Book the held slot, recording consent to the notice shown in `consent_locale`.

        A lapsed hold is booked too if nobody has taken the slot meanwhile.
        """
        now = self._clock.now()
        async with self._db.write() as tx:
            row = await _locked(tx, hold_id, contact_id)
            if row is None or row.status == "dropped":
                return Expired(None)
            if row.confirmed_at is not None:
                return AlreadyConfirmed(appointment_view(row))
            if not await self._bookable(tx, row, now):
                return Expired(hold_view(row))
            view = await self._book(tx, row, now, consent_locale)
        self._outbox.wake()
        return Confirmed(view)

    async def _bookable(self, tx: Tx, row: Row[Any], now: datetime) -> bool:
        if _is_live(row, now):
            return bool(row.starts_at > now)
        return await self._revive(tx, row, now, now + MINUTE)

    async def _book(self, tx: Tx, row: Row[Any], now: datetime, locale: str) -> AppointmentView:
        made = {"status": "confirmed", "confirmed_at": now, "locale": locale}
        await _change(tx, row, now, version=row.version + 1, **made)
        await self._consents.give(tx, row.contact_id, PURPOSE, locale)
        await _save_profile(tx, row)
        view = appointment_view(await known(tx, row.id))
        await self._outbox.enqueue(tx, kinds.booked(view, now) + self._reminders_of(view, now))
        return view

    # An appointment that is booked

    async def mine(self, contact_id: int) -> Mine:
        now = self._clock.now()
        ahead = (Appointment.status == "confirmed", Appointment.ends_at > now)
        own = Appointment.contact_id == contact_id
        async with self._db.read() as tx:
            upcoming = await appointments(tx, own, *ahead)
            past = await appointments(tx, own, Appointment.starts_at > now - RECENT)
            as_expert = await appointments(tx, Expert.contact_id == contact_id, *ahead)
        recent = [view for view in reversed(past) if view not in upcoming][:RECENT_SHOWN]
        return Mine(tuple(upcoming), tuple(recent), tuple(as_expert))

    async def view(self, appointment_id: int, contact_id: int) -> AppointmentView | None:
        """For the person who booked it and for its expert; None for anybody else."""
        async with self._db.read() as tx:
            found = await appointments(tx, Appointment.id == appointment_id)
        return next((view for view in found if view.role(contact_id)), None)

    async def move(
        self, appointment_id: int, contact_id: int, version: int, start: datetime
    ) -> Moved | Taken | Stale | Gone:
        """Give one's own appointment a new start with the same expert. `version` is the one the person saw.

        Moving it to where it is already answers `Moved` and tells nobody.
        """
        now = self._clock.now()
        async with self._db.write() as tx:
            row = await _locked(tx, appointment_id, contact_id)
            if row is None or row.confirmed_at is None:
                return Gone(None)
            view = appointment_view(row)
            if not view.ahead(now):
                return Gone(view)
            if view.start == start:
                return Moved(view)
            if view.version != version:
                return Stale(view)
            of = await offers(tx, expert_id=row.expert_id)
            seeker = Seeker(now, contact_id, moving=row.id)
            moved = await self._move(tx, row, of, start, seeker)
        if isinstance(moved, Reason):
            return await self._taken(of, start, seeker, moved)
        self._outbox.wake()
        return Moved(moved)

    async def _move(
        self, tx: Tx, row: Row[Any], of: Sequence[Offer], start: datetime, seeker: Seeker
    ) -> AppointmentView | Reason:
        """The moved appointment; nobody can be moved with an expert who is not there any more."""
        for offer in of:
            if reason := await refusal(tx, offer, start, seeker):
                return reason
            if await self._reschedule(tx, row, offer, start, seeker.now):
                return await self._told_of_move(tx, row, seeker.now)
        return Reason.BUSY if of else Reason.RETIRED

    async def _told_of_move(self, tx: Tx, was: Row[Any], now: datetime) -> AppointmentView:
        view = appointment_view(await known(tx, was.id))
        await self._outbox.withdraw(tx, kinds.subject(was.id))
        await self._outbox.enqueue(tx, kinds.moved(view, was.starts_at, now) + self._reminders_of(view, now))
        return view

    async def _reschedule(self, tx: Tx, row: Row[Any], offer: Offer, start: datetime, now: datetime) -> bool:
        await _expire(tx, [row.expert_id], now)
        held_here = (Appointment.contact_id == row.contact_id) & (Appointment.expert_id == row.expert_id)
        try:
            async with tx.begin_nested():
                await _drop(tx, now, held_here)
                await _change(tx, row, now, **_next(row), **_times(offer.rules, start))
        except IntegrityError as error:
            _only_overlap(error)
            return False
        return True

    async def cancel(
        self, appointment_id: int, contact_id: int, version: int
    ) -> Cancelled | AlreadyCancelled | Stale | Gone:
        """Call an appointment off, as the person who booked it or as its expert."""
        now = self._clock.now()
        async with self._db.write() as tx:
            row = await _locked(tx, appointment_id)
            view = appointment_view(row) if row is not None and row.confirmed_at else None
            role = view.role(contact_id) if view else None
            if row is None or view is None or role is None:
                return Gone(None)
            if view.status == "cancelled":
                return AlreadyCancelled(view)
            if not view.ahead(now):
                return Gone(view)
            if view.version != version:
                return Stale(view)
            view = await self._cancel(tx, row, role, now)
            if role == "expert":
                await audit(tx, contact_id, "appointment.cancelled", kinds.subject(view.id), {}, now)
        self._outbox.wake()
        return Cancelled(view)

    async def _cancel(self, tx: Tx, row: Row[Any], role: Role, now: datetime) -> AppointmentView:
        ended = {"status": "cancelled", "cancelled_at": now, "cancelled_by": role}
        await _change(tx, row, now, **_next(row), **ended)
        view = appointment_view(await known(tx, row.id))
        await self._outbox.withdraw(tx, kinds.subject(row.id))
        await self._outbox.enqueue(tx, kinds.cancelled(view, now))
        return view

    async def calendar_file(self, appointment_id: int, contact_id: int, say: Translator) -> Document | None:
        """The appointment as it is now for the reader's calendar; None when it is not theirs."""
        view = await self.view(appointment_id, contact_id)
        return document(view, contact_id, say) if view else None

    def _reminders_of(self, view: AppointmentView, now: datetime) -> list[NewRow]:
        return kinds.reminders(view, kinds.parties(view), self._reminders, now)

    # Staff

    async def add_expert(self, draft: ExpertDraft) -> int:
        """The new expert's id; ValueError, saying what is wrong, for a draft that makes no sense."""
        async with self._db.write() as tx:
            expert_id = await experts.add(tx, draft)
            await audit(tx, None, "expert.added", f"expert:{expert_id}", {}, self._clock.now())
        return expert_id

    async def roster(self) -> tuple[ExpertCard, ...]:
        """Everybody who can be booked, by number."""
        async with self._db.read() as tx:
            return tuple(offer.card for offer in await offers(tx))

    async def retire_expert(self, expert_id: int) -> bool:
        """No new appointments with this expert; those booked stay. False for an unknown expert."""
        retired = update(Expert).where(Expert.id == expert_id).values(active=False)
        async with self._db.write() as tx:
            if (await tx.execute(retired.returning(Expert.id))).first() is None:
                return False
            await audit(tx, None, "expert.retired", f"expert:{expert_id}", {}, self._clock.now())
        return True

    async def link_expert(self, expert_id: int, contact_id: int, *, take_over: bool = True) -> bool:
        """From now on the contact is told what is booked with this expert; False for an unknown expert.

        Without `take_over` an expert who is linked to somebody else stays theirs (False).

        They hear of what is booked already, once however often they are linked.
        """
        now = self._clock.now()
        async with self._db.write() as tx:
            free = or_(Expert.contact_id.is_(None), Expert.contact_id == contact_id, literal(take_over))
            linked = update(Expert).where(Expert.id == expert_id, free).values(contact_id=contact_id)
            if (await tx.execute(linked.returning(Expert.id))).first() is None:
                return False
            coming = (Appointment.status == "confirmed", Appointment.starts_at > now)
            for view in await appointments(tx, Appointment.expert_id == expert_id, *coming):
                rows = kinds.reminders(view, [contact_id], self._reminders, now)
                await self._outbox.enqueue(tx, kinds.told_expert(view, now) + rows)
            await audit(tx, contact_id, "expert.linked", f"expert:{expert_id}", {}, now)
        self._outbox.wake()
        return True

    # The clock

    async def sweep(self) -> int:
        """A tick: give lapsed holds back, and forget what was typed into old ones. How many lapsed."""
        now = self._clock.now()
        lapsed = (Appointment.status == "held", Appointment.expires_at <= now)
        old = (Appointment.confirmed_at.is_(None), Appointment.expires_at <= now - FORGET_LAPSED)
        async with self._db.read() as tx:
            of = select(Appointment.expert_id).where(*lapsed).distinct()
            ids = (await tx.execute(of.order_by(Appointment.expert_id))).scalars().all()
            forgettable = (await tx.execute(select(Appointment.id).where(*old).limit(1))).first()
        count = sum([await self._sweep(expert_id, now) for expert_id in ids])
        if forgettable is not None:
            async with self._db.write() as tx:
                await tx.execute(delete(Appointment).where(*old))
        return count

    async def _sweep(self, expert_id: int, now: datetime) -> int:
        async with self._db.write() as tx:
            await lock_experts(tx, [expert_id])
            return await _expire(tx, [expert_id], now)

    def kinds(self) -> list[Kind]:
        return kinds.kinds()

    # Personal data

    name = "appointments"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        own = select(Appointment.__table__).where(Appointment.contact_id == contact_id)
        profile = select(Expert.id, Expert.name, Expert.title, Expert.bio, Expert.meeting_info)
        linked = profile.where(Expert.contact_id == contact_id)
        return {
            "booked": [dict(row._mapping) for row in await tx.execute(own.order_by(Appointment.id))],
            "expert_profiles": [dict(row._mapping) for row in await tx.execute(linked)],
        }

    async def shown(self, tx: Tx, contact_id: int) -> Shown:
        ids = (await tx.execute(select(Appointment.id).where(Appointment.contact_id == contact_id))).scalars().all()
        return Shown(
            subjects=frozenset(kinds.subject(appointment) for appointment in ids),
            buttons=frozenset(data for appointment in ids for data in kinds.callback_data(appointment)),
        )

    async def erase(self, tx: Tx, contact_id: int) -> None:
        """Cancel what is ahead, tell the experts, and keep the rest without anything personal."""
        now, own = self._clock.now(), Appointment.contact_id == contact_id
        await lock_contact(tx, contact_id)
        linked = select(Expert.id).where(Expert.contact_id == contact_id)
        of = select(Appointment.expert_id).where(own).union(linked)
        await lock_experts(tx, (await tx.execute(of)).scalars())
        await tx.execute(delete(Appointment).where(own, Appointment.confirmed_at.is_(None)))
        for view in await appointments(tx, own):
            if view.ahead(now):
                await self._cancel(tx, await known(tx, view.id), "owner", now)
        blank = dict.fromkeys(("contact_id", "held_in", "locale", *LIMITS))
        await tx.execute(update(Appointment).where(own).values(blank))


async def _sought(tx: Tx, topic: str, expert_id: int | None, seeker: Seeker) -> list[Offer]:
    """The experts in question; whoever moves an appointment stays with its expert."""
    if seeker.moving is not None and seeker.contact_id is not None:
        moving = await find(tx, _own(seeker.moving, seeker.contact_id))
        if moving is not None:
            return await offers(tx, expert_id=moving.expert_id)
    return await offers(tx, topic, expert_id)


async def _locked_offers(tx: Tx, topic: str, expert_id: int | None, now: datetime) -> list[Offer]:
    """Who can be booked, read again once nobody else can change what they have given away."""
    ids = [offer.expert_id for offer in await offers(tx, topic, expert_id)]
    await lock_experts(tx, ids)
    await _expire(tx, ids, now)
    return [offer for offer in await offers(tx, topic, expert_id) if offer.expert_id in ids]


async def _locked(tx: Tx, appointment_id: int, contact_id: int | None = None) -> Row[Any] | None:
    """A row, only of `contact_id` if given, with its expert locked so that nobody else changes it."""
    which = Appointment.id == appointment_id
    if contact_id is not None:
        await lock_contact(tx, contact_id)
        which = _own(appointment_id, contact_id)
    found = await tx.execute(select(Appointment.expert_id).where(which))
    if (expert_id := found.scalar_one_or_none()) is None:
        return None
    await lock_experts(tx, [expert_id])
    return await find(tx, which)


async def _expire(tx: Tx, ids: Sequence[int], now: datetime) -> int:
    """Lapsed holds give their time back: what the database refuses cannot look at the clock."""
    a = Appointment
    lapsed = update(a).where(a.expert_id.in_(ids), a.status == "held", a.expires_at <= now)
    return (await tx.execute(lapsed.values(status="expired", changed_at=now))).rowcount


async def _drop(tx: Tx, now: datetime, which: ColumnElement[bool]) -> None:
    undecided = update(Appointment).where(which, Appointment.status.in_(UNDECIDED))
    await tx.execute(undecided.values(status="dropped", changed_at=now))


async def _change(tx: Tx, row: Row[Any], now: datetime, **values: Any) -> None:
    """Change the row as it was read under its expert's lock."""
    same = update(Appointment).where(Appointment.id == row.id, Appointment.version == row.version)
    changed = await tx.execute(same.values(changed_at=now, **values))
    assert changed.rowcount == 1, "nobody else changes it under this lock"


async def _details(tx: Tx, contact_id: int, topic: str) -> dict[str, str | None]:
    """What the person typed into an earlier hold, else what they said when they last booked."""
    columns = (Contact.name, Contact.company, Contact.contact_details)
    profile = (await tx.execute(select(*columns).where(Contact.id == contact_id))).one()
    fields = tuple(getattr(Appointment, field) for field in LIMITS)
    mine = (Appointment.contact_id == contact_id, Appointment.confirmed_at.is_(None))
    typed = select(Appointment.topic, *fields).where(*mine).order_by(Appointment.id.desc()).limit(1)
    earlier = (await tx.execute(typed)).first()
    details = {**profile._mapping, "question": None}
    if earlier is not None:
        details |= {field: text for field in LIMITS if (text := earlier._mapping[field])}
        details["question"] = earlier.question if earlier.topic == topic else None
    return details


async def _save_profile(tx: Tx, row: Row[Any]) -> None:
    """What was said now prefills the next booking."""
    fields = ("name", "company", "contact_details")
    said = {field: row._mapping[field] for field in fields if row._mapping[field]}
    if said:
        await tx.execute(update(Contact).where(Contact.id == row.contact_id).values(said))


def _own(appointment_id: int, contact_id: int) -> ColumnElement[bool]:
    return (Appointment.id == appointment_id) & (Appointment.contact_id == contact_id)


def _is_live(row: Row[Any], now: datetime) -> bool:
    return bool(row.status == "held" and row.expires_at > now)


def _next(row: Row[Any]) -> dict[str, int]:
    return {"version": row.version + 1, "sequence": row.sequence + 1}


def _times(rules: Rules, start: datetime) -> dict[str, datetime]:
    end = start + rules.length
    return {
        "starts_at": start,
        "ends_at": end,
        "busy_from": start - rules.before,
        "busy_to": end + rules.after,
    }


def _only_overlap(error: IntegrityError) -> None:
    """Swallows the database's word that a slot overlaps another; any other complaint is a fault of ours."""
    if "overlap" not in str(error.orig):
        raise error


def _latest(of: Sequence[Offer], now: datetime) -> datetime:
    return max((offer.latest(now) for offer in of), default=now)


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _local_date(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
