"""From `Message` to aiogram's calls."""

import pytest
from aiogram.methods import SendDocument, SendMessage
from aiogram.types import (
    BufferedInputFile,
    ForceReply,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)

from bot.channels.translate import edit_method, markup_of, send_method
from bot.texts import Button, Document, Message, ReplyKeyboard
from bot.texts.actions import GoHome, PickLanguage

BUTTONS = (
    (Button("Home", action=GoHome(), style="primary"), Button("English", action=PickLanguage("en"))),
    (Button("Site", url="https://e.org"), Button("Copy", copy="R-1")),
    (),
)


def test_buttons_keep_their_rows_and_meaning() -> None:
    markup = markup_of(Message("x", buttons=BUTTONS))
    assert isinstance(markup, InlineKeyboardMarkup)
    assert markup.model_dump(exclude_none=True)["inline_keyboard"] == [
        [
            {"text": "Home", "callback_data": "home", "style": "primary"},
            {"text": "English", "callback_data": "l:en"},
        ],
        [{"text": "Site", "url": "https://e.org"}, {"text": "Copy", "copy_text": {"text": "R-1"}}],
    ]


def test_a_text_is_sent_as_html_without_previews() -> None:
    call = send_method(5, Message("<b>x</b>", silent=True))
    assert isinstance(call, SendMessage)
    assert (call.chat_id, call.text, call.parse_mode, call.disable_notification) == (5, "<b>x</b>", "HTML", True)
    assert isinstance(call.link_preview_options, LinkPreviewOptions)
    assert call.link_preview_options.is_disabled is True
    assert call.reply_markup is None


def test_a_document_takes_the_text_as_its_caption() -> None:
    call = send_method(5, Message("<b>x</b>", document=Document("a.ics", b"BEGIN", "text/calendar")))
    assert isinstance(call, SendDocument)
    assert isinstance(call.document, BufferedInputFile)
    assert (call.caption, call.parse_mode, call.document.filename) == ("<b>x</b>", "HTML", "a.ics")
    assert call.document.data == b"BEGIN"


def test_keyboards_ask_suggest_and_go_away() -> None:
    suggested = markup_of(Message("x", keyboard=ReplyKeyboard((("Skip", "Back"),), "Company name")))
    assert isinstance(suggested, ReplyKeyboardMarkup)
    assert [[key.text for key in row] for row in suggested.keyboard] == [["Skip", "Back"]]
    assert suggested.input_field_placeholder == "Company name"
    asked = markup_of(Message("x", keyboard=ReplyKeyboard(placeholder="Name")))
    assert isinstance(asked, ForceReply)
    assert asked.input_field_placeholder == "Name"
    assert isinstance(markup_of(Message("x", keyboard=ReplyKeyboard())), ReplyKeyboardRemove)


def test_an_edit_changes_text_and_buttons_and_nothing_else() -> None:
    call = edit_method(5, 7, Message("x", buttons=BUTTONS))
    assert (call.chat_id, call.message_id, call.text, call.parse_mode) == (5, 7, "x", "HTML")
    assert edit_method(5, 7, Message("x")).reply_markup is None
    for message in (Message("x", keyboard=ReplyKeyboard()), Message("x", document=Document("a", b"a", "a"))):
        with pytest.raises(ValueError, match="text and buttons only"):
            edit_method(5, 7, message)
