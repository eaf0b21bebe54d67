"""Tables of the answering side."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Id

PUBLISHED = text("state = 'published'")
DRAFT = text("state = 'draft'")


class EntryRevision(Base):
    """The whole of one entry id at one time: `content` lists its versions, each as `written` gives it.

    An empty `content` retires the entry. Every id has one published revision; the one before it is `superseded`, as is
    a draft that went into a later one. `origin` is shipped (this software's own text) or local. `based_on` is the
    published revision that the writer saw. `digest` tells contents apart. No author: shipped, or the command line.
    """

    __tablename__ = "entry_revision"
    __table_args__ = (
        CheckConstraint("origin IN ('shipped', 'local')", name="origin"),
        CheckConstraint("state IN ('draft', 'published', 'superseded', 'discarded')", name="state"),
        Index("ix_entry_revision_entry_id", "entry_id", "id"),
        Index("ix_entry_revision_drafts", "id", sqlite_where=DRAFT, postgresql_where=DRAFT),
        Index(
            "uq_entry_revision_one_published",
            "entry_id",
            unique=True,
            sqlite_where=PUBLISHED,
            postgresql_where=PUBLISHED,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    entry_id: Mapped[str]
    origin: Mapped[str]
    state: Mapped[str]
    based_on: Mapped[int | None] = mapped_column(Id)
    content: Mapped[list[Any]]
    digest: Mapped[str]
    note: Mapped[str] = mapped_column(Text)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime]
    published_by: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="SET NULL"), index=True)
    published_at: Mapped[datetime | None]


class KnowledgeState(Base):
    """One row. Every publication raises `version`, so that replicas see in one look whether anything changed.

    `shipped` is the digest of the shipped files that were last merged.
    """

    __tablename__ = "knowledge_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]
    shipped: Mapped[str]


class KnowledgeModel(Base):
    """The fitted head of the engine for one content, by the content's `key`; `head` is empty until it is fitted.

    `owner` fits it until `lease_until`, on the database's clock; after a failure nobody does until then.
    """

    __tablename__ = "knowledge_model"

    key: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    lease_until: Mapped[float]
    failures: Mapped[int]
    head_id: Mapped[str | None]
    head: Mapped[bytes | None] = mapped_column(LargeBinary)
    stored_at: Mapped[datetime | None]


class AskedQuestion(Base):
    """A question and what became of it: `outcome` is answer, suggest or decline; `entry_id` what was shown.

    `text`, `locale`, `context` (the entry answered just before) and `model` (the engine that decided) are what it takes
    to repeat the decision; `features` and `considered` are its evidence, each entry considered with its confidence
    and why. `asked_in` is the update that brought the question: handling it again changes nothing.
    """

    __tablename__ = "asked_question"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    asked_in: Mapped[int] = mapped_column(BigInteger, unique=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    asked_at: Mapped[datetime] = mapped_column(index=True)
    text: Mapped[str] = mapped_column(Text)
    locale: Mapped[str]
    outcome: Mapped[str]
    entry_id: Mapped[str | None]
    confidence: Mapped[float | None]
    model: Mapped[str]
    helpful: Mapped[bool | None]
    context: Mapped[str | None]
    features: Mapped[dict[str, Any] | None]
    considered: Mapped[list[Any] | None]


class LastShown(Base):
    """The entry that a contact opened last, by a button or a link, since they last asked: the next question may go on
    from it. What answered a question stands with the question.
    """

    __tablename__ = "last_shown"

    contact_id: Mapped[int] = mapped_column(
        Id, ForeignKey("contact.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    entry_id: Mapped[str]
    shown_at: Mapped[datetime]


class DealtMiss(Base):
    """A question without a good answer that a curator has dealt with, once.

    `revision_id` is the draft made of it; when that is discarded, the question is open again.
    """

    __tablename__ = "dealt_miss"
    __table_args__ = (CheckConstraint("how IN ('phrasing', 'entry', 'desk', 'aside')", name="how"),)

    question_id: Mapped[int] = mapped_column(
        Id, ForeignKey("asked_question.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    how: Mapped[str]
    revision_id: Mapped[int | None] = mapped_column(ForeignKey("entry_revision.id", ondelete="SET NULL"), index=True)
    dealt_by: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="SET NULL"), index=True)
    dealt_at: Mapped[datetime]


class Wish(Base):
    """The asker agreed, in `locale`, to be told when their question has an answer.

    It stands until it is withdrawn or `settled_at`: the message is owed then, or a person at the desk answers.
    `tried_with` is the engine that was last asked.
    """

    __tablename__ = "wish"

    question_id: Mapped[int] = mapped_column(
        Id, ForeignKey("asked_question.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    locale: Mapped[str]
    wished_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    tried_with: Mapped[str | None]
    settled_at: Mapped[datetime | None]
