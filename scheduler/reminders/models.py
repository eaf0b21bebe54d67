"""The table of what people want to be reminded of."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id


class Subscription(Base):
    """Minutes before the start at which a person is reminded of one event, or of all future ones.

    `scope` is "event:12" or "all": it makes the pair unique, which a nullable column cannot. The
    row of one event outranks the row of all; no offsets means that the person wants none.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("contact_id", "scope"),
        Index("ix_subscription_scope", "scope"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    event_id: Mapped[int | None] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str]
    offsets: Mapped[list[Any]]
    at: Mapped[datetime]
