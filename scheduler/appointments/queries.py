"""What is kept of experts and appointments, read as values; and the one path that says what is free."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, update

from bot.people.models import Contact
from bot.storage import Tx
from scheduler.appointments.availability import (
    EPOCH,
    Busy,
    Reason,
    Rules,
    busy_span,
    free_starts,
    why_not,
)
from scheduler.appointments.models import Appointment, Expert, ExpertHours, ExpertOverride
from scheduler.appointments.values import AppointmentView, ExpertCard, HoldView


@dataclass(frozen=True, slots=True)
class Seeker:
    """Who looks for time, and at which instant. Their own hold, and their appointment `moving`, block nothing."""

    now: datetime
    contact_id: int | None = None
    moving: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """An expert who can be booked, with their rules."""

    card: ExpertCard
    rules: Rules

    @property
    def expert_id(self) -> int:
        return self.card.id

    def latest(self, now: datetime) -> datetime:
        """No start is later than this."""
        return now + (self.rules.window or timedelta())


async def offers(tx: Tx, topic: str | None = None, expert_id: int | None = None) -> list[Offer]:
    """Active experts, all or those of a topic, or the one named (who must speak on the topic, if given)."""
    wanted = select(Expert.__table__).where(Expert.active).order_by(Expert.id)
    if expert_id is not None:
        wanted = wanted.where(Expert.id == expert_id)
    rows = [row for row in await tx.execute(wanted) if topic is None or topic in row.topics]
    return await _with_rules(tx, rows)


async def offer_of(tx: Tx, expert_id: int) -> Offer | None:
    """The expert with their rules, active or not: a slot already given out stays theirs."""
    rows = (await tx.execute(select(Expert.__table__).where(Expert.id == expert_id))).all()
    return next(iter(await _with_rules(tx, rows)), None)


async def _with_rules(tx: Tx, rows: Sequence[Row[Any]]) -> list[Offer]:
    ids = [row.id for row in rows]
    weekly: dict[int, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for hours in await tx.execute(select(ExpertHours.__table__).where(ExpertHours.expert_id.in_(ids))):
        weekly[hours.expert_id][hours.weekday].append((hours.start_minute, hours.end_minute))
    special: dict[int, dict[Any, list[tuple[int, int]]]] = defaultdict(dict)
    for day in await tx.execute(select(ExpertOverride.__table__).where(ExpertOverride.expert_id.in_(ids))):
        special[day.expert_id][day.day] = [(start, end) for start, end in day.windows]
    return [Offer(_card(row), _rules(row, weekly[row.id], special[row.id])) for row in rows]


def _rules(row: Row[Any], weekly: Mapping[int, Any], overrides: Mapping[Any, Any]) -> Rules:
    def minutes(number: int) -> timedelta:
        return timedelta(minutes=number)

    return Rules(
        zone_periods=[(EPOCH, row.zone)],
        weekly=weekly,
        overrides=overrides,
        length=minutes(row.length),
        interval=minutes(row.grid),
        before=minutes(row.buffer_before),
        after=minutes(row.buffer_after),
        notice=minutes(row.notice),
        window=timedelta(days=row.window_days),
        per_day=row.per_day,
        per_week=row.per_week,
    )


def _card(row: Row[Any], prefix: str = "") -> ExpertCard:
    columns = row._mapping
    return ExpertCard(
        id=columns[f"{prefix}id"],
        name=columns[f"{prefix}name"],
        title=columns[f"{prefix}title"],
        bio=columns[f"{prefix}bio"],
        languages=tuple(columns[f"{prefix}languages"]),
        topics=tuple(columns[f"{prefix}topics"]),
        zone=columns[f"{prefix}zone"],
        length=timedelta(minutes=columns[f"{prefix}length"]),
        sample=columns[f"{prefix}sample"],
    )


# What is free: lists and bookings ask here


async def free(tx: Tx, offer: Offer, since: datetime, until: datetime, seeker: Seeker) -> list[datetime]:
    """The starts of one expert in [since, until)."""
    until = min(until, offer.latest(seeker.now) + timedelta(seconds=1))
    if until <= since:
        return []
    taken = await _busy(tx, offer, since, until, seeker)
    return free_starts(offer.rules, taken, seeker.now, since, until)


async def free_of_any(tx: Tx, of: Iterable[Offer], since: datetime, until: datetime, seeker: Seeker) -> list[datetime]:
    """The starts at which at least one of the experts is free, in order."""
    since = max(since, seeker.now)
    starts = {start for offer in of for start in await free(tx, offer, since, until, seeker)}
    return sorted(starts)


async def refusal(tx: Tx, offer: Offer, start: datetime, seeker: Seeker) -> Reason | None:
    """Why the expert cannot be booked at this start; None: they can."""
    now = seeker.now
    if not now < start <= offer.latest(now):
        return why_not(offer.rules, (), now, start)
    taken = await _busy(tx, offer, start, start + timedelta(seconds=1), seeker)
    return why_not(offer.rules, taken, now, start)


async def _busy(tx: Tx, offer: Offer, since: datetime, until: datetime, seeker: Seeker) -> list[Busy]:
    first, last = busy_span(offer.rules, since, until)
    a = Appointment
    taken = (
        select(a.starts_at, a.ends_at, a.busy_from, a.busy_to)
        .where(a.expert_id == offer.expert_id, a.busy_to > first, a.busy_from < last)
        .where(_takes_time(seeker))
    )
    return [
        Busy(
            row.starts_at,
            row.ends_at,
            row.starts_at - row.busy_from,
            row.busy_to - row.ends_at,
            True,
        )
        for row in await tx.execute(taken)
    ]


def _takes_time(seeker: Seeker) -> ColumnElement[bool]:
    a = Appointment
    live_hold = and_(a.status == "held", a.expires_at > seeker.now)
    live = or_(a.status == "confirmed", live_hold)
    if seeker.contact_id is None:
        return live
    others = or_(a.contact_id.is_(None), a.contact_id != seeker.contact_id)
    return and_(live, or_(others, and_(a.status != "held", a.id.is_distinct_from(seeker.moving))))


async def fairest_first(tx: Tx, of: Collection[Offer], seeker: Seeker) -> list[Offer]:
    """Whoever has the fewest appointments ahead comes first, then whoever has been here longest."""
    ids = [offer.expert_id for offer in of]
    ahead = (
        select(Appointment.expert_id, func.count())
        .where(Appointment.expert_id.in_(ids), Appointment.starts_at > seeker.now)
        .where(_takes_time(seeker))
        .group_by(Appointment.expert_id)
    )
    load = {row[0]: row[1] for row in await tx.execute(ahead)}
    return sorted(of, key=lambda offer: (load.get(offer.expert_id, 0), offer.expert_id))


# Locks. Everyone takes them in this order: contact, experts by id, appointments.


async def lock_contact(tx: Tx, contact_id: int) -> None:
    """Two dialogs of one person follow each other."""
    row = select(Contact.id).where(Contact.id == contact_id)
    await tx.execute(row.with_for_update(key_share=True))


async def lock_experts(tx: Tx, ids: Iterable[int]) -> None:
    """Before anything of an expert's time is read to be given away."""
    for expert_id in sorted(set(ids)):
        await tx.execute(update(Expert).where(Expert.id == expert_id).values(seq=Expert.seq + 1))


