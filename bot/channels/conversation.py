"""Where a conversation stands, replayed when an update is handled again.

A process can die after a dialog moved on and before its update was marked done. Handling the update a second time
must see what the first time saw, or the text typed for one field would fall into the next. So each row keeps
the state from before the update that changed it last, and shows it to that update alone.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from bot.outbox.port import ChatRef
from bot.storage import Base, Json, Tx


@dataclass(slots=True)
class Handling:
    """The handling of one update; `changed` once it wrote state itself."""

    update_id: int
    changed: bool = False


handling: ContextVar[Handling | None] = ContextVar("handling", default=None)


@dataclass(frozen=True, slots=True)
class Standing:
    """The step of a dialog, if any, what was gathered so far, and since when it stands there."""

    state: str | None
    data: Mapping[str, Any]
    since: datetime | None = None


NOWHERE = Standing(None, {})


class Conversation(Base):
    __tablename__ = "conversation"

    bot_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    chat_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[str | None]
    data: Mapped[dict[str, Any]]
    changed_by: Mapped[int | None] = mapped_column(BigInteger)
    state_before: Mapped[str | None]
    data_before: Mapped[dict[str, Any] | None] = mapped_column(Json)
    since: Mapped[datetime | None]
    since_before: Mapped[datetime | None]


async def standing(tx: Tx, chat: ChatRef) -> Standing:
    """Where the conversation stands for the update being handled."""
    return _visible(await _row(tx, chat))


async def move(tx: Tx, chat: ChatRef, after: Standing) -> None:
    """The conversation stands there now."""
    row, this = await _row(tx, chat), handling.get()
    again = row is not None and this is not None and row.changed_by == this.update_id
    before = _before(row) if row and again else _visible(row)
    values = {
        "state": after.state,
        "data": dict(after.data),
        "changed_by": this.update_id if this else None,
        "state_before": before.state,
        "data_before": dict(before.data),
        "since": after.since,
        "since_before": before.since,
    }
    if row is None:
        new = insert(Conversation).values(bot_id=chat.bot_id, chat_id=chat.chat_id, **values)
        await tx.execute(new)
    else:
        await tx.execute(update(Conversation).where(_is(chat)).values(**values))
    if this:
        this.changed = True


async def look(tx: Tx, chat: ChatRef) -> tuple[Standing, Standing]:
    """Where the conversation stands for the update being handled, and for all later ones."""
    row = await _row(tx, chat)
    return _visible(row), NOWHERE if row is None else Standing(row.state, row.data, row.since)


async def forget(tx: Tx, chat: ChatRef) -> None:
    await tx.execute(delete(Conversation).where(_is(chat)))


_ROW = select(Conversation.__table__).where(
    Conversation.bot_id == bindparam("bot"), Conversation.chat_id == bindparam("chat")
)
"""Built once, as every update asks it."""


async def _row(tx: Tx, chat: ChatRef) -> Row[Any] | None:
    return (await tx.execute(_ROW, {"bot": chat.bot_id, "chat": chat.chat_id})).first()


def _visible(row: Row[Any] | None) -> Standing:
    """What the present handling may see: where things stood before itself, until it moves them."""
    if row is None:
        return NOWHERE
    this = handling.get()
    if this is not None and row.changed_by == this.update_id and not this.changed:
        return _before(row)
    return Standing(row.state, row.data, row.since)


def _before(row: Row[Any]) -> Standing:
    return Standing(row.state_before, row.data_before or {}, row.since_before)


def _is(chat: ChatRef) -> Any:
    return (Conversation.bot_id == chat.bot_id) & (Conversation.chat_id == chat.chat_id)
