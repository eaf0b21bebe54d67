"""The table of the desk."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id


class DeskQuestion(Base):
    """`status` goes from `open` to `answered` or `closed`, once. `asked_in` is the update that brought it."""

    __tablename__ = "desk_question"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    asked_in: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    asked_at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(index=True)
    reply: Mapped[str | None] = mapped_column(Text)
    replied_by: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="SET NULL"))
    replied_at: Mapped[datetime | None]
