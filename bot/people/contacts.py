"""Contacts and the chats that reach them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from bot.clock import Clock
from bot.outbox.port import Address, ChatRef
from bot.people.models import Chat, Contact, Role
from bot.storage import Database, Tx

SEEN_EVERY = timedelta(hours=1)
"""How stale `last_seen_at` may get: a write on every update would buy nothing."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever is on the other side of a chat, as every door knows them."""

    contact_id: int
    locale: str
    zone: str
    roles: frozenset[str]
    chat: ChatRef
    is_new: bool = False
    """Whether this is the first that is heard of them."""

    def is_staff(self) -> bool:
        return bool(self.roles)

    def may(self, role: str) -> bool:
        """Whether the person holds the role; admins hold every one."""
        return role in self.roles or "admin" in self.roles


Follow = Callable[[Tx, ChatRef, str], Awaitable[None]]


async def nobody_follows(tx: Tx, chat: ChatRef, locale: str) -> None:
    """For those who have no channel that shows a language of its own."""


class Contacts:
    """`follow` lets a channel take over a contact's new language, for each of their chats, in the same transaction."""

    def __init__(self, db: Database, clock: Clock, default_zone: str, follow: Follow = nobody_follows) -> None:
        self._db = db
        self._clock = clock
        self._zone = default_zone
        self._follow = follow

    async def known(self, chat: ChatRef) -> Person | None:
        async with self._db.read() as tx:
            return await self._find(tx, chat)

    async def meet(self, chat: ChatRef, locale: str, zone: str | None = None) -> Person:
        """The person behind a chat; made known, with `locale` and `zone` as a first guess, if new."""
        async with self._db.read() as tx:
            rows = (await tx.execute(_PERSON, _named(chat))).all()
        if rows and self._is_fresh(rows[0]):
            return _person(rows, chat)
        async with self._db.write() as tx:
            is_new = await self._find(tx, chat) is None
            if is_new:
                await self._introduce(tx, chat, locale, zone)
            else:
                await self._saw(tx, chat)
            found = await self._find(tx, chat)
        assert found is not None
        return replace(found, is_new=is_new)

    async def _find(self, tx: Tx, chat: ChatRef) -> Person | None:
        rows = (await tx.execute(_PERSON, _named(chat))).all()
        return _person(rows, chat) if rows else None

    def _is_fresh(self, row: Row[*tuple[Any, ...]]) -> bool:
        return row.blocked_at is None and row.last_seen_at > self._clock.now() - SEEN_EVERY

    async def _introduce(self, tx: Tx, chat: ChatRef, locale: str, zone: str | None) -> None:
        now = self._clock.now()
        contact = insert(Contact).values(created_at=now, locale=locale, zone=zone or self._zone)
        contact_id = (await tx.execute(contact.returning(Contact.id))).scalar_one()
        row = {"bot_id": chat.bot_id, "chat_id": chat.chat_id, "created_at": now, "last_seen_at": now}
        await tx.execute(insert(Chat).values(contact_id=contact_id, **row))

    async def _saw(self, tx: Tx, chat: ChatRef) -> None:
        seen = update(Chat).where(_is(chat)).values(last_seen_at=self._clock.now(), blocked_at=None)
        await tx.execute(seen)

    async def speak(self, contact_id: int, locale: str) -> None:
        async with self._db.write() as tx:
            chats = select(Chat.bot_id, Chat.chat_id).where(Chat.contact_id == contact_id).order_by(Chat.id)
            for bot_id, chat_id in (await tx.execute(chats)).all():
                await self._follow(tx, ChatRef(bot_id, chat_id), locale)
            # last, as in erasing: or the two could block each other
            await tx.execute(update(Contact).where(Contact.id == contact_id).values(locale=locale))

    async def live_in(self, contact_id: int, zone: str) -> None:
        async with self._db.write() as tx:
            await tx.execute(update(Contact).where(Contact.id == contact_id).values(zone=zone))

    async def blocked(self, chat: ChatRef) -> None:
        """The person blocked the bot: nothing is sent there until they come back."""
        async with self._db.write() as tx:
            await self.lost(tx, chat, self._clock.now())

    async def unblocked(self, chat: ChatRef) -> None:
        async with self._db.write() as tx:
            await self._saw(tx, chat)

    async def lost(self, tx: Tx, chat: ChatRef, at: datetime) -> None:
        # somebody who came back after `at` is not lost
        still = update(Chat).where(_is(chat), Chat.blocked_at.is_(None), Chat.last_seen_at <= at)
        await tx.execute(still.values(blocked_at=at))

    async def find(self, tx: Tx, contact_id: int) -> Address | None:
        """Where to reach a contact: the chat they used last that has not blocked us."""
        chats = (
            select(Chat.bot_id, Chat.chat_id, Contact.locale, Contact.zone)
            .join(Contact, Contact.id == Chat.contact_id)
            .where(Chat.contact_id == contact_id, Chat.blocked_at.is_(None))
            .order_by(Chat.last_seen_at.desc(), Chat.id.desc())
            .limit(1)
        )
        row = (await tx.execute(chats)).first()
        return Address(ChatRef(row.bot_id, row.chat_id), row.locale, row.zone) if row else None

    async def staff(self, tx: Tx, *roles: str) -> list[int]:
        """Contacts that hold one of the roles, and all admins."""
        holders = select(Role.contact_id).where(Role.role.in_([*roles, "admin"])).distinct()
        return list((await tx.execute(holders.order_by(Role.contact_id))).scalars())

    name = "profile"

    async def export(self, tx: Tx, contact_id: int) -> dict[str, Any]:
        contact = (await tx.execute(select(Contact.__table__).where(Contact.id == contact_id))).one()
        chats = select(Chat.bot_id, Chat.chat_id, Chat.created_at, Chat.last_seen_at, Chat.blocked_at)
        roles = select(Role.role, Role.granted_at).where(Role.contact_id == contact_id)
        return {
            "contact": _plain(contact),
            "chats": [_plain(row) for row in await tx.execute(chats.where(Chat.contact_id == contact_id))],
            "roles": [_plain(row) for row in await tx.execute(roles)],
        }

    async def erase(self, tx: Tx, contact_id: int) -> None:
        await tx.execute(delete(Contact).where(Contact.id == contact_id))


def _is(chat: ChatRef) -> Any:
    return (Chat.bot_id == chat.bot_id) & (Chat.chat_id == chat.chat_id)


def _named(chat: ChatRef) -> dict[str, int]:
    return {"bot": chat.bot_id, "chat": chat.chat_id}


_PERSON = (
    select(Contact.id, Contact.locale, Contact.zone, Role.role, Chat.last_seen_at, Chat.blocked_at)
    .join(Chat, Chat.contact_id == Contact.id)
    .outerjoin(Role, Role.contact_id == Contact.id)
    .where(Chat.bot_id == bindparam("bot"), Chat.chat_id == bindparam("chat"))
)
"""One row a role, or one without; built once, as every update asks it."""


def _person(rows: Sequence[Row[*tuple[Any, ...]]], chat: ChatRef) -> Person:
    roles = frozenset(row.role for row in rows if row.role)
    return Person(rows[0].id, rows[0].locale, rows[0].zone, roles, chat)


def _plain(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    return dict(row._mapping)
