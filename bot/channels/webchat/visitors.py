"""The person's side of the web chat: open, say, press, read. Knows no aiogram.

What a person does is written and handed to `accept` as a Telegram update (without its number) in one transaction,
so an accepted message is never lost and never arrives twice.
"""

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, delete, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from bot.channels.telegram_html import Styled, typed
from bot.channels.webchat.errors import Refused
from bot.channels.webchat.models import (
    WebCallback,
    WebChat,
    WebDocument,
    WebMessage,
    WebProfile,
)
from bot.channels.webchat.push import Answered, Changed, Push, StateChanged
from bot.channels.webchat.rows import (
    BotUser,
    Json,
    chat_json,
    content,
    page_json,
    person_json,
    telegram_json,
)
from bot.clock import Clock
from bot.storage import Database, Tx

Accept = Callable[[Tx, Json], Awaitable[Any]]
"""Stores an update, given in Telegram's JSON without `update_id`, in the transaction of what caused it.

None says that there is nothing to take up after the commit.
"""

TEXT_LIMIT = 4096
KEY_LIMIT = 64
NUMBERS = 2**31 - 1
PRESSES_KEPT = timedelta(days=2)
HISTORY = 200
"""Messages that a page without any gets; whoever has some gets everything newer."""

CONDITIONS_AT_ONCE = 200
"""Well below the depth of an expression that SQLite takes."""

MESSAGE = WebMessage.__table__
COLUMNS = tuple(MESSAGE.c.keys())


