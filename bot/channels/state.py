"""Conversation state in the database, replayed when an update is handled again.

A process can die after a dialog moved on and before its update was marked done. Handling the update a second time
must see what the first time saw, or the text typed for one field would fall into the next. So each row keeps
the state from before the update that changed it last, and shows it to that update alone.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aiogram.fsm.state import State
from aiogram.fsm.storage.base import BaseStorage, StateType, StorageKey
from sqlalchemy import BigInteger, Row, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage import Base, Database, Json, Tx


@dataclass(slots=True)
class Handling:
    """The handling of one update; `changed` once it wrote state itself."""

    update_id: int
    changed: bool = False


handling: ContextVar[Handling | None] = ContextVar("handling", default=None)


class Conversation(Base):
    __tablename__ = "conversation"

    bot_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    chat_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[str | None]
    data: Mapped[dict[str, Any]]
    changed_by: Mapped[int | None] = mapped_column(BigInteger)
    state_before: Mapped[str | None]
    data_before: Mapped[dict[str, Any] | None] = mapped_column(Json)


Snapshot = tuple[str | None, dict[str, Any]]


class ConversationStorage(BaseStorage):
    """aiogram's storage over the table `conversation`; private chats only, so the user is the chat."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get_state(self, key: StorageKey) -> str | None:
        return (await self._get(key))[0]

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        return (await self._get(key))[1]

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        name = state.state if isinstance(state, State) else state
        async with self._db.write() as tx:
            _, data = _visible(await self._row(tx, key))
            await self._put(tx, key, (name, data))

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        async with self._db.write() as tx:
            state, _ = _visible(await self._row(tx, key))
            await self._put(tx, key, (state, dict(data)))

    async def _get(self, key: StorageKey) -> Snapshot:
        async with self._db.read() as tx:
            return _visible(await self._row(tx, key))

    async def _row(self, tx: Tx, key: StorageKey) -> Row[Any] | None:
        return (await tx.execute(select(Conversation.__table__).where(_is(key)))).first()

    async def _put(self, tx: Tx, key: StorageKey, after: Snapshot) -> None:
        row, this = await self._row(tx, key), handling.get()
        before = _visible(row) if row is None or this is None or row.changed_by != this.update_id else (
            row.state_before, row.data_before or {}
        )
        values = {
            "state": after[0],
            "data": after[1],
            "changed_by": this.update_id if this else None,
            "state_before": before[0],
            "data_before": before[1],
        }
        if row is None:
            await tx.execute(insert(Conversation).values(bot_id=key.bot_id, chat_id=key.chat_id, **values))
        else:
            await tx.execute(update(Conversation).where(_is(key)).values(**values))
        if this:
            this.changed = True

    async def forget(self, tx: Tx, bot_id: int, chat_id: int) -> None:
        mine = (Conversation.bot_id == bot_id) & (Conversation.chat_id == chat_id)
        await tx.execute(delete(Conversation).where(mine))

    async def close(self) -> None:
        """The database is closed by whoever opened it."""


def _visible(row: Row[Any] | None) -> Snapshot:
    """What the present handling may see: the state from before itself, until it changes it."""
    if row is None:
        return None, {}
    this = handling.get()
    if this is not None and row.changed_by == this.update_id and not this.changed:
        return row.state_before, dict(row.data_before or {})
    return row.state, dict(row.data)


def _is(key: StorageKey) -> Any:
    return (Conversation.bot_id == key.bot_id) & (Conversation.chat_id == key.chat_id)
