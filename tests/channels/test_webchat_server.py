"""The strict chat server, driven by a real aiogram Bot through its session, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNotFound,
    TelegramRetryAfter,
)
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BufferedInputFile,
    CopyTextButton,
    ForceReply,
    FSInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    ReplyParameters,
    WebAppInfo,
)
from sqlalchemy import event, func, select

from bot.channels.send_keys import sending
from bot.channels.webchat.errors import ApiError, Fault, Refused, too_many_requests
from bot.channels.webchat.models import WebCallback, WebDocument, WebMessage
from bot.channels.webchat.push import Answered, Changed, Push, StateChanged, Typing
from bot.channels.webchat.rows import BotUser
from bot.channels.webchat.server import SERVED, ChatServer
from bot.channels.webchat.session import WebChatSession
from bot.channels.webchat.visitors import HISTORY, VisitorChat, erase_chat, export_chat, set_language
from bot.storage import Database, Tx
from tests.conftest import MovableClock

Json = dict[str, Any]


class Inbox:
    """Keeps what was accepted, and what was taken after the commit."""

    def __init__(self) -> None:
        self.accepted: list[Json] = []
        self.taken: list[Json] = []
        self.fails = False

    async def accept(self, tx: Tx, payload: Json) -> Json:
        if self.fails:
            raise RuntimeError("cannot accept")
        self.accepted.append(payload)
        return payload

    def take(self, payload: Json) -> None:
        self.taken.append(payload)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(db: Database, clock: MovableClock, inbox: Inbox) -> ChatServer:
    user = BotUser(900, "CIPO Advisor", "cipo_bot")
    return ChatServer(db, clock, user, inbox.accept, Push(), inbox.take)


@pytest.fixture
def bot(server: ChatServer) -> Bot:
    return Bot("900:web", session=WebChatSession(server))


@pytest.fixture
def offline(clock: MovableClock, inbox: Inbox) -> Bot:
    """A bot whose server cannot reach its database, for calls that must be refused before."""
    unreachable = cast(Database, None)
    user = BotUser(900, "CIPO Advisor", "cipo_bot")
    return Bot("900:web", session=WebChatSession(ChatServer(unreachable, clock, user, inbox.accept, Push())))


@pytest.fixture
async def chat(server: ChatServer) -> VisitorChat:
    return await server.open("ann", "en")


def button(**kind: Any) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="OK", **kind)]])


OK = button(callback_data="ok")


async def shown(server: ChatServer, chat: VisitorChat, since: int = 0) -> list[Json]:
    return (await server.changes(chat.id, since))[0]


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """What reaches the database meanwhile, beginning and committing left out."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", ";")):
            seen.append(statement)

    engines = {db.writer.sync_engine, db.reader.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


# A conversation


async def test_what_is_said_and_answered_is_shown_in_order(server: ChatServer, bot: Bot, inbox: Inbox) -> None:
    chat = await server.open("visitor", "zh-Hant")
    said = await server.say(chat.id, " /start  hello ", "k1")
    sent = await bot.send_message(chat.id, "<b>Hi</b> you", parse_mode="HTML")
    assert (sent.text, sent.chat.id, sent.from_user and sent.from_user.id) == ("Hi you", chat.id, 900)
    messages, seq = await server.changes(chat.id, 0)
    assert [m["message_id"] for m in messages] == [said, sent.message_id]
    assert [m["html"] for m in messages] == ["/start  hello", "<b>Hi</b> you"]
    assert [(m["from"], m["key"]) for m in messages] == [("me", "k1"), ("bot", None)]
    assert seq == 2
    (update,) = inbox.taken
    assert update["message"]["from"]["language_code"] == "zh-hant"
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]


async def test_a_message_in_the_page_has_everything_the_page_knows(
    server: ChatServer, bot: Bot, chat: VisitorChat
) -> None:
    keyboard = InlineKeyboardMarkup(
        inline_keyboard=[
            [InlineKeyboardButton(text="Book", callback_data="b:1", style="primary")],
            [
                InlineKeyboardButton(text="Site", url="https://www.ipd.gov.hk"),
                InlineKeyboardButton(text="Copy", copy_text=CopyTextButton(text="R-1")),
            ],
        ]
    )
    file = BufferedInputFile(b"BEGIN", "a.ics")
    await bot.send_document(chat.id, file, caption="Yours", reply_markup=keyboard)
    (message,) = await shown(server, chat)
    assert message == {
        "message_id": 1,
        "seq": 1,
        "key": None,
        "from": "bot",
        "date": int(server.clock.now().timestamp()),
        "edited": False,
        "deleted": False,
        "html": "Yours",
        "document": {"name": "a.ics", "size": 5, "mime": "text/calendar"},
        "inline_keyboard": [
            [{"text": "Book", "data": "b:1", "style": "primary"}],
            [{"text": "Site", "url": "https://www.ipd.gov.hk/"}, {"text": "Copy", "copy": "R-1"}],
        ],
        "reply_keyboard": None,
        "force_reply": None,
    }


