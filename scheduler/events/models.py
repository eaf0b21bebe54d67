"""Tables of events and of who comes."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id


class Event(Base):
    """A forum or a training.

    Its time is what the clock on the wall shows in `zone` (`starts_local`, `ends_local`: ISO text
    without offset); the instants are derived and recomputed when the rules of a zone change. Texts
    are {"en": ..., "zh-Hans": ..., "zh-Hant": ...}. `revision` grows with every change and is the
    calendar entry's SEQUENCE.
    """

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint("kind IN ('forum', 'training')", name="kind"),
        CheckConstraint("status IN ('published', 'cancelled')", name="status"),
        CheckConstraint("capacity > 0", name="capacity"),
        Index("ix_event_ends_at", "ends_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(default="published")
    title: Mapped[dict[str, Any]]
    summary: Mapped[dict[str, Any]]
    description: Mapped[dict[str, Any]]
    venue: Mapped[dict[str, Any]]
    online_url: Mapped[str | None]
    starts_local: Mapped[str]
    ends_local: Mapped[str]
    zone: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    capacity: Mapped[int | None]
    revision: Mapped[int] = mapped_column(default=0)
    sample: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class Registration(Base):
    """A person's place at an event: `registered` or `cancelled`, since `at`."""

    __tablename__ = "registration"
    __table_args__ = (
        CheckConstraint("state IN ('registered', 'cancelled')", name="state"),
        Index("ix_registration_contact_id", "contact_id"),
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str]
    at: Mapped[datetime]
