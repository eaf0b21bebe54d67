"""What Telegram takes, and in which words it refuses the rest. Nothing here touches a database.

Limits of the Bot API 10.3; wording of the official server. Where the server quietly cuts something off (too many
buttons, a long placeholder) this refuses it, so that nothing that passes here looks different there.
"""

import re
from typing import Any

from aiogram.types import BotCommand, MessageEntity

from bot.channels.telegram_html import (
    Entity,
    EntityError,
    Styled,
    check_url,
    parse,
    tidy,
    units,
)
from bot.channels.webchat.errors import ApiError, bad_request

TEXT = 4096
CAPTION = 1024
ANSWER = 200
BUTTON_DATA = 64
COPY_TEXT = 256
PLACEHOLDER = 64
BUTTONS = 100
BUTTONS_A_ROW = 8
COMMANDS = 100
UPLOAD = 50 << 20
DOWNLOAD = 20 << 20
TEXTS_OF_BOT = {"name": 64, "description": 512, "short_description": 120}

ACTIONS = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}
_COMMAND = re.compile(r"[a-z0-9_]+")
_STYLES = {None, "primary", "success", "danger"}
_UNSERVED_BUTTONS = {
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "callback_game",
    "pay",
    "disabled",
}

Json = dict[str, Any]


def text(raw: str | None, parse_mode: str | None, entities: list[MessageEntity] | None) -> Styled:
    """The text of a message; ApiError if there is none, it cannot be parsed or is too long."""
    if not raw:
        raise bad_request("Message text is empty")
    styled = _styled(raw, parse_mode, entities)
    if not styled.text:
        raise bad_request("Text must be non-empty")
    if len(styled.text) > TEXT:
        raise bad_request("Message is too long")
    return styled


def caption(raw: str | None, parse_mode: str | None, entities: list[MessageEntity] | None) -> Styled:
    """The caption of a document, which may be empty."""
    styled = _styled(raw or "", parse_mode, entities)
    if len(styled.text) > CAPTION:
        raise bad_request("Message caption is too long")
    return styled


def _styled(raw: str, parse_mode: str | None, entities: list[MessageEntity] | None) -> Styled:
    if not _encodable(raw):
        raise bad_request("Strings must be encoded in UTF-8")
    if not parse_mode:
        return tidy(Styled(raw, _given(entities or [], raw)))
    if parse_mode.lower() != "html":
        raise bad_request("Unsupported parse_mode")
    try:
        return tidy(parse(raw))
    except EntityError as error:
        raise ApiError(400, f"Bad Request: can't parse entities: {error}") from None


def _encodable(raw: str) -> bool:
    try:
        raw.encode()
    except UnicodeEncodeError:
        return False
    return True


def _given(entities: list[MessageEntity], raw: str) -> tuple[Entity, ...]:
    """Entities that came beside the text; those that leave it are ignored, as the server does."""
    inside = [e for e in entities if 0 <= e.offset < e.offset + e.length <= units(raw)]
    for entity in inside:
        _check_aligned(entity, raw)
    return tuple(
        Entity(e.type, e.offset, e.length, e.url, e.language, e.custom_emoji_id)
        for e in sorted(inside, key=lambda e: (e.offset, -e.length))
    )


def _check_aligned(entity: MessageEntity, raw: str) -> None:
    """Characters outside the basic plane take two units; an entity takes both."""
    encoded = raw.encode("utf-16-le")
    begin, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
    if (at := _torn(encoded, begin)) is not None:
        raise bad_request(f"Entity begins in a middle of a UTF-16 symbol at byte offset {at}")
    if (at := _torn(encoded, end)) is not None:
        where = f"Entity beginning at UTF-16 offset {entity.offset}"
        raise bad_request(f"{where} ends in a middle of a UTF-16 symbol at byte offset {at}")


def _torn(encoded: bytes, at: int) -> int | None:
    """The UTF-8 offset of the character that a cut at `at` would tear."""
    try:
        encoded[:at].decode("utf-16-le")
    except UnicodeDecodeError:
        return len(encoded[: at - 2].decode("utf-16-le").encode())
    return None


def markup(value: Any, inline_only: bool = False) -> Json | None:
    """A keyboard as JSON; `inline_only` for edits, which take no other."""
    if value is None:
        return None
    keyboard: Json = value.model_dump(mode="json", exclude_none=True, warnings=False)
    if "inline_keyboard" in keyboard:
        return _inline(keyboard)
    if inline_only:
        raise bad_request("object expected as reply markup")
    _check_placeholder(keyboard.get("input_field_placeholder"))
    _check_size(keyboard.get("keyboard", []))
    return keyboard


def _inline(keyboard: Json) -> Json | None:
    rows = [row for row in keyboard["inline_keyboard"] if row]
    _check_size(rows)
    for row in rows:
        for button in row:
            _check_button(button)
    return {"inline_keyboard": rows} if rows else None


def _check_size(rows: list[list[Any]]) -> None:
    if sum(map(len, rows)) > BUTTONS or any(len(row) > BUTTONS_A_ROW for row in rows):
        raise bad_request("Reply markup is too long")


def _check_placeholder(placeholder: str | None) -> None:
    if placeholder is not None and not 0 < len(placeholder) <= PLACEHOLDER:
        raise bad_request("Input field placeholder is too long")


def _check_button(button: Json) -> None:
    if not button["text"].strip():
        raise bad_request("BUTTON_TEXT_INVALID")
    if button.get("style") not in _STYLES:
        raise bad_request("Can't parse inline keyboard button: Invalid button style specified")
    kinds = [kind for kind in ("url", "callback_data", "copy_text") if button.get(kind)]
    if _UNSERVED_BUTTONS & button.keys() or len(kinds) > 1:
        raise bad_request("BUTTON_TYPE_INVALID")
    if not kinds:
        raise bad_request("Can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    _check_use(kinds[0], button)


def _check_use(kind: str, button: Json) -> None:
    if kind == "callback_data" and len(button[kind].encode()) > BUTTON_DATA:
        raise bad_request("BUTTON_DATA_INVALID")
    if kind == "copy_text" and not 0 < len(button[kind]["text"]) <= COPY_TEXT:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    if kind == "url":
        try:
            button[kind] = check_url(button[kind])
        except ValueError as error:
            address = button[kind]
            raise bad_request(f"Inline keyboard button URL '{address}' is invalid: {error}") from None


def language(code: str | None) -> str:
    """Two letters or nothing; so the Chinese scripts cannot be told apart by it."""
    if code and not re.fullmatch(r"[a-z]{2}", code):
        raise bad_request("Invalid language code specified")
    return code or ""


def commands(given: list[BotCommand]) -> list[Json]:
    if len(given) > COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    return [_command(command.command.removeprefix("/"), command.description.strip()) for command in given]


def _command(name: str, description: str) -> Json:
    if not name:
        raise bad_request("Command must be non-empty")
    if len(name) > 32:
        raise bad_request("Command length must not exceed 32")
    if not description:
        raise bad_request("Command description must be non-empty")
    if len(description) > 256:
        raise bad_request("Command description length must not exceed 256")
    if not _COMMAND.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    return {"command": name, "description": description}


def text_of_bot(kind: str, value: str | None) -> str:
    """Its name, description or short description; nothing takes it away."""
    value = (value or "").strip()
    if len(value) > TEXTS_OF_BOT[kind]:
        raise bad_request(f"BOT_{kind.upper()}_TOO_LONG")
    return value


def action(name: str) -> None:
    if name not in ACTIONS:
        raise bad_request("Wrong parameter action in request")
