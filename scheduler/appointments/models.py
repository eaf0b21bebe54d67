"""Tables of experts and their appointments, and the rule of the database that no two of one expert overlap.

The texts of that rule are constants, as the migration that makes the tables repeats them.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import DDL, BigInteger, CheckConstraint, ForeignKey, Index, event, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id, Json

HELD = text("status = 'held'")


class Expert(Base):
    """Somebody who can be booked. Durations are minutes, `name`, `title`, `bio` and `meeting_info` are localized.

    `seq` is bumped first by every transaction that gives away or frees time of this expert: that locks the row.
    """

    __tablename__ = "expert"
    __table_args__ = (
        CheckConstraint("length > 0 AND grid > 0", name="length"),
        CheckConstraint("buffer_before >= 0 AND buffer_after >= 0", name="buffers"),
        CheckConstraint("notice >= 0 AND window_days > 0", name="horizon"),
        CheckConstraint("per_day > 0 AND per_week > 0", name="limits"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[dict[str, Any]]
    title: Mapped[dict[str, Any]]
    bio: Mapped[dict[str, Any]]
    languages: Mapped[list[Any]]
    topics: Mapped[list[Any]]
    zone: Mapped[str]
    length: Mapped[int]
    grid: Mapped[int]
    buffer_before: Mapped[int]
    buffer_after: Mapped[int]
    notice: Mapped[int]
    window_days: Mapped[int]
    per_day: Mapped[int | None]
    per_week: Mapped[int | None]
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="SET NULL"), index=True)
    meeting_info: Mapped[dict[str, Any] | None]
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    sample: Mapped[bool] = mapped_column(default=False, server_default=false())
    seq: Mapped[int] = mapped_column(default=0, server_default="0")


class ExpertHours(Base):
    """A weekly window in local minutes since 00:00; weekday 0 is Monday, 1440 is 24:00."""

    __tablename__ = "expert_hours"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("0 <= start_minute AND start_minute < end_minute AND end_minute <= 1440", name="window"),
    )

    expert_id: Mapped[int] = mapped_column(ForeignKey("expert.id", ondelete="CASCADE"), primary_key=True)
    weekday: Mapped[int] = mapped_column(primary_key=True)
    start_minute: Mapped[int] = mapped_column(primary_key=True)
    end_minute: Mapped[int]


class ExpertOverride(Base):
    """What replaces the weekly windows of one local date: [[540, 720], ...]; an empty list closes the day."""

    __tablename__ = "expert_override"

    expert_id: Mapped[int] = mapped_column(ForeignKey("expert.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    windows: Mapped[list[Any]] = mapped_column(Json)


class Appointment(Base):
    """A slot of an expert: held while a person fills in, then confirmed; the same row through every move.

    `busy_from` and `busy_to` are the slot with its buffers. A hold that lapsed is `expired`, one given back is
    `dropped`. `held_in` is the update that made the hold. Whoever erases their data leaves the row without a name.
    """

    __tablename__ = "appointment"
    __table_args__ = (
        CheckConstraint("status IN ('held', 'confirmed', 'cancelled', 'expired', 'dropped')", name="status"),
        CheckConstraint("cancelled_by IN ('owner', 'expert')", name="cancelled_by"),
        CheckConstraint("busy_from <= starts_at AND starts_at < ends_at AND ends_at <= busy_to", name="times"),
        Index("ix_appointment_expert_id_busy_to", "expert_id", "busy_to"),
        Index(
            "uq_appointment_one_hold_each",
            "contact_id",
            unique=True,
            sqlite_where=HELD,
            postgresql_where=HELD,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    expert_id: Mapped[int] = mapped_column(ForeignKey("expert.id"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="SET NULL"), index=True)
    topic: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    busy_from: Mapped[datetime]
    busy_to: Mapped[datetime]
    status: Mapped[str]
    expires_at: Mapped[datetime]
    version: Mapped[int]
    sequence: Mapped[int]
    any_expert: Mapped[bool]
    name: Mapped[str | None]
    company: Mapped[str | None]
    contact_details: Mapped[str | None]
    question: Mapped[str | None]
    locale: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]
    held_in: Mapped[int | None] = mapped_column(BigInteger, unique=True)


# No two live rows of one expert overlap, buffers included. PostgreSQL: an exclusion over two ranges, which needs no
# extension. SQLite, which has one writer at a time: triggers. Both raise IntegrityError.

NO_OVERLAP_POSTGRESQL = """
ALTER TABLE appointment ADD CONSTRAINT ex_appointment_no_overlap EXCLUDE USING gist (
    int8range(expert_id, expert_id, '[]') WITH &&,
    tstzrange(busy_from, busy_to) WITH &&
) WHERE (status IN ('held', 'confirmed'))
"""

NO_OVERLAP_SQLITE_INSERT = """
CREATE TRIGGER tr_appointment_no_overlap_insert BEFORE INSERT ON appointment
WHEN NEW.status IN ('held', 'confirmed')
BEGIN
    SELECT RAISE(ABORT, 'appointments overlap') WHERE EXISTS (
        SELECT 1 FROM appointment
        WHERE expert_id = NEW.expert_id AND status IN ('held', 'confirmed')
        AND busy_to > NEW.busy_from AND busy_from < NEW.busy_to
    );
END
"""

NO_OVERLAP_SQLITE_UPDATE = """
CREATE TRIGGER tr_appointment_no_overlap_update
BEFORE UPDATE OF expert_id, busy_from, busy_to, status ON appointment
WHEN NEW.status IN ('held', 'confirmed')
BEGIN
    SELECT RAISE(ABORT, 'appointments overlap') WHERE EXISTS (
        SELECT 1 FROM appointment
        WHERE id <> NEW.id AND expert_id = NEW.expert_id AND status IN ('held', 'confirmed')
        AND busy_to > NEW.busy_from AND busy_from < NEW.busy_to
    );
END
"""

NO_OVERLAP = (
    ("postgresql", NO_OVERLAP_POSTGRESQL),
    ("sqlite", NO_OVERLAP_SQLITE_INSERT),
    ("sqlite", NO_OVERLAP_SQLITE_UPDATE),
)
"""Dialect and statement, for the migration that makes the table."""

for _dialect, _rule in NO_OVERLAP:
    _ddl = DDL(_rule).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
    event.listen(Appointment.__table__, "after_create", _ddl)
