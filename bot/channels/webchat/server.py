"""The bot's side of the web chat: serves aiogram's method objects as the Bot API would, as strictly.

`SERVED` says which methods; every other gets Telegram's 404. A refused call changes nothing.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiogram import methods as api
from aiogram.enums import BotCommandScopeType
from aiogram.methods import TelegramMethod
from aiogram.types import BufferedInputFile
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.channels.send_keys import next_send_key
from bot.channels.telegram_html import Styled
from bot.channels.webchat import limits
from bot.channels.webchat.errors import (
    NOT_MODIFIED,
    QUERY_TOO_OLD,
    ApiError,
    Faults,
    bad_request,
    blocked,
    method_not_found,
)
from bot.channels.webchat.models import (
    WebCallback,
    WebChat,
    WebDocument,
    WebMessage,
    WebProfile,
)
from bot.channels.webchat.push import Answered, Changed, Push, StateChanged, Typing
from bot.channels.webchat.rows import BotUser, Json, content, telegram_json
from bot.channels.webchat.visitors import (
    ADD_MESSAGE,
    MESSAGE,
    TOMBSTONE,
    Accept,
    Place,
    Visitors,
    is_number,
    is_shown,
    next_place,
    nobody_waits,
)
from bot.clock import Clock
from bot.storage import Database, Tx, insert_into

CALLBACK_LIFE = timedelta(seconds=150)
DELETABLE = timedelta(hours=48)

_MIMES = {"ics": "text/calendar", "json": "application/json", "csv": "text/csv", "txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class Upload:
    """The columns of a document and, when it is new, its row."""

    columns: Json
    row: Json | None = None


class ChatServer(Visitors):
    """Both sides of the web chat; `call` is the bot's."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        bot_user: BotUser,
        accept: Accept,
        push: Push,
        taken: Callable[[Any], None] = nobody_waits,
    ) -> None:
        super().__init__(db, clock, bot_user, accept, push, taken)
        self.faults = Faults()

    async def call(self, method: TelegramMethod[Any]) -> Any:
        """Do what `method` asks (defaults resolved, files as BufferedInputFile); its result in Telegram's JSON.

        ApiError as the Bot API would refuse.
        """
        self.faults.check(method.__api_method__, _text_of(method))
        if (serve := SERVED.get(method.__api_method__)) is None:
            raise method_not_found()
        return await serve(self, method)

    async def get_me(self, method: api.GetMe) -> Json:
        return self.bot_user.as_json() | {
            "can_join_groups": False,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    # Sending

    async def send_message(self, method: api.SendMessage) -> Json:
        styled = limits.text(method.text, _plain(method.parse_mode), method.entities)
        keyboard = limits.markup(method.reply_markup)
        return await self._send(_chat_id(method.chat_id), content(styled) | {"markup": keyboard})

    async def send_document(self, method: api.SendDocument) -> Json:
        styled = limits.caption(method.caption, _plain(method.parse_mode), method.caption_entities)
        keyboard = limits.markup(method.reply_markup)
        upload = await self._upload(method.document)
        columns = content(styled) | {"markup": keyboard} | upload.columns
        return await self._send(_chat_id(method.chat_id), columns, upload.row)

    async def copy_message(self, method: api.CopyMessage) -> Json:
        keyboard = limits.markup(method.reply_markup)
        source = await self._message(_chat_id(method.from_chat_id), method.message_id)
        if source is None:
            raise bad_request("Message to copy not found")
        names = ("text", "entities", "html", "file_id", "file_name", "file_mime", "file_size")
        columns = {name: source[name] for name in names} | {"markup": keyboard}
        if method.caption is not None and source["file_id"] is not None:
            columns |= content(limits.caption(method.caption, _plain(method.parse_mode), method.caption_entities))
        sent = await self._send(_chat_id(method.chat_id), columns)
        return {"message_id": sent["message_id"]}

    async def _send(self, chat_id: int, columns: Json, document: Json | None = None) -> Json:
        """Write one message of the bot. A send key that was used before gives the message it made."""
        key = next_send_key()
        try:
            async with self.db.write() as tx:
                place = await self._writable(tx, chat_id)
                if document is not None:
                    await tx.execute(insert(WebDocument).values(document))
                row = self._row(chat_id, place, from_bot=True) | columns | {"send_key": key}
                await tx.execute(ADD_MESSAGE, row)
        except IntegrityError:
            if key is None or (before := await self._sent(chat_id, key)) is None:
                raise
            return telegram_json(before, self.bot_user.as_json())
        self.push.publish(chat_id, Changed(place.seq))
        return telegram_json(row, self.bot_user.as_json())

    async def _writable(self, tx: Tx, chat_id: int, new: bool = True) -> Place:
        """The chat's next place, in Telegram's words if there is none; an edit takes a number but no message id."""
        if (place := await next_place(tx, chat_id, new)) is None:
            raise blocked() if await self._exists(tx, chat_id) else bad_request("Chat not found")
        return place

    async def _sent(self, chat_id: int, key: str) -> Json | None:
        query = select(MESSAGE).where(MESSAGE.c.chat_id == chat_id, MESSAGE.c.send_key == key)
        async with self.db.read() as tx:
            row = (await tx.execute(query)).mappings().one_or_none()
        return dict(row) if row is not None else None

    async def _message(self, chat_id: int, message_id: int) -> Json | None:
        async with self.db.read() as tx:
            await self._check_chat(tx, chat_id)
            return await self._row_of(tx, chat_id, message_id)

    async def _row_of(self, tx: Tx, chat_id: int, message_id: int) -> Json | None:
        if not is_number(message_id):
            return None
        query = select(MESSAGE).where(MESSAGE.c.chat_id == chat_id, MESSAGE.c.message_id == message_id)
        row = (await tx.execute(query.where(MESSAGE.c.deleted.is_(False)))).mappings().one_or_none()
        return dict(row) if row is not None else None

    async def _check_chat(self, tx: Tx, chat_id: int) -> None:
        found = await tx.execute(select(WebChat.blocked).where(WebChat.id == chat_id))
        if (is_blocked := found.scalar_one_or_none()) is None:
            raise bad_request("Chat not found")
        if is_blocked:
            raise blocked()

    # Documents

    async def _upload(self, document: Any) -> Upload:
        if not isinstance(document, BufferedInputFile):
            return await self._known_document(str(document))
        name = document.filename or "document"
        if not document.data:
            raise bad_request("File must be non-empty")
        if len(document.data) > limits.UPLOAD:
            raise ApiError(413, "Request Entity Too Large")
        row = {
            "file_id": secrets.token_urlsafe(24),
            "name": name,
            "mime": _MIMES.get(name.rpartition(".")[2].lower(), "application/octet-stream"),
            "size": len(document.data),
            "data": document.data,
        }
        return Upload(_document_columns(row), row)

    async def _known_document(self, file_id: str) -> Upload:
        row = await self._document_row(file_id)
        if row is None:
            raise bad_request("Wrong file identifier/HTTP URL specified")
        return Upload(_document_columns(row))

    async def _document_row(self, file_id: str) -> Json | None:
        columns = (WebDocument.file_id, WebDocument.name, WebDocument.mime, WebDocument.size)
        async with self.db.read() as tx:
            found = await tx.execute(select(*columns).where(WebDocument.file_id == file_id))
            row = found.mappings().one_or_none()
        return dict(row) if row is not None else None

    async def get_file(self, method: api.GetFile) -> Json:
        if (row := await self._document_row(method.file_id)) is None:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        if row["size"] > limits.DOWNLOAD:
            raise bad_request("File is too big")
        return {
            "file_id": row["file_id"],
            "file_unique_id": row["file_id"][:16],
            "file_size": row["size"],
            "file_path": f"documents/{row['file_id']}",
        }

    async def download(self, file_path: str) -> bytes:
        """The bytes behind a `file_path` of getFile; ApiError 404 for any other."""
        query = select(WebDocument.data).where(WebDocument.file_id == file_path.removeprefix("documents/"))
        async with self.db.read() as tx:
            data: bytes | None = (await tx.execute(query)).scalar_one_or_none()
        if data is None:
            raise ApiError(404, "Not Found")
        return data

    # Changing what was sent

    async def edit_message_text(self, method: api.EditMessageText) -> Json:
        styled = limits.text(method.text, _plain(method.parse_mode), method.entities)
        return await self._edit(method, styled)

    async def edit_message_reply_markup(self, method: api.EditMessageReplyMarkup) -> Json:
        return await self._edit(method, None)

    async def _edit(self, method: api.EditMessageText | api.EditMessageReplyMarkup, styled: Styled | None) -> Json:
        if method.chat_id is None or method.message_id is None:
            raise bad_request("Message identifier is not specified")
        keyboard = limits.markup(method.reply_markup, inline_only=True)
        changed: Json = {"markup": keyboard} | (content(styled) if styled is not None else {})
        chat_id = _chat_id(method.chat_id)
        async with self.db.write() as tx:
            place = await self._writable(tx, chat_id, new=False)
            row = _editable(await self._row_of(tx, chat_id, method.message_id), text=styled is not None)
            if all(row[name] == value for name, value in changed.items()):
                raise bad_request(NOT_MODIFIED)
            if styled is not None:
                changed["edited_at"] = self.clock.now()
            await self._change(tx, row, changed | {"seq": place.seq})
        self.push.publish(chat_id, Changed(place.seq))
        return telegram_json(row | changed, self.bot_user.as_json())

    async def _change(self, tx: Tx, row: Mapping[str, Any], values: Json) -> None:
        this = (WebMessage.chat_id == row["chat_id"], WebMessage.message_id == row["message_id"])
        await tx.execute(update(WebMessage).where(*this).values(values))

    async def delete_message(self, method: api.DeleteMessage) -> bool:
        chat_id = _chat_id(method.chat_id)
        async with self.db.write() as tx:
            place = await self._writable(tx, chat_id, new=False)
            if (row := await self._row_of(tx, chat_id, method.message_id)) is None:
                raise bad_request("Message to delete not found")
            if self.clock.now() - row["date"] > DELETABLE:
                raise bad_request("Message can't be deleted for everyone")
            await self._change(tx, row, TOMBSTONE | {"seq": place.seq})
            if row["file_id"] is not None:
                this = WebDocument.file_id == row["file_id"]
                await tx.execute(delete(WebDocument).where(this, ~is_shown()))
        self.push.publish(chat_id, Changed(place.seq))
        return True

    # What is only shown

    async def send_chat_action(self, method: api.SendChatAction) -> bool:
        limits.action(method.action)
        chat_id = _chat_id(method.chat_id)
        async with self.db.read() as tx:
            await self._check_chat(tx, chat_id)
        self.push.publish(chat_id, Typing())
        return True

    async def answer_callback_query(self, method: api.AnswerCallbackQuery) -> bool:
        if len(method.text or "") > limits.ANSWER:
            raise bad_request("MESSAGE_TOO_LONG")
        if method.url and not method.url.startswith(f"https://t.me/{self.bot_user.username}?start="):
            raise bad_request("URL_INVALID")
        said: Json = {"text": method.text or None, "alert": bool(method.show_alert), "url": method.url}
        answer = (
            update(WebCallback)
            .where(
                WebCallback.id == method.callback_query_id,
                WebCallback.answer.is_(None),
                WebCallback.created_at >= self.clock.now() - CALLBACK_LIFE,
            )
            .values(answer=said)
            .returning(WebCallback.chat_id, WebCallback.client_key)
        )
        async with self.db.write() as tx:
            row = (await tx.execute(answer)).one_or_none()
        if row is None:
            raise bad_request(QUERY_TOO_OLD)
        self.push.publish(row.chat_id, Answered(row.client_key, **said))
        return True

    # What the bot says of itself

    async def set_my_commands(self, method: api.SetMyCommands) -> bool:
        language = limits.language(method.language_code)
        scope = await self._scope(method.scope)
        return await self._keep("commands", scope, language, limits.commands(method.commands))

    async def delete_my_commands(self, method: api.DeleteMyCommands) -> bool:
        scope = await self._scope(method.scope)
        return await self._keep("commands", scope, limits.language(method.language_code), [])

    async def get_my_commands(self, method: api.GetMyCommands) -> list[Any]:
        scope = await self._scope(method.scope)
        return await self._kept("commands", scope, limits.language(method.language_code))

    async def _scope(self, scope: Any) -> str:
        if scope is None:
            return "default"
        kind = BotCommandScopeType(scope.type).value
        if getattr(scope, "chat_id", None) is None:
            return kind
        chat_id = _chat_id(scope.chat_id)
        async with self.db.read() as tx:
            await self._check_chat(tx, chat_id)
        return f"{kind}:{chat_id}"

    async def set_chat_menu_button(self, method: api.SetChatMenuButton) -> bool:
        scope = ""
        if method.chat_id is not None:
            async with self.db.read() as tx:
                await self._check_chat(tx, method.chat_id)
            scope = f"chat:{method.chat_id}"
        button = method.menu_button
        value = [button.model_dump(mode="json", exclude_none=True)] if button is not None else []
        return await self._keep("menu_button", scope, "", value)

    async def _keep(self, kind: str, scope: str, language: str, value: list[Any]) -> bool:
        """Replace what is kept; nothing takes it away. Replicas that start together may say the same at once.

        Only those hear of it whom it concerns, and only if it is new: a page asks for everything again then.
        """
        if await self._kept(kind, scope, language) == value:
            return True
        this = {"kind": kind, "scope": scope, "language": language}
        async with self.db.write() as tx:
            if value:
                kept = insert_into(tx, WebProfile).values(**this, value=value)
                await tx.execute(kept.on_conflict_do_update(index_elements=[*this], set_={"value": value}))
            else:
                await tx.execute(delete(WebProfile).filter_by(**this))
        _, _, chat_id = scope.partition(":")
        if chat_id:
            self.push.publish(int(chat_id), StateChanged())
        else:
            self.push.publish_all(StateChanged())
        return True

    async def _kept(self, kind: str, scope: str, language: str) -> list[Any]:
        this = (WebProfile.kind == kind, WebProfile.scope == scope, WebProfile.language == language)
        async with self.db.read() as tx:
            found = await tx.execute(select(WebProfile.value).where(*this))
        value: list[Any] | None = found.scalar_one_or_none()
        return value or []

    async def set_text_of_bot(self, kind: str, value: str | None, language_code: str | None) -> bool:
        value = limits.text_of_bot(kind, value)
        return await self._keep(kind, "", limits.language(language_code), [value] if value else [])

    async def get_text_of_bot(self, kind: str, language_code: str | None) -> Json:
        """A language without its own text shows the one for everyone."""
        unset = self.bot_user.name if kind == "name" else ""
        for language in (limits.language(language_code), ""):
            if kept := await self._kept(kind, "", language):
                return {kind: kept[0]}
        return {kind: unset}

    async def set_my_name(self, method: api.SetMyName) -> bool:
        return await self.set_text_of_bot("name", method.name, method.language_code)

    async def get_my_name(self, method: api.GetMyName) -> Json:
        return await self.get_text_of_bot("name", method.language_code)

    async def set_my_description(self, method: api.SetMyDescription) -> bool:
        return await self.set_text_of_bot("description", method.description, method.language_code)

    async def get_my_description(self, method: api.GetMyDescription) -> Json:
        return await self.get_text_of_bot("description", method.language_code)

    async def set_my_short_description(self, method: api.SetMyShortDescription) -> bool:
        kind = "short_description"
        return await self.set_text_of_bot(kind, method.short_description, method.language_code)

    async def get_my_short_description(self, method: api.GetMyShortDescription) -> Json:
        return await self.get_text_of_bot("short_description", method.language_code)


Serve = Callable[[ChatServer, Any], Awaitable[Any]]

SERVED: dict[str, Serve] = {
    "getMe": ChatServer.get_me,
    "sendMessage": ChatServer.send_message,
    "sendDocument": ChatServer.send_document,
    "copyMessage": ChatServer.copy_message,
    "editMessageText": ChatServer.edit_message_text,
    "editMessageReplyMarkup": ChatServer.edit_message_reply_markup,
    "deleteMessage": ChatServer.delete_message,
    "answerCallbackQuery": ChatServer.answer_callback_query,
    "sendChatAction": ChatServer.send_chat_action,
    "getFile": ChatServer.get_file,
    "setMyCommands": ChatServer.set_my_commands,
    "getMyCommands": ChatServer.get_my_commands,
    "deleteMyCommands": ChatServer.delete_my_commands,
    "setMyName": ChatServer.set_my_name,
    "getMyName": ChatServer.get_my_name,
    "setMyDescription": ChatServer.set_my_description,
    "getMyDescription": ChatServer.get_my_description,
    "setMyShortDescription": ChatServer.set_my_short_description,
    "getMyShortDescription": ChatServer.get_my_short_description,
    "setChatMenuButton": ChatServer.set_chat_menu_button,
}
"""The methods that the web chat has; Telegram has more."""


def _chat_id(given: int | str) -> int:
    """The number of a private chat; on the web nobody has a username."""
    if given == "":
        raise bad_request("chat_id is empty")
    try:
        number = int(given)
    except ValueError:
        raise bad_request("Chat not found") from None
    if not 0 < number < 2**52:
        raise bad_request("Chat not found")
    return number


def _plain(parse_mode: Any) -> str | None:
    return parse_mode if isinstance(parse_mode, str) else None


def _text_of(method: TelegramMethod[Any]) -> str:
    return str(getattr(method, "text", None) or getattr(method, "caption", None) or "")


def _document_columns(row: Mapping[str, Any]) -> Json:
    names = {"file_id": "file_id", "file_name": "name", "file_mime": "mime", "file_size": "size"}
    return {column: row[name] for column, name in names.items()}


def _editable(row: Json | None, text: bool) -> Json:
    if row is None:
        raise bad_request("Message to edit not found")
    if not row["from_bot"] or (row["markup"] and "inline_keyboard" not in row["markup"]):
        raise bad_request("Message can't be edited")
    if text and row["file_id"] is not None:
        raise bad_request("There is no text in the message to edit")
    return row
