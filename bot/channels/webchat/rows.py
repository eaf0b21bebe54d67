"""One message row as Telegram's JSON and as the page's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.channels.telegram_html import Styled, render, with_addresses

Json = dict[str, Any]
VISITOR_NAME = "Visitor"
"""Telegram gives everyone a first name; on the web nobody has told us theirs."""


@dataclass(frozen=True, slots=True)
class BotUser:
    """Who the bot is: `id` keeps its chats apart from those of other bots."""

    id: int
    name: str
    username: str

    def as_json(self) -> Json:
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": self.username}


def person_json(chat_id: int, locale: str) -> Json:
    return {
        "id": chat_id,
        "is_bot": False,
        "first_name": VISITOR_NAME,
        "language_code": locale.lower(),
    }


def chat_json(chat_id: int) -> Json:
    return {"id": chat_id, "type": "private", "first_name": VISITOR_NAME}


def content(styled: Styled) -> Json:
    """The columns of a text."""
    shown = with_addresses(styled)
    return {
        "text": shown.text,
        "entities": [entity.as_json() for entity in shown.entities],
        "html": render(shown),
    }


def telegram_json(row: Mapping[str, Any], sender: Json) -> Json:
    """The message as Telegram would return it to the bot."""
    message: Json = {
        "message_id": row["message_id"],
        "from": sender,
        "chat": chat_json(row["chat_id"]),
        "date": int(row["date"].timestamp()),
    }
    if row["edited_at"] is not None:
        message["edit_date"] = int(row["edited_at"].timestamp())
    if row["file_id"] is not None:
        message["document"] = document_json(row)
    name = "caption" if row["file_id"] is not None else "text"
    if row["text"]:
        message[name] = row["text"]
    if row["entities"]:
        message["caption_entities" if name == "caption" else "entities"] = row["entities"]
    if row["markup"] and "inline_keyboard" in row["markup"]:
        message["reply_markup"] = row["markup"]
    return message


def document_json(row: Mapping[str, Any]) -> Json:
    return {
        "file_id": row["file_id"],
        "file_unique_id": row["file_id"][:16],
        "file_name": row["file_name"],
        "mime_type": row["file_mime"],
        "file_size": row["file_size"],
    }


def page_json(row: Mapping[str, Any]) -> Json:
    """The message as the page sees it; a deleted one shows nothing."""
    markup = row["markup"] or {}
    return {
        "message_id": row["message_id"],
        "seq": row["seq"],
        "key": row["client_key"],
        "from": "bot" if row["from_bot"] else "me",
        "date": int(row["date"].timestamp()),
        "edited": row["edited_at"] is not None,
        "deleted": row["deleted"],
        "html": row["html"],
        "document": _page_document(row),
        "inline_keyboard": _inline(markup),
        "reply_keyboard": _reply(markup),
        "force_reply": _force(markup),
    }


def _page_document(row: Mapping[str, Any]) -> Json | None:
    if row["file_id"] is None:
        return None
    return {"name": row["file_name"], "size": row["file_size"], "mime": row["file_mime"]}


def _inline(markup: Json) -> list[list[Json]] | None:
    rows = markup.get("inline_keyboard")
    return [[_button(button) for button in row] for row in rows] if rows else None


def _button(button: Json) -> Json:
    if "url" in button:
        return {"text": button["text"], "url": button["url"]}
    if "copy_text" in button:
        return {"text": button["text"], "copy": button["copy_text"]["text"]}
    return {"text": button["text"], "data": button["callback_data"], "style": button.get("style")}


def _reply(markup: Json) -> Json | None:
    if markup.get("remove_keyboard"):
        return {"rows": [], "placeholder": None, "one_time": False, "contact": []}
    if "keyboard" not in markup:
        return None
    buttons = [[_key(key) for key in row] for row in markup["keyboard"]]
    return {
        "rows": [[key["text"] for key in row] for row in buttons],
        "placeholder": markup.get("input_field_placeholder"),
        "one_time": bool(markup.get("one_time_keyboard")),
        "contact": [key["text"] for row in buttons for key in row if key.get("request_contact")],
    }


def _key(key: Json | str) -> Json:
    return {"text": key} if isinstance(key, str) else key


def _force(markup: Json) -> Json | None:
    if not markup.get("force_reply"):
        return None
    return {"placeholder": markup.get("input_field_placeholder")}
