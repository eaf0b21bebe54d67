"""Tables of messages owed."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id

PENDING = text("state = 'pending'")
NEEDS_A_LOOK = text("state IN ('dead', 'uncertain')")
IN_FLIGHT = text("state IN ('leased', 'started')")


class OutboxRow(Base):
    """One message owed to one contact.

    `due_at` moves when a send is tried again, `planned_at` keeps what was asked for. `lease_until` is in seconds of
    the database's clock. `started_at`, `bot_id` and `chat_id` are written before the send, `message_id` after it.
    `in_doubt` says that a copy may have gone out without our knowing.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "due_at", "id", sqlite_where=PENDING, postgresql_where=PENDING),
        Index("ix_outbox_look", "planned_at", sqlite_where=NEEDS_A_LOOK, postgresql_where=NEEDS_A_LOOK),
        Index("ix_outbox_in_flight", "contact_id", sqlite_where=IN_FLIGHT, postgresql_where=IN_FLIGHT),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    subject: Mapped[str] = mapped_column(index=True)
    key: Mapped[str] = mapped_column(unique=True)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    planned_at: Mapped[datetime]
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="pending", server_default="pending")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    in_doubt: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    lease_until: Mapped[float | None]
    lease_token: Mapped[str | None]
    started_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    bot_id: Mapped[int | None] = mapped_column(BigInteger)
    chat_id: Mapped[int | None] = mapped_column(BigInteger)
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[str | None]


class OutboxPause(Base):
    """Until when a contact is left alone because the other side asked us to slow down."""

    __tablename__ = "outbox_pause"

    contact_id: Mapped[int] = mapped_column(
        ForeignKey("contact.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    until: Mapped[datetime]