# Holds and appointments as values

_EXPERT = "of_expert_"
_COLUMNS = (
    *Appointment.__table__.c,
    *(column.label(f"{_EXPERT}{column.key}") for column in Expert.__table__.c),
)


def joined() -> Select[Any]:
    """Rows of appointments with their experts, for `hold_view` and `appointment_view`."""
    return select(*_COLUMNS).join(Expert, Expert.id == Appointment.expert_id)


async def find(tx: Tx, *conditions: ColumnElement[bool]) -> Row[Any] | None:
    row: Row[Any] | None = (await tx.execute(joined().where(*conditions))).first()
    return row


async def known(tx: Tx, appointment_id: int) -> Row[Any]:
    """A row written in this transaction."""
    row: Row[Any] = (await tx.execute(joined().where(Appointment.id == appointment_id))).one()
    return row


async def appointments(tx: Tx, *conditions: ColumnElement[bool]) -> list[AppointmentView]:
    """What was booked, cancelled ones included, soonest first; holds are none."""
    booked = joined().where(Appointment.confirmed_at.is_not(None), *conditions)
    rows = await tx.execute(booked.order_by(Appointment.starts_at, Appointment.id))
    return [appointment_view(row) for row in rows]


def hold_view(row: Row[Any]) -> HoldView:
    return HoldView(
        id=row.id,
        expert=_card(row, _EXPERT),
        topic=row.topic,
        start=row.starts_at,
        end=row.ends_at,
        expires_at=row.expires_at,
        any_expert=row.any_expert,
        name=row.name,
        company=row.company,
        contact_details=row.contact_details,
        question=row.question,
    )


def appointment_view(row: Row[Any]) -> AppointmentView:
    columns = row._mapping
    return AppointmentView(
        id=row.id,
        expert=_card(row, _EXPERT),
        topic=row.topic,
        start=row.starts_at,
        end=row.ends_at,
        status=row.status,
        version=row.version,
        sequence=row.sequence,
        any_expert=row.any_expert,
        meeting_info=columns[f"{_EXPERT}meeting_info"],
        name=row.name,
        company=row.company,
        contact_details=row.contact_details,
        question=row.question,
        cancelled_by=row.cancelled_by,
        created_at=row.created_at,
        changed_at=row.changed_at,
        contact_id=row.contact_id,
        expert_contact_id=columns[f"{_EXPERT}contact_id"],
    )