async def test_reply_keyboards_come_and_go(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    rows = [[KeyboardButton(text="Skip"), KeyboardButton(text="Phone", request_contact=True)]]
    keyboard = ReplyKeyboardMarkup(keyboard=rows, one_time_keyboard=True, input_field_placeholder="Company name")
    await bot.send_message(chat.id, "Company?", reply_markup=keyboard)
    await bot.send_message(chat.id, "Thanks", reply_markup=ReplyKeyboardRemove())
    await bot.send_message(chat.id, "Name?", reply_markup=ForceReply(input_field_placeholder="Ann"))
    asked, thanked, forced = await shown(server, chat)
    assert asked["reply_keyboard"] == {
        "rows": [["Skip", "Phone"]],
        "placeholder": "Company name",
        "one_time": True,
        "contact": ["Phone"],
    }
    assert thanked["reply_keyboard"]["rows"] == []
    assert forced["force_reply"] == {"placeholder": "Ann"}


async def test_the_same_key_is_accepted_once(server: ChatServer, chat: VisitorChat, inbox: Inbox) -> None:
    ids = await asyncio.gather(*(server.say(chat.id, "hello", "same") for _ in range(5)))
    assert len(set(ids)) == 1
    assert len(await shown(server, chat)) == 1
    assert len(inbox.taken) == 1


async def test_what_cannot_be_accepted_is_not_kept(server: ChatServer, chat: VisitorChat, inbox: Inbox) -> None:
    inbox.fails = True
    with pytest.raises(RuntimeError, match="cannot accept"):
        await server.say(chat.id, "hello", "k")
    assert await shown(server, chat) == []
    assert inbox.taken == []
    inbox.fails = False
    assert await server.say(chat.id, "hello", "k") == 1


@pytest.mark.parametrize(
    ("text", "key", "code"),
    [
        ("約" * 4097, "k", "too_long"),
        (" \n\x00\t ", "k", "empty"),
        ("", "k", "empty"),
        ("hello", "", "bad_frame"),
        ("hello", "k" * 65, "bad_frame"),
        ("hello", "k\x00", "bad_frame"),
    ],
)
async def test_a_message_that_is_none_is_refused_before_anything_is_written(
    offline: Bot, text: str, key: str, code: str
) -> None:
    server = cast(WebChatSession, offline.session).server
    with pytest.raises(Refused) as refused:
        await server.say(1, text, key)
    assert refused.value.code == code


async def test_any_character_can_be_said(server: ChatServer, chat: VisitorChat) -> None:
    await server.say(chat.id, "a\x00b\ud800c🙂約<b>", "k")
    (message,) = await shown(server, chat)
    assert message["html"] == "a b\ufffdc🙂約&lt;b&gt;"


async def test_a_visitor_keeps_one_chat_also_when_two_tabs_open_at_once(server: ChatServer) -> None:
    chats = await asyncio.gather(*(server.open("twice", "en") for _ in range(5)))
    assert len({chat.id for chat in chats}) == 1
    assert await server.find("twice") == chats[0]
    assert await server.find("nobody") is None


async def test_the_language_switch_reaches_the_next_update(server: ChatServer, chat: VisitorChat, inbox: Inbox) -> None:
    await server.language(chat.id, "zh-Hans")
    await server.say(chat.id, "你好", "k")
    assert inbox.taken[0]["message"]["from"]["language_code"] == "zh-hans"
    assert (await server.state(chat.id))["locale"] == "zh-Hans"


# What belongs to whom


async def test_chats_do_not_reach_into_each_other(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    other = await server.open("other", "en")
    file = BufferedInputFile(b"private", "a.txt")
    sent = await bot.send_document(chat.id, file, reply_markup=OK)
    await server.say(other.id, "mine", "k")
    assert await server.document(other.id, sent.message_id) is None
    assert [m["html"] for m in await shown(server, other)] == ["mine"]
    with pytest.raises(Refused, match="unknown_message"):
        await server.press(other.id, sent.message_id, "ok", "p")
    with pytest.raises(TelegramBadRequest, match="message to edit not found"):
        await bot.edit_message_text("x", chat_id=other.id, message_id=sent.message_id + 5)
    with pytest.raises(TelegramBadRequest, match="message can't be edited"):
        await bot.edit_message_text("x", chat_id=other.id, message_id=1)
    found = await server.document(chat.id, sent.message_id)
    assert found
    assert (found.name, found.data) == ("a.txt", b"private")


async def test_the_same_keys_in_two_chats_are_two_messages(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    other = await server.open("other", "en")
    for one in (chat, other):
        await server.say(one.id, "hello", "k")
        with sending("outbox:1"):
            await bot.send_message(one.id, "answer")
        assert len(await shown(server, one)) == 2


# Pressing


async def test_a_press_is_an_update_and_its_answer_goes_to_the_page(
    server: ChatServer, bot: Bot, chat: VisitorChat, inbox: Inbox
) -> None:
    sent = await bot.send_message(chat.id, "Sure?", reply_markup=OK)
    query_id = await server.press(chat.id, sent.message_id, "ok", "p1")
    (update,) = inbox.taken
    query = update["callback_query"]
    assert (query["id"], query["data"], query["chat_instance"]) == (query_id, "ok", str(chat.id))
    assert query["message"]["message_id"] == sent.message_id
    assert query["message"]["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "ok"
    with server.push.subscribe(chat.id) as events:
        await bot.answer_callback_query(query_id, "Done", show_alert=True)
        assert await events.next() == Answered("p1", "Done", True, None)


async def test_a_press_is_answered_once_and_in_time(
    server: ChatServer, bot: Bot, chat: VisitorChat, clock: MovableClock
) -> None:
    sent = await bot.send_message(chat.id, "Sure?", reply_markup=OK)
    first, late = [await server.press(chat.id, sent.message_id, "ok", key) for key in ("p1", "p2")]
    await bot.answer_callback_query(first)
    clock.advance(timedelta(seconds=151))
    for query_id in (first, late, "12345"):
        with pytest.raises(TelegramBadRequest) as raised:
            await bot.answer_callback_query(query_id)
        assert raised.value.message == (
            "Bad Request: query is too old and response timeout expired or query ID is invalid"
        )


async def test_a_repeated_press_is_one_press(server: ChatServer, bot: Bot, chat: VisitorChat, inbox: Inbox) -> None:
    sent = await bot.send_message(chat.id, "Sure?", reply_markup=OK)
    ids = await asyncio.gather(*(server.press(chat.id, sent.message_id, "ok", "p") for _ in range(4)))
    assert len(set(ids)) == 1
    assert len(inbox.taken) == 1


async def test_only_a_button_that_is_there_can_be_pressed(
    server: ChatServer, bot: Bot, chat: VisitorChat, inbox: Inbox
) -> None:
    sent = await bot.send_message(chat.id, "Sure?", reply_markup=OK)
    said = await server.say(chat.id, "hello", "k")
    for message_id, data in ((sent.message_id, "admin:1"), (said, "ok"), (99, "ok"), (2**70, "ok")):
        with pytest.raises(Refused, match="unknown_message"):
            await server.press(chat.id, message_id, data, "p")
    await bot.edit_message_reply_markup(chat_id=chat.id, message_id=sent.message_id)
    with pytest.raises(Refused, match="unknown_message"):
        await server.press(chat.id, sent.message_id, "ok", "p")
    assert [next(iter(update)) for update in inbox.taken] == ["message"]


# Limits and wording


LONG_URL = "http://localhost:8080/x"
MANY = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="x", callback_data="x")]] * 101)
WIDE = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="x", callback_data="x")] * 9])


