"""Tables of the web chat: chats, their messages and documents, pressed buttons, and what the bot says of itself.

`seq` counts the changes of one chat: a new, edited or deleted message takes the chat's next number, so that a page
catches up by asking for everything above the last number it has seen.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id, Json


class WebChat(Base):
    """One visitor's chat; `visitor` is the random name in the signed cookie."""

    __tablename__ = "web_chat"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    visitor: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    locale: Mapped[str]
    last_message_id: Mapped[int] = mapped_column(default=0)
    last_seq: Mapped[int] = mapped_column(default=0)
    blocked: Mapped[bool] = mapped_column(default=False)


class WebDocument(Base):
    __tablename__ = "web_document"

    file_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    mime: Mapped[str]
    size: Mapped[int]
    data: Mapped[bytes]


class WebMessage(Base):
    """`markup` is Telegram's JSON of the keyboard; `html` is what the page shows. A deleted message keeps its numbers
    only. `client_key` comes from the page, `send_key` from whoever sends: each makes a repetition harmless."""

    __tablename__ = "web_message"
    __table_args__ = (
        UniqueConstraint("chat_id", "client_key"),
        UniqueConstraint("chat_id", "send_key"),
        Index("ix_web_message_changes", "chat_id", "seq"),
    )

    chat_id: Mapped[int] = mapped_column(ForeignKey("web_chat.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int]
    from_bot: Mapped[bool]
    date: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    deleted: Mapped[bool] = mapped_column(default=False)
    text: Mapped[str]
    entities: Mapped[list[Any]]
    html: Mapped[str]
    markup: Mapped[dict[str, Any] | None]
    file_id: Mapped[str | None] = mapped_column(ForeignKey("web_document.file_id"), index=True)
    file_name: Mapped[str | None]
    file_mime: Mapped[str | None]
    file_size: Mapped[int | None]
    client_key: Mapped[str | None]
    send_key: Mapped[str | None]


class WebCallback(Base):
    """A pressed button. Answered once, and only for a while after `created_at`: `answer` has `text`, `alert`, `url`."""

    __tablename__ = "web_callback"
    __table_args__ = (
        UniqueConstraint("chat_id", "client_key"),
        ForeignKeyConstraint(
            ["chat_id", "message_id"],
            ["web_message.chat_id", "web_message.message_id"],
            ondelete="CASCADE",
        ),
        Index("ix_web_callback_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    chat_id: Mapped[int] = mapped_column(Id)
    message_id: Mapped[int]
    client_key: Mapped[str]
    created_at: Mapped[datetime]
    answer: Mapped[dict[str, Any] | None] = mapped_column(Json)


class WebProfile(Base):
    """What the bot shows of itself: commands, names, descriptions, the menu button.

    `scope` is Telegram's name of a command scope, with ":chat id" where it has one, and "" for the other kinds;
    `language` has two letters, or none for everyone.
    """

    __tablename__ = "web_profile"

    kind: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[list[Any]]
