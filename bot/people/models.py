"""Tables of people. A contact is a person; a chat is where a channel reaches them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id


class Contact(Base):
    """`locale` and `zone` are what the person is addressed in; the profile prefills the next booking."""

    __tablename__ = "contact"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    locale: Mapped[str]
    zone: Mapped[str]
    name: Mapped[str | None]
    company: Mapped[str | None]
    contact_details: Mapped[str | None]


class Chat(Base):
    """One private chat of one bot. `blocked_at` says since when it cannot be written to."""

    __tablename__ = "chat"
    __table_args__ = (UniqueConstraint("bot_id", "chat_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    bot_id: Mapped[int] = mapped_column(BigInteger)
    chat_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    blocked_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime]


class Role(Base):
    """`admin`, `expert` or `curator`; admins are curators too."""

    __tablename__ = "role"

    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    granted_at: Mapped[datetime]


class Invitation(Base):
    """A one-time link; only the hash of its token is kept."""

    __tablename__ = "invitation"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    expert_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="SET NULL"))


class Consent(Base):
    """What a person agreed to: which version of the text, in which language, when."""

    __tablename__ = "consent"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str]
    version: Mapped[str]
    locale: Mapped[str]
    given_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class AuditRecord(Base):
    """What staff did. Outlives the people in it: `actor_id` is no foreign key, details hold ids only."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(Id)
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]]
