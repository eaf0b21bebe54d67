"""Tables of the answering side."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id


class AskedQuestion(Base):
    """A question and what became of it: `outcome` is answer, suggest or decline; `entry_id` what was shown.

    `model` names the engine that decided, so that every decision can be repeated. `asked_in` is the update that
    brought the question: handling it again changes nothing.
    """

    __tablename__ = "asked_question"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    asked_in: Mapped[int] = mapped_column(BigInteger, unique=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    asked_at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)
    locale: Mapped[str]
    outcome: Mapped[str]
    entry_id: Mapped[str | None]
    confidence: Mapped[float | None]
    model: Mapped[str]
    helpful: Mapped[bool | None]
