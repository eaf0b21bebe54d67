"""aiogram's view of where conversations stand. Private chats only, so the user is the chat."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiogram.fsm.state import State
from aiogram.fsm.storage.base import BaseStorage, StateType, StorageKey

from bot.channels.conversation import Standing, look, move, standing
from bot.clock import Clock
from bot.outbox.port import ChatRef
from bot.storage import Database


class ConversationStorage(BaseStorage):
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def get_state(self, key: StorageKey) -> str | None:
        return (await self._standing(key)).state

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        return dict((await self._standing(key)).data)

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        name = state.state if isinstance(state, State) else state
        await self._move(key, lambda now: self._standing_now(name, now.data))

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        await self._move(key, lambda now: self._standing_now(now.state, dict(data)))

    async def since(self, key: StorageKey) -> datetime | None:
        """When the dialog's last step began; None outside of dialogs."""
        return (await self._standing(key)).since

    def _standing_now(self, state: str | None, data: Mapping[str, Any]) -> Standing:
        return Standing(state, data, None if state is None else self._clock.now())

    async def _move(self, key: StorageKey, to: Callable[[Standing], Standing]) -> None:
        """Write only what changes something: most dialogs that are left were never begun.

        One update of a chat is handled at a time, so nothing moves between looking and writing.
        """
        async with self._db.read() as tx:
            now, kept = await look(tx, _chat(key))
        there = to(now)
        if there == now == kept:
            return
        async with self._db.write() as tx:
            await move(tx, _chat(key), there)

    async def _standing(self, key: StorageKey) -> Standing:
        async with self._db.read() as tx:
            return await standing(tx, _chat(key))

    async def close(self) -> None:
        """The database is closed by whoever opened it."""


def _chat(key: StorageKey) -> ChatRef:
    return ChatRef(key.bot_id, key.chat_id)