@dataclass(frozen=True, slots=True)
class VisitorChat:
    id: int
    locale: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next message of a chat goes."""

    message_id: int
    seq: int
    locale: str


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    mime: str
    data: bytes


def nobody_waits(accepted: Any) -> None:
    """For tests that look at what was accepted themselves."""


class Visitors:
    """Chats are named by their id; only `open` and `find` know visitors, so who holds no cookie reaches no chat."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        bot_user: BotUser,
        accept: Accept,
        push: Push,
        taken: Callable[[Any], None] = nobody_waits,
    ) -> None:
        """`taken` gets what `accept` returned, once that update is committed."""
        self.db = db
        self.clock = clock
        self.bot_user = bot_user
        self.accept = accept
        self.push = push
        self.taken = taken

    async def find(self, visitor: str) -> VisitorChat | None:
        """The chat of a visitor, if there is one."""
        async with self.db.read() as tx:
            query = select(WebChat.id, WebChat.locale).where(WebChat.visitor == visitor)
            row = (await tx.execute(query)).one_or_none()
        return VisitorChat(*row) if row is not None else None

    async def open(self, visitor: str, locale: str) -> VisitorChat:
        """The chat of a visitor, made in `locale` when it is the first visit."""
        if (chat := await self.find(visitor)) is not None:
            return chat
        values = {"visitor": visitor, "created_at": self.clock.now(), "locale": locale}
        try:
            async with self.db.write() as tx:
                made = await tx.execute(insert(WebChat).values(values).returning(WebChat.id))
                return VisitorChat(made.scalar_one(), locale)
        except IntegrityError:
            if (chat := await self.find(visitor)) is None:
                raise
            return chat

    async def say(self, chat_id: int, text: str, key: str) -> int:
        """Accept what a person typed; its message id. The same `key` again gives the same id and does nothing.

        Refused: too_long, empty, bad_frame (the key), blocked, unknown_message (no such chat).
        """
        if len(text) > 2 * TEXT_LIMIT:  # before any closer look, whose cost grows with the square of the length
            raise Refused("too_long")
        styled = typed(text)
        if len(styled.text) > TEXT_LIMIT:
            raise Refused("too_long")
        if not styled.text:
            raise Refused("empty")
        return await self.receive(chat_id, styled, key)

    async def receive(self, chat_id: int, styled: Styled, key: str, extra: Mapping[str, Any] | None = None) -> int:
        """Accept a message with more than text: `extra` is added to its Telegram JSON."""
        _check_key(key)
        try:
            async with self.db.write() as tx:
                place = await self._next_place(tx, chat_id)
                row = self._row(chat_id, place, from_bot=False) | content(styled) | {"client_key": key}
                await tx.execute(ADD_MESSAGE, row)
                message = telegram_json(row, person_json(chat_id, place.locale)) | dict(extra or {})
                accepted = await self.accept(tx, {"message": message})
        except IntegrityError:
            if (said := await self._said(chat_id, key)) is None:
                raise
            return said
        self.push.publish(chat_id, Changed(place.seq))
        self._committed(accepted)
        return place.message_id

    async def press(self, chat_id: int, message_id: int, data: str, key: str) -> str:
        """Press a button that the message has now; the id of the callback query. Repeating a `key` is harmless.

        Refused: unknown_message (no such message or button), bad_frame (the key), blocked.
        """
        _check_key(key)
        if not is_number(message_id):
            raise Refused("unknown_message")
        query_id = str(secrets.randbelow(2**63))
        try:
            async with self.db.write() as tx:
                chat, row = await self._pressable(tx, chat_id, message_id, data)
                now = self.clock.now()
                values = {"id": query_id, "chat_id": chat_id, "message_id": message_id}
                await tx.execute(insert(WebCallback).values(**values, client_key=key, created_at=now))
                query = {
                    "id": query_id,
                    "from": person_json(chat_id, chat.locale),
                    "chat_instance": str(chat_id),
                    "message": telegram_json(row, self.bot_user.as_json()),
                    "data": data,
                }
                accepted = await self.accept(tx, {"callback_query": query})
        except (IntegrityError, Refused):  # refused: the first press may have taken the button away
            if (pressed := await self._pressed(chat_id, key)) is None:
                raise
            return pressed
        self.push.awaits(chat_id, key)
        self._committed(accepted)
        return query_id

    async def changes(self, chat_id: int, since: int) -> tuple[list[Json], int]:
        """What a page that knows everything up to `since` has not seen, by message id, and the number it then knows.

        About `HISTORY` changes at a time: whoever is further behind asks again with the new number.
        """
        since = min(max(since, 0), NUMBERS)
        newer = (MESSAGE.c.chat_id == chat_id) & (MESSAGE.c.seq > since)
        at_most = select(MESSAGE.c.seq).where(newer).order_by(MESSAGE.c.seq).offset(HISTORY - 1).limit(1)
        query = select(MESSAGE).where(newer, MESSAGE.c.seq <= func.coalesce(at_most.scalar_subquery(), NUMBERS))
        if not since:
            newest = select(MESSAGE).where(newer, MESSAGE.c.deleted.is_(False)).order_by(MESSAGE.c.message_id.desc())
            query = newest.limit(HISTORY)
        async with self.db.read() as tx:
            rows = (await tx.execute(query)).mappings().all()
            if not since:  # the deleted ones count as seen
                known = await tx.execute(select(WebChat.last_seq).where(WebChat.id == chat_id))
                since = known.scalar_one_or_none() or 0
        messages = sorted((page_json(dict(row)) for row in rows), key=lambda message: int(message["message_id"]))
        return messages, max([since, *(message["seq"] for message in messages)])

    async def document(self, chat_id: int, message_id: int) -> Attachment | None:
        """The document of one message of this chat."""
        if not is_number(message_id):
            return None
        query = (
            select(WebDocument.name, WebDocument.mime, WebDocument.data)
            .join(WebMessage, WebMessage.file_id == WebDocument.file_id)
            .where(WebMessage.chat_id == chat_id, WebMessage.message_id == message_id)
        )
        async with self.db.read() as tx:
            row = (await tx.execute(query)).one_or_none()
        return Attachment(*row) if row is not None else None

    async def language(self, chat_id: int, locale: str) -> None:
        """Later updates of this chat come in `locale`."""
        async with self.db.write() as tx:
            await set_language(tx, chat_id, locale)
        self.push.publish(chat_id, StateChanged())

    async def locale(self, chat_id: int) -> str:
        async with self.db.read() as tx:
            found = await tx.execute(select(WebChat.locale).where(WebChat.id == chat_id))
        return found.scalar_one()

    async def state(self, chat_id: int) -> Json:
        """Language, commands and the bot's name, as this chat sees them: `locale`, `commands`, `bot_name`."""
        async with self.db.read() as tx:
            found = await tx.execute(select(WebChat.locale).where(WebChat.id == chat_id))
            locale = found.scalar_one()
            kinds = WebProfile.kind.in_(("commands", "name"))
            scopes = WebProfile.scope.in_(("", *_scopes(chat_id)))
            columns = (WebProfile.kind, WebProfile.scope, WebProfile.language, WebProfile.value)
            rows = (await tx.execute(select(*columns).where(kinds, scopes))).all()
        self.push.told(chat_id, locale)
        said = {(kind, scope, language): value for kind, scope, language, value in rows}
        names = [said.get(("name", "", language)) for language in (locale[:2], "")]
        name = next((found[0] for found in names if found), self.bot_user.name)
        return {"locale": locale, "commands": _commands(said, chat_id, locale), "bot_name": name}

    async def block(self, chat_id: int, blocked: bool) -> None:
        """The person blocks the bot, or lets it in again; the bot hears of it as on Telegram."""
        now = self.clock.now()
        async with self.db.write() as tx:
            change = update(WebChat).where(WebChat.id == chat_id).values(blocked=blocked)
            locale = (await tx.execute(change.returning(WebChat.locale))).scalar_one()
            accepted = await self.accept(tx, {"my_chat_member": self._member_json(chat_id, locale, now, blocked)})
        self._committed(accepted)

    def _committed(self, accepted: Any) -> None:
        if accepted is not None:
            self.taken(accepted)

    def _member_json(self, chat_id: int, locale: str, now: datetime, blocked: bool) -> Json:
        user = self.bot_user.as_json()
        member, kicked = {"status": "member", "user": user}, {"status": "kicked", "user": user, "until_date": 0}
        return {
            "chat": chat_json(chat_id),
            "from": person_json(chat_id, locale),
            "date": int(now.timestamp()),
            "old_chat_member": member if blocked else kicked,
            "new_chat_member": kicked if blocked else member,
        }

    async def _next_place(self, tx: Tx, chat_id: int) -> Place:
        """Take the chat's next message id and number; this also puts writers of one chat in line."""
        if (place := await next_place(tx, chat_id)) is None:
            raise Refused("blocked" if await self._exists(tx, chat_id) else "unknown_message")
        return place

    async def _exists(self, tx: Tx, chat_id: int) -> bool:
        return (await tx.execute(select(WebChat.id).where(WebChat.id == chat_id))).one_or_none() is not None

    def _row(self, chat_id: int, place: Place, from_bot: bool) -> Json:
        """Every column of a new, still empty message."""
        empty: Json = dict.fromkeys(COLUMNS)
        return empty | {
            "chat_id": chat_id,
            "message_id": place.message_id,
            "seq": place.seq,
            "from_bot": from_bot,
            "date": self.clock.now(),
            "deleted": False,
        }

    async def _pressable(
        self, tx: Tx, chat_id: int, message_id: int, data: str
    ) -> tuple[VisitorChat, Mapping[str, Any]]:
        query = (
            select(MESSAGE, WebChat.locale, WebChat.blocked)
            .join(WebChat, WebChat.id == MESSAGE.c.chat_id)
            .where(MESSAGE.c.chat_id == chat_id, MESSAGE.c.message_id == message_id)
        )
        row = (await tx.execute(query)).mappings().one_or_none()
        if row is None or data not in _callback_data(row["markup"]):
            raise Refused("unknown_message")
        if row["blocked"]:
            raise Refused("blocked")
        return VisitorChat(chat_id, row["locale"]), {name: row[name] for name in COLUMNS}

    async def _said(self, chat_id: int, key: str) -> int | None:
        query = select(WebMessage.message_id).where(WebMessage.chat_id == chat_id)
        async with self.db.read() as tx:
            found = await tx.execute(query.where(WebMessage.client_key == key))
            return found.scalar_one_or_none()

    async def _pressed(self, chat_id: int, key: str) -> str | None:
        """The callback query of an earlier press; whoever asks again gets its answer, now or when there is one."""
        query = select(WebCallback.id, WebCallback.answer).where(WebCallback.chat_id == chat_id)
        async with self.db.read() as tx:
            row = (await tx.execute(query.where(WebCallback.client_key == key))).one_or_none()
        if row is None:
            return None
        if row.answer is None:
            self.push.awaits(chat_id, key)
        else:
            self.push.publish(chat_id, Answered(key, **row.answer))
        return str(row.id)

    async def forget_old(self) -> None:
        """Drop presses of which nobody asks any more."""
        async with self.db.write() as tx:
            await tx.execute(delete(WebCallback).where(WebCallback.created_at < self.clock.now() - PRESSES_KEPT))


