"""From the channel-free `Message` to aiogram's method objects, for every channel the same."""

from typing import Any

from aiogram.methods import EditMessageText, SendDocument, SendMessage
from aiogram.types import (
    BufferedInputFile,
    CopyTextButton,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)

from bot.texts.message import Button, Buttons, Message, ReplyKeyboard

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove | ForceReply


def send_method(chat_id: int, message: Message) -> SendMessage | SendDocument:
    """The call that sends `message`. A text that is too long for one message was split by the caller."""
    common: dict[str, Any] = {
        "chat_id": chat_id,
        "parse_mode": "HTML",
        "disable_notification": message.silent or None,
        "reply_markup": markup_of(message),
    }
    if message.document is None:
        return SendMessage(text=message.html, link_preview_options=NO_PREVIEW, **common)
    file = BufferedInputFile(message.document.data, message.document.name)
    return SendDocument(document=file, caption=message.html or None, **common)


def edit_method(chat_id: int, message_id: int, message: Message) -> EditMessageText:
    """The call that turns a text message into `message`; ValueError for what an edit cannot give it."""
    if message.document is not None or message.keyboard is not None:
        raise ValueError("an edit can change text and buttons only")
    return EditMessageText(
        chat_id=chat_id,
        message_id=message_id,
        text=message.html,
        parse_mode="HTML",
        link_preview_options=NO_PREVIEW,
        reply_markup=inline_keyboard(message.buttons),
    )


def markup_of(message: Message) -> Markup | None:
    if message.keyboard is not None:
        return reply_keyboard(message.keyboard)
    return inline_keyboard(message.buttons)


def inline_keyboard(buttons: Buttons) -> InlineKeyboardMarkup | None:
    rows = [[_button(button) for button in row] for row in buttons if row]
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None


def _button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        text=button.text,
        callback_data=button.action.encode() if button.action is not None else None,
        url=button.url,
        copy_text=CopyTextButton(text=button.copy) if button.copy is not None else None,
        style=button.style,
    )


def reply_keyboard(keyboard: ReplyKeyboard) -> ReplyKeyboardMarkup | ReplyKeyboardRemove | ForceReply:
    """No rows take the keyboard away; with a placeholder they ask for a typed reply."""
    if not keyboard.rows:
        if keyboard.placeholder is not None:
            return ForceReply(force_reply=True, input_field_placeholder=keyboard.placeholder)
        return ReplyKeyboardRemove(remove_keyboard=True)
    return ReplyKeyboardMarkup(
        keyboard=[[KeyboardButton(text=text) for text in row] for row in keyboard.rows],
        resize_keyboard=True,
        one_time_keyboard=True,
        input_field_placeholder=keyboard.placeholder,
    )