@pytest.mark.parametrize(
    ("call", "description"),
    [
        ({"text": ""}, "Bad Request: message text is empty"),
        ({"text": " \n "}, "Bad Request: text must be non-empty"),
        ({"text": "<b> </b>", "parse_mode": "HTML"}, "Bad Request: text must be non-empty"),
        ({"text": "約" * 4097}, "Bad Request: message is too long"),
        (
            {"text": "約<p>", "parse_mode": "HTML"},
            'Bad Request: can\'t parse entities: Unsupported start tag "p" at byte offset 3',
        ),
        (
            {"text": "<b>x", "parse_mode": "html"},
            "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
        ({"text": "x", "parse_mode": "Wiki"}, "Bad Request: unsupported parse_mode"),
        ({"text": "x\ud800"}, "Bad Request: strings must be encoded in UTF-8"),
        (
            {"text": "🙂", "entities": [MessageEntity(type="bold", offset=1, length=1)]},
            "Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset 0",
        ),
        ({"text": "x", "reply_markup": button(callback_data="約" * 22)}, "Bad Request: BUTTON_DATA_INVALID"),
        (
            {"text": "x", "reply_markup": button()},
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            {"text": "x", "reply_markup": button(url=LONG_URL)},
            f"Bad Request: inline keyboard button URL '{LONG_URL}' is invalid: Wrong HTTP URL",
        ),
        (
            {"text": "x", "reply_markup": button(callback_data="a", url="https://e.org")},
            "Bad Request: BUTTON_TYPE_INVALID",
        ),
        (
            {"text": "x", "reply_markup": button(web_app=WebAppInfo(url="https://e.org"))},
            "Bad Request: BUTTON_TYPE_INVALID",
        ),
        (
            {"text": "x", "reply_markup": button(copy_text=CopyTextButton(text="c" * 257))},
            "Bad Request: BUTTON_COPY_TEXT_INVALID",
        ),
        (
            {"text": "x", "reply_markup": button(callback_data="a", style="blue")},
            "Bad Request: can't parse inline keyboard button: Invalid button style specified",
        ),
        ({"text": "x", "reply_markup": MANY}, "Bad Request: reply markup is too long"),
        ({"text": "x", "reply_markup": WIDE}, "Bad Request: reply markup is too long"),
        ({"text": "x", "chat_id": "@ann"}, "Bad Request: chat not found"),
        ({"text": "x", "chat_id": -1}, "Bad Request: chat not found"),
        ({"text": "x", "chat_id": 2**80}, "Bad Request: chat not found"),
        ({"text": "x", "chat_id": ""}, "Bad Request: chat_id is empty"),
    ],
)
async def test_a_message_that_telegram_refuses_is_refused_in_its_words_before_anything_is_written(
    offline: Bot, call: Json, description: str
) -> None:
    with pytest.raises(TelegramBadRequest) as raised:
        await offline.send_message(**{"chat_id": 1, **call})
    assert raised.value.message == description


async def test_an_unknown_chat_is_not_found(bot: Bot, chat: VisitorChat) -> None:
    with pytest.raises(TelegramBadRequest) as raised:
        await bot.send_message(chat.id + 1, "x")
    assert raised.value.message == "Bad Request: chat not found"


async def test_limits_count_characters_after_parsing(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    await bot.send_message(chat.id, "<b>" + "&lt;🙂" * 2048 + "</b>", parse_mode="HTML")
    file = BufferedInputFile(b"x", "x.txt")
    await bot.send_document(chat.id, file, caption="約" * 1024)
    with pytest.raises(TelegramBadRequest, match="message caption is too long"):
        await bot.send_document(chat.id, file, caption="約" * 1025)
    await bot.send_message(chat.id, "x", reply_markup=button(callback_data="é" * 32))
    await bot.send_message(chat.id, "x", reply_markup=button(copy_text=CopyTextButton(text="c" * 256)))


async def test_documents_have_limits_too(bot: Bot, chat: VisitorChat) -> None:
    with pytest.raises(TelegramBadRequest, match="file must be non-empty"):
        await bot.send_document(chat.id, BufferedInputFile(b"", "x.txt"))
    with pytest.raises(TelegramBadRequest, match="wrong file identifier/HTTP URL specified"):
        await bot.send_document(chat.id, "https://e.org/x.pdf")
    with pytest.raises(TelegramBadRequest, match="wrong file_id or the file is temporarily unavailable"):
        await bot.get_file("nothing")


async def test_more_than_50_megabytes_are_too_many(offline: Bot) -> None:
    with pytest.raises(TelegramEntityTooLarge, match="Request Entity Too Large"):
        await offline.send_document(1, BufferedInputFile(bytes((50 << 20) + 1), "x.bin"))


async def test_an_answer_to_a_press_has_limits(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    sent = await bot.send_message(chat.id, "Sure?", reply_markup=OK)
    query_id = await server.press(chat.id, sent.message_id, "ok", "p")
    with pytest.raises(TelegramBadRequest, match="MESSAGE_TOO_LONG"):
        await bot.answer_callback_query(query_id, "x" * 201)
    with pytest.raises(TelegramBadRequest, match="URL_INVALID"):
        await bot.answer_callback_query(query_id, url="https://evil.example")
    await bot.answer_callback_query(query_id, "x" * 200)


async def test_what_the_web_chat_does_not_serve_is_not_found(offline: Bot) -> None:
    with pytest.raises(TelegramNotFound, match="Not Found: method not found"):
        await offline.send_photo(1, "x")
    assert "sendPhoto" not in SERVED


async def test_an_unknown_action_is_refused_and_typing_is_shown(
    server: ChatServer, bot: Bot, chat: VisitorChat
) -> None:
    with pytest.raises(TelegramBadRequest, match="wrong parameter action in request"):
        await bot.send_chat_action(chat.id, "dancing")
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_chat_action(999, "typing")
    with server.push.subscribe(chat.id) as events:
        await bot.send_chat_action(chat.id, "typing")
        assert await events.next() == Typing()


async def test_faults_strike_when_planned(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    server.faults.plan(Fault(too_many_requests(9), "sendMessage", "unlucky", times=2))
    server.faults.plan(Fault(ApiError(418, "I'm a teapot"), "getMe"))
    await bot.send_message(chat.id, "lucky")
    for _ in range(2):
        with pytest.raises(TelegramRetryAfter) as raised:
            await bot.send_message(chat.id, "unlucky")
        assert raised.value.retry_after == 9
    with pytest.raises(TelegramAPIError, match="teapot"):
        await bot.get_me()
    await bot.send_message(chat.id, "unlucky")
    assert len(await shown(server, chat)) == 2


# Editing and deleting


async def test_an_edit_changes_text_and_buttons_in_place(
    server: ChatServer, bot: Bot, chat: VisitorChat, clock: MovableClock
) -> None:
    sent = await bot.send_message(chat.id, "one", reply_markup=OK)
    clock.advance(timedelta(minutes=1))
    edited = await sent.edit_text("two", reply_markup=None)
    assert isinstance(edited, Message)
    assert (edited.text, edited.edit_date) == ("two", int(clock.now().timestamp()))
    (message,) = await shown(server, chat, since=1)
    assert (message["seq"], message["edited"], message["html"]) == (2, True, "two")
    assert message["inline_keyboard"] is None


async def test_an_edit_that_changes_nothing_is_refused(bot: Bot, chat: VisitorChat) -> None:
    sent = await bot.send_message(chat.id, "<b>one</b>", parse_mode="HTML", reply_markup=OK)
    with pytest.raises(TelegramBadRequest) as raised:
        await sent.edit_text("<strong>one</strong> ", parse_mode="HTML", reply_markup=OK)
    assert raised.value.message == (
        "Bad Request: message is not modified: specified new message content and reply markup are exactly "
        "the same as a current content and reply markup of the message"
    )
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await sent.edit_reply_markup(reply_markup=OK)
    await sent.edit_text("one", reply_markup=OK)


async def test_what_cannot_be_edited_is_not(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    said = await server.say(chat.id, "mine", "k")
    asked = await bot.send_message(
        chat.id, "?", reply_markup=ReplyKeyboardMarkup(keyboard=[[KeyboardButton(text="a")]])
    )
    file = await bot.send_document(chat.id, BufferedInputFile(b"x", "x.txt"))
    for message_id in (said, asked.message_id):
        with pytest.raises(TelegramBadRequest, match="message can't be edited"):
            await bot.edit_message_text("x", chat_id=chat.id, message_id=message_id)
    with pytest.raises(TelegramBadRequest, match="there is no text in the message to edit"):
        await file.edit_text("x")
    with pytest.raises(TelegramBadRequest, match="message to edit not found"):
        await bot.edit_message_text("x", chat_id=chat.id, message_id=99)
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.edit_message_text("x", chat_id=99, message_id=1)
    with pytest.raises(TelegramBadRequest, match="message identifier is not specified"):
        await bot.edit_message_text("x", inline_message_id="1")


async def test_a_deleted_message_leaves_its_number_only(
    server: ChatServer, bot: Bot, chat: VisitorChat, db: Database
) -> None:
    sent = await bot.send_document(chat.id, BufferedInputFile(b"x", "x.txt"), caption="c", reply_markup=OK)
    await bot.send_message(chat.id, "stays")
    assert await sent.delete()
    (gone,) = await shown(server, chat, since=2)
    assert (gone["message_id"], gone["deleted"], gone["html"]) == (1, True, "")
    assert (gone["document"], gone["inline_keyboard"]) == (None, None)
    assert [m["html"] for m in await shown(server, chat)] == ["stays"]
    with pytest.raises(TelegramBadRequest, match="message to delete not found"):
        await sent.delete()
    async with db.read() as tx:
        assert (await tx.execute(select(func.count()).select_from(WebDocument))).scalar_one() == 0


async def test_after_two_days_a_message_cannot_be_taken_back(bot: Bot, chat: VisitorChat, clock: MovableClock) -> None:
    sent = await bot.send_message(chat.id, "old")
    clock.advance(timedelta(hours=48, seconds=1))
    with pytest.raises(TelegramBadRequest, match="message can't be deleted for everyone"):
        await sent.delete()


async def test_a_copy_shares_the_document(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    other = await server.open("other", "en")
    sent = await bot.send_document(chat.id, BufferedInputFile(b"x", "x.txt"), caption="<b>c</b>", parse_mode="HTML")
    copied = await bot.copy_message(other.id, chat.id, sent.message_id)
    await sent.delete()
    found = await server.document(other.id, copied.message_id)
    assert found
    assert found.data == b"x"
    assert [m["html"] for m in await shown(server, other)] == ["<b>c</b>"]
    with pytest.raises(TelegramBadRequest, match="message to copy not found"):
        await bot.copy_message(other.id, chat.id, sent.message_id)


# Exactly once


async def test_a_send_with_the_same_key_happens_once(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    ids = []
    for attempt in range(3):
        with sending("outbox:7"):
            first = await bot.send_message(chat.id, f"attempt {attempt}")
            second = await bot.send_message(chat.id, "and the second")
            ids.append((first.message_id, second.message_id, first.text))
    assert set(ids) == {(1, 2, "attempt 0")}
    assert (await server.changes(chat.id, 0))[1] == 2
    await bot.send_message(chat.id, "without a key")
    assert len(await shown(server, chat)) == 3


async def test_two_replicas_that_send_the_same_row_send_it_once(
    server: ChatServer, bot: Bot, chat: VisitorChat
) -> None:
    async def send() -> int:
        with sending("outbox:7"):
            return (await bot.send_message(chat.id, "hello")).message_id

    assert set(await asyncio.gather(*(send() for _ in range(5)))) == {1}
    assert len(await shown(server, chat)) == 1


async def test_saying_and_sending_take_two_statements(
    server: ChatServer, bot: Bot, chat: VisitorChat, db: Database
) -> None:
    with statements(db) as seen:
        await server.say(chat.id, "hello", "k")
    assert len(seen) == 2
    with statements(db) as seen, sending("outbox:1"):
        await bot.send_message(chat.id, "hello", reply_markup=OK)
    assert len(seen) == 2


# Who is gone


async def test_a_blocked_bot_reaches_nobody(server: ChatServer, bot: Bot, chat: VisitorChat, inbox: Inbox) -> None:
    sent = await bot.send_message(chat.id, "Sure?", reply_markup=OK)
    await server.block(chat.id, blocked=True)
    assert inbox.taken[0]["my_chat_member"]["new_chat_member"]["status"] == "kicked"
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: bot.send_message(chat.id, "x"),
        lambda: bot.send_chat_action(chat.id, "typing"),
        lambda: sent.edit_text("x"),
        sent.delete,
    ]
    for call in calls:
        with pytest.raises(TelegramForbiddenError) as raised:
            await call()
        assert raised.value.message == "Forbidden: bot was blocked by the user"
    with pytest.raises(Refused, match="blocked"):
        await server.say(chat.id, "x", "k")
    with pytest.raises(Refused, match="blocked"):
        await server.press(chat.id, sent.message_id, "ok", "p")
    await server.block(chat.id, blocked=False)
    await bot.send_message(chat.id, "welcome back")


async def test_an_erased_chat_forgets_what_was_said_and_stays_open(
    server: ChatServer, bot: Bot, chat: VisitorChat, db: Database
) -> None:
    other = await server.open("other", "en")
    await server.say(chat.id, "my secret", "k")
    sent = await bot.send_document(chat.id, BufferedInputFile(b"secret", "x.txt"), reply_markup=OK)
    await server.press(chat.id, sent.message_id, "ok", "p")
    await bot.copy_message(other.id, chat.id, sent.message_id)
    async with db.read() as tx:
        exported = await export_chat(tx, chat.id)
    assert [(m["from"], m["text"], m["document"]) for m in exported] == [
        ("me", "my secret", None),
        ("bot", "", "x.txt"),
    ]
    async with db.write() as tx:
        await erase_chat(tx, chat.id)
        await erase_chat(tx, 999)
    assert [m["deleted"] for m in await shown(server, chat, since=2)] == [True, True]
    async with db.read() as tx:
        assert await export_chat(tx, chat.id) == []
        texts = (await tx.execute(select(WebMessage.text).where(WebMessage.chat_id == chat.id))).scalars().all()
    assert set(texts) == {""}
    await bot.send_message(chat.id, "All is erased.")
    assert [m["html"] for m in await shown(server, chat)] == ["All is erased."]
    assert await server.document(other.id, 1) is not None


# Catching up


async def test_a_page_catches_up_from_what_it_has(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    first, _, third = [await bot.send_message(chat.id, text) for text in ("1", "2", "3")]
    _, seq = await server.changes(chat.id, 0)
    await third.edit_text("3!")
    await first.delete()
    messages, newest = await server.changes(chat.id, seq)
    assert [(m["message_id"], m["html"], m["deleted"]) for m in messages] == [(1, "", True), (3, "3!", False)]
    assert newest == 5
    assert await server.changes(chat.id, newest) == ([], newest)
    assert await server.changes(chat.id, -1) == await server.changes(chat.id, 0)
    assert (await server.changes(chat.id, 2**70))[0] == []


async def test_a_new_page_gets_the_newest_part_of_a_long_history(
    server: ChatServer, bot: Bot, chat: VisitorChat
) -> None:
    for number in range(HISTORY + 3):
        sent = await bot.send_message(chat.id, str(number))
    await sent.delete()
    messages, seq = await server.changes(chat.id, 0)
    assert [m["html"] for m in messages] == [str(number) for number in range(2, HISTORY + 2)]
    assert await server.changes(chat.id, seq) == ([], HISTORY + 4)


async def test_every_change_is_announced_with_its_number(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    with server.push.subscribe(chat.id) as events:
        await server.say(chat.id, "hello", "k")
        assert await events.next() == Changed(1)
        sent = await bot.send_message(chat.id, "1")
        await sent.edit_text("2")
        assert await events.next() == Changed(3)
        await server.language(chat.id, "zh-Hans")
        assert await events.next() == StateChanged()


async def test_what_another_replica_wrote_is_noticed(
    server: ChatServer, chat: VisitorChat, db: Database, clock: MovableClock
) -> None:
    inbox = Inbox()
    elsewhere = ChatServer(db, clock, server.bot_user, inbox.accept, Push(), inbox.take)
    with server.push.subscribe(chat.id) as events:
        await server.push.poll(db)
        assert len(events) == 0
        await elsewhere.say(chat.id, "hello", "k")
        with statements(db) as seen:
            await server.push.poll(db)
        assert len(seen) == 1
        assert await events.next() == Changed(1)
        await server.push.poll(db)
        assert len(events) == 0


async def test_a_language_that_a_use_case_set_is_noticed_once(
    server: ChatServer, chat: VisitorChat, db: Database
) -> None:
    with server.push.subscribe(chat.id) as events:
        await server.state(chat.id)
        async with db.write() as tx:
            await set_language(tx, chat.id, "zh-Hant")
        await server.push.poll(db)
        assert await events.next() == StateChanged()
        assert (await server.state(chat.id))["locale"] == "zh-Hant"
        await server.push.poll(db)
        assert len(events) == 0


# The answers to presses

SAVED = Answered("k", "Saved", True, None)


async def test_a_press_sent_again_is_answered_again_though_its_button_is_gone(
    server: ChatServer, bot: Bot, chat: VisitorChat, inbox: Inbox
) -> None:
    sent = await bot.send_message(chat.id, "Save?", reply_markup=OK)
    query_id = await server.press(chat.id, sent.message_id, "ok", "k")
    await bot.edit_message_text("Saved.", chat_id=chat.id, message_id=sent.message_id)
    await bot.answer_callback_query(query_id, "Saved", show_alert=True)
    with server.push.subscribe(chat.id) as events:
        assert await server.press(chat.id, sent.message_id, "ok", "k") == query_id
        assert await events.next() == SAVED
    assert len(inbox.accepted) == 1
    with pytest.raises(Refused, match="unknown_message"):
        await server.press(chat.id, sent.message_id, "ok", "another")


@pytest.mark.parametrize("again", [False, True], ids=["at once", "after a reconnect"])
async def test_the_answer_that_another_replica_gives_reaches_the_page(
    server: ChatServer, chat: VisitorChat, db: Database, clock: MovableClock, bot: Bot, again: bool
) -> None:
    other = Inbox()
    elsewhere = ChatServer(db, clock, server.bot_user, other.accept, Push(), other.take)
    bot_elsewhere = Bot("900:web", session=WebChatSession(elsewhere))
    sent = await bot.send_message(chat.id, "Save?", reply_markup=OK)
    if again:
        await server.press(chat.id, sent.message_id, "ok", "k")
    with server.push.subscribe(chat.id) as events:
        query_id = await server.press(chat.id, sent.message_id, "ok", "k")
        await server.push.poll(db)
        await bot_elsewhere.answer_callback_query(query_id, "Saved", show_alert=True)
        await server.push.poll(db)
        heard = [await events.next() for _ in range(len(events))]
        assert heard.count(SAVED) == 1
        with statements(db) as seen:
            await server.push.poll(db)
        assert len(seen) == 1
        assert SAVED not in [await events.next() for _ in range(len(events))]


async def test_presses_are_forgotten_after_days(
    server: ChatServer, bot: Bot, chat: VisitorChat, db: Database, clock: MovableClock
) -> None:
    sent = await bot.send_message(chat.id, "Save?", reply_markup=OK)
    for day in range(3):
        await server.press(chat.id, sent.message_id, "ok", str(day))
        clock.advance(timedelta(days=1))
    await server.forget_old()
    async with db.read() as tx:
        assert (await tx.execute(select(WebCallback.client_key))).scalars().all() == ["1", "2"]


# What the bot says of itself


async def test_only_those_whom_new_commands_concern_hear_of_them(
    server: ChatServer, bot: Bot, chat: VisitorChat
) -> None:
    other = await server.open("other", "zh-Hant")
    help_, book = [[BotCommand(command=name, description="does it")] for name in ("help", "book")]
    own = BotCommandScopeChat(chat_id=chat.id)
    with server.push.subscribe(chat.id) as mine, server.push.subscribe(other.id) as theirs:
        await bot.set_my_commands(help_, scope=own)
        assert (len(mine), len(theirs)) == (1, 0)
        await bot.set_my_commands(help_, scope=own)
        assert (len(mine), len(theirs)) == (1, 0)
        await bot.set_my_commands(book, scope=own)
        assert (len(mine), len(theirs)) == (2, 0)
        await bot.set_my_commands(help_)
        assert (len(mine), len(theirs)) == (3, 1)
        await bot.delete_my_commands(scope=own)
        await bot.delete_my_commands(scope=own)
        assert (len(mine), len(theirs)) == (4, 1)


async def test_commands_go_by_chat_then_language_then_everyone(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    everyone, private, chinese, own = [
        [BotCommand(command=name, description="does it")] for name in ("all", "private", "zh", "own")
    ]
    other = await server.open("other", "zh-Hant")
    await bot.set_my_commands(everyone)
    assert (await server.state(chat.id))["commands"] == [{"command": "all", "description": "does it"}]
    await bot.set_my_commands(private, scope=BotCommandScopeAllPrivateChats())
    await bot.set_my_commands(chinese, scope=BotCommandScopeAllPrivateChats(), language_code="zh")
    await bot.set_my_commands(own, scope=BotCommandScopeChat(chat_id=chat.id))
    assert [(await server.state(c.id))["commands"][0]["command"] for c in (chat, other)] == ["own", "zh"]
    kept = await bot.get_my_commands(scope=BotCommandScopeChat(chat_id=chat.id))
    assert [command.command for command in kept] == ["own"]
    await bot.delete_my_commands(scope=BotCommandScopeChat(chat_id=chat.id))
    assert (await server.state(chat.id))["commands"][0]["command"] == "private"


@pytest.mark.parametrize(
    ("command", "description", "refusal"),
    [
        ("Book", "x", "BOT_COMMAND_INVALID"),
        ("", "x", "command must be non-empty"),
        ("a" * 33, "x", "command length must not exceed 32"),
        ("a", " ", "command description must be non-empty"),
        ("a", "x" * 257, "command description length must not exceed 256"),
    ],
)
async def test_commands_have_limits(offline: Bot, command: str, description: str, refusal: str) -> None:
    with pytest.raises(TelegramBadRequest, match=refusal):
        await offline.set_my_commands([BotCommand(command=command, description=description)])


async def test_a_language_code_has_two_letters(offline: Bot) -> None:
    for code in ("zh-hant", "ZH", "z"):
        with pytest.raises(TelegramBadRequest, match="invalid language code specified"):
            await offline.set_my_name("x", language_code=code)


async def test_names_and_descriptions_by_language(server: ChatServer, bot: Bot, chat: VisitorChat) -> None:
    assert (await bot.get_my_name()).name == "CIPO Advisor"
    await bot.set_my_name("顾问", language_code="zh")
    await bot.set_my_description("Answers, books, reminds.")
    await bot.set_my_short_description("Short")
    assert (await bot.get_my_name(language_code="zh")).name == "顾问"
    assert (await bot.get_my_description(language_code="zh")).description == "Answers, books, reminds."
    assert (await bot.get_my_short_description()).short_description == "Short"
    assert (await server.state(chat.id))["bot_name"] == "CIPO Advisor"
    await server.language(chat.id, "zh-Hant")
    assert (await server.state(chat.id))["bot_name"] == "顾问"
    with pytest.raises(TelegramBadRequest, match="BOT_NAME_TOO_LONG"):
        await bot.set_my_name("x" * 65)


# The session


async def test_defaults_of_the_bot_are_resolved_also_deep_inside(server: ChatServer, chat: VisitorChat) -> None:
    defaults = DefaultBotProperties(parse_mode="HTML", link_preview_is_disabled=True, protect_content=True)
    bot = Bot("900:web", session=WebChatSession(server), default=defaults)
    sent = await bot.send_message(chat.id, "<i>x</i>", reply_parameters=ReplyParameters(message_id=1))
    assert sent.entities
    assert sent.entities[0].type == "italic"
    plain = await bot.send_message(chat.id, "<i>x</i>", parse_mode=None, link_preview_options=LinkPreviewOptions())
    assert plain.text == "<i>x</i>"


async def test_results_are_bound_to_the_bot(bot: Bot, chat: VisitorChat) -> None:
    sent = await bot.send_message(chat.id, "x", reply_markup=OK)
    answer = await sent.answer("y")
    assert answer.message_id == 2
    assert (await bot.me()).username == "cipo_bot"


async def test_files_from_disk_are_read_and_come_back(bot: Bot, chat: VisitorChat, tmp_path: Any) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"{}" * 50_000)
    sent = await bot.send_document(chat.id, FSInputFile(path))
    assert sent.document
    assert sent.document.mime_type == "application/json"
    again = await bot.send_document(chat.id, sent.document.file_id)
    assert again.document
    assert again.document.file_name == "a.json"
    downloaded = await bot.download(again.document)
    assert downloaded
    assert downloaded.read() == path.read_bytes()


async def test_replicas_that_start_together_may_introduce_the_bot_at_once(
    database_url: str, server: ChatServer, clock: MovableClock, inbox: Inbox
) -> None:
    other = Database(database_url)
    second = ChatServer(other, clock, BotUser(900, "CIPO Advisor", "cipo_bot"), inbox.accept, Push(), inbox.take)
    bots = [Bot("900:web", session=WebChatSession(each)) for each in (server, second)]
    commands = [BotCommand(command="help", description="Help")]
    try:
        assert all(await asyncio.gather(*(bot.set_my_commands(commands) for bot in bots * 10)))
        assert [each.command for each in await bots[0].get_my_commands()] == ["help"]
    finally:
        await other.close()