async def next_place(tx: Tx, chat_id: int, new: bool = True) -> Place | None:
    """Take the chat's next number, and message id if the message is `new`; None when it is blocked or there is none."""
    row = (await tx.execute(_NEXT_PLACE, {"chat": chat_id, "new": int(new)})).one_or_none()
    return Place(*row) if row is not None else None


_NEXT_PLACE = (
    update(WebChat)
    .where(WebChat.id == bindparam("chat"), WebChat.blocked.is_(False))
    .values(last_message_id=WebChat.last_message_id + bindparam("new"), last_seq=WebChat.last_seq + 1)
    .returning(WebChat.last_message_id, WebChat.last_seq, WebChat.locale)
)
"""Built once, like the next, as every message asks them."""
ADD_MESSAGE = insert(WebMessage)


async def set_language(tx: Tx, chat_id: int, locale: str) -> None:
    """Pages that show the chat notice it at their next poll; see `Push.poll`."""
    await tx.execute(update(WebChat).where(WebChat.id == chat_id).values(locale=locale))


async def erase_chat(tx: Tx, chat_id: int) -> None:
    """Forget what was said in a chat. It stays open, so that the person can be told; pages drop what they show."""
    await _bury(tx, chat_id, true())
    await tx.execute(delete(WebCallback).where(WebCallback.chat_id == chat_id))
    await tx.execute(delete(WebProfile).where(WebProfile.scope == f"chat:{chat_id}"))


async def erase_messages(tx: Tx, chat_id: int, message_ids: Collection[int]) -> None:
    """Forget some messages of a chat, with their documents; pages drop them."""
    await _bury(tx, chat_id, WebMessage.message_id.in_(message_ids))


async def _bury(tx: Tx, chat_id: int, which: ColumnElement[bool]) -> None:
    bump = update(WebChat).where(WebChat.id == chat_id).values(last_seq=WebChat.last_seq + 1)
    seq = (await tx.execute(bump.returning(WebChat.last_seq))).scalar_one_or_none()
    if seq is None:
        return
    buried = (WebMessage.chat_id == chat_id) & which
    files = select(WebMessage.file_id).where(buried, WebMessage.file_id.is_not(None))
    ids = set((await tx.execute(files)).scalars())
    await tx.execute(update(WebMessage).where(buried).values(**TOMBSTONE, seq=seq))
    await tx.execute(delete(WebDocument).where(WebDocument.file_id.in_(ids), ~is_shown()))


async def with_buttons(tx: Tx, chat_ids: Collection[int], data: Collection[str]) -> set[tuple[int, int]]:
    """Chat and number of the messages with a button that says one of `data`, or begins with one ending in a colon."""
    markup = cast(WebMessage.markup, Text)
    said = [markup.contains(f'"{each}' if each.endswith(":") else f'"{each}"', autoescape=True) for each in data]
    found: set[tuple[int, int]] = set()
    for start in range(0, len(said), CONDITIONS_AT_ONCE):
        some = or_(*said[start : start + CONDITIONS_AT_ONCE])
        rows = select(WebMessage.chat_id, WebMessage.message_id).where(WebMessage.chat_id.in_(chat_ids), some)
        found |= {(row.chat_id, row.message_id) for row in await tx.execute(rows)}
    return found


async def export_chat(tx: Tx, chat_id: int) -> list[Json]:
    """Everything said in a chat, oldest first: `from`, `date` (ISO, UTC), `text`, `document` (its name)."""
    query = select(WebMessage.from_bot, WebMessage.date, WebMessage.text, WebMessage.file_name)
    mine = query.where(WebMessage.chat_id == chat_id, WebMessage.deleted.is_(False))
    rows = await tx.execute(mine.order_by(WebMessage.message_id))
    return [
        {"from": "bot" if by_bot else "me", "date": date.isoformat(), "text": text, "document": file}
        for by_bot, date, text, file in rows
    ]


TOMBSTONE: Json = {
    "deleted": True,
    "text": "",
    "entities": [],
    "html": "",
    "markup": None,
    "file_id": None,
    "file_name": None,
    "file_mime": None,
    "file_size": None,
}
"""What is left of a deleted message."""


def is_shown() -> Any:
    return select(WebMessage.chat_id).where(WebMessage.file_id == WebDocument.file_id).exists()


def is_number(message_id: int) -> bool:
    """Whether a message could have this number; databases do not take larger ones."""
    return 0 < message_id <= NUMBERS


def _check_key(key: str) -> None:
    if not 0 < len(key) <= KEY_LIMIT or not (key.isascii() and key.isprintable()):
        raise Refused("bad_frame")


def _callback_data(markup: Json | None) -> set[str]:
    rows = (markup or {}).get("inline_keyboard", [])
    return {button["callback_data"] for row in rows for button in row if "callback_data" in button}


def _scopes(chat_id: int) -> tuple[str, ...]:
    return f"chat:{chat_id}", "all_private_chats", "default"


def _commands(said: Mapping[tuple[str, str, str], list[Any]], chat_id: int, locale: str) -> list[Json]:
    """The first list that applies, in the order in which Telegram's clients look for one."""
    for scope in _scopes(chat_id):
        for language in (locale[:2], ""):
            if found := said.get(("commands", scope, language)):
                return found
    return []
