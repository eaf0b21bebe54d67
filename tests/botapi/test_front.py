"""The pretended Telegram, met by real aiogram over real HTTP."""

import asyncio
from datetime import timedelta

import pytest
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
)
from aiohttp import ClientSession

from tests.botapi import BotApi
from tests.botapi.people import plain
from tests.conftest import MovableClock

OK = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="OK", callback_data="ok")]])


async def test_a_conversation_goes_both_ways(api: BotApi, bot: Bot) -> None:
    ann = await api.person("Ann", "zh-hans")
    await ann.say("/start event_1")
    (update,) = await bot.get_updates()
    assert update.message
    assert update.message.from_user
    assert update.message.text == "/start event_1"
    assert update.message.entities
    assert update.message.entities[0].type == "bot_command"
    assert (update.message.from_user.first_name, update.message.from_user.language_code) == ("Ann", "zh-hans")
    sent = await bot.send_message(ann.chat_id, "<b>Hello</b>", parse_mode="HTML", reply_markup=OK)
    assert sent.reply_markup
    assert sent.reply_markup.model_dump() == OK.model_dump()
    assert await ann.transcript() == "Ann: /start event_1\nbot: Hello\n  [OK]"


async def test_a_press_reaches_the_bot_and_its_answer_is_taken_once(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    sent = await bot.send_message(ann.chat_id, "Sure?", reply_markup=OK)
    query_id = await ann.press("OK")
    (update,) = await bot.get_updates()
    assert update.callback_query
    assert isinstance(update.callback_query.message, Message)
    assert update.callback_query.id == query_id
    assert update.callback_query.data == "ok"
    assert update.callback_query.message.message_id == sent.message_id
    assert await bot.answer_callback_query(query_id, "Done")
    with pytest.raises(TelegramBadRequest, match="query is too old and response timeout expired or query ID"):
        await bot.answer_callback_query(query_id)


async def test_only_what_is_on_the_screen_can_be_pressed(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    sent = await bot.send_message(ann.chat_id, "Sure?", reply_markup=OK)
    await bot.edit_message_text("No more", chat_id=ann.chat_id, message_id=sent.message_id)
    with pytest.raises(LookupError, match="no button 'OK'"):
        await ann.press("OK")


async def test_an_upload_can_be_downloaded_again(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    file = BufferedInputFile("BEGIN:VCALENDAR 約".encode(), "appointment.ics")
    sent = await bot.send_document(ann.chat_id, file, caption="Your <i>file</i>", parse_mode="HTML")
    assert sent.document
    assert sent.document.mime_type == "text/calendar"
    assert sent.caption == "Your file"
    downloaded = await bot.download(sent.document)
    assert downloaded
    assert downloaded.read() == file.data
    assert "(file appointment.ics)" in await ann.transcript()


async def test_a_confirmed_update_is_gone_and_an_unconfirmed_one_comes_again(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    for text in ("one", "two", "three"):
        await ann.say(text)
    first, second, third = await bot.get_updates()
    assert [u.update_id for u in await bot.get_updates()] == [u.update_id for u in (first, second, third)]
    assert [u.update_id for u in await bot.get_updates(offset=second.update_id, limit=1)] == [second.update_id]
    assert [u.update_id for u in await bot.get_updates(offset=-1)] == [third.update_id]
    assert await bot.get_updates(offset=third.update_id + 1) == []


async def test_a_long_poll_ends_as_soon_as_something_is_said(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    poll = asyncio.ensure_future(bot.get_updates(timeout=40))
    await api.updates.is_waiting.wait()
    await ann.say("hello")
    async with asyncio.timeout(30):
        assert len(await poll) == 1


async def test_a_second_poll_ends_the_first(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    poll = asyncio.ensure_future(bot.get_updates(timeout=40))
    await api.updates.is_waiting.wait()
    second = asyncio.ensure_future(bot.get_updates(timeout=40))
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates request"):
        await poll
    await ann.say("hello")
    assert len(await second) == 1


async def test_polling_beside_a_webhook_is_a_conflict(api: BotApi, bot: Bot) -> None:
    await bot.set_webhook("https://advisor.example.org/hook")
    with pytest.raises(TelegramConflictError, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    assert await bot.get_updates() == []


async def test_only_the_kinds_asked_for_are_queued(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    await bot.get_updates(allowed_updates=["callback_query"])
    await ann.say("not wanted")
    await bot.get_updates(allowed_updates=["message"])
    await ann.say("wanted")
    assert [u.message.text for u in await bot.get_updates() if u.message] == ["wanted"]


async def test_a_press_waits_150_seconds_and_a_message_a_day(api: BotApi, bot: Bot, clock: MovableClock) -> None:
    ann = await api.person()
    await bot.send_message(ann.chat_id, "Sure?", reply_markup=OK)
    await ann.press("OK")
    await ann.say("hello")
    clock.advance(timedelta(seconds=151))
    assert [u.event_type for u in await bot.get_updates()] == ["message"]
    clock.advance(timedelta(hours=24))
    assert await bot.get_updates() == []


async def test_who_blocks_the_bot_is_announced_and_not_reached(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    await ann.block()
    (update,) = await bot.get_updates()
    assert update.my_chat_member
    assert update.my_chat_member.new_chat_member.status == "kicked"
    with pytest.raises(TelegramForbiddenError, match="Forbidden: bot was blocked by the user"):
        await bot.send_message(ann.chat_id, "hello?")
    await ann.unblock()
    await bot.send_message(ann.chat_id, "hello!")


async def test_pictures_and_stickers_arrive_as_such(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    await ann.sticker("🙂")
    await ann.photo("the mark")
    sticker, photo = await bot.get_updates()
    assert sticker.message
    assert sticker.message.sticker
    assert sticker.message.sticker.emoji == "🙂"
    assert photo.message
    assert photo.message.photo
    assert photo.message.caption == "the mark"


async def test_a_wrong_token_is_refused(api: BotApi) -> None:
    async with Bot("700000001:wrong", session=api.session()) as stranger:
        with pytest.raises(TelegramUnauthorizedError, match="Unauthorized"):
            await stranger.get_me()


async def test_methods_the_web_chat_lacks_are_not_found(api: BotApi, bot: Bot) -> None:
    with pytest.raises(TelegramNotFound, match="Not Found: method not found"):
        await bot.send_dice(1)


async def test_verbs_cases_and_encodings_are_all_the_same(api: BotApi) -> None:
    ann = await api.person()
    base = f"{api.url}/bot{api.token}"
    keyboard = OK.model_dump_json(exclude_none=True)
    async with ClientSession() as http:
        calls = [
            http.get(f"{base}/SENDMESSAGE", params={"chat_id": ann.chat_id, "text": "query"}),
            http.post(f"{base}/sendmessage", data={"chat_id": ann.chat_id, "text": "form", "reply_markup": keyboard}),
            http.put(f"{base}/sendMessage?text=json", json={"chat_id": ann.chat_id}),
        ]
        for call in calls:
            async with call as response:
                assert (await response.json())["ok"] is True
        async with http.post(f"{base}/sendMessage", data={"chat_id": "1", "text": ""}) as response:
            assert response.status == 400
            assert await response.json() == {
                "ok": False,
                "error_code": 400,
                "description": "Bad Request: message text is empty",
            }
        async with http.post(f"{base}/getMe", data="[", headers={"Content-Type": "application/json"}) as response:
            assert response.status == 400
        async with http.get(f"{api.url}/nowhere") as response:
            assert (response.status, (await response.json())["description"]) == (404, "Not Found")
    assert [plain(message) for message in await ann.messages()] == ["query", "form", "json"]


@pytest.mark.parametrize(
    ("code", "description", "error"),
    [
        (400, "Bad Request: chat not found", TelegramBadRequest),
        (403, "Forbidden: user is deactivated", TelegramForbiddenError),
        (500, "Internal Server Error", TelegramServerError),
    ],
)
async def test_errors_come_on_demand_and_then_stop(
    api: BotApi, bot: Bot, code: int, description: str, error: type[Exception]
) -> None:
    ann = await api.person()
    api.fail(code, description, method="sendMessage", contains="unlucky")
    await bot.send_message(ann.chat_id, "lucky")
    with pytest.raises(error, match=description):
        await bot.send_message(ann.chat_id, "unlucky")
    await bot.send_message(ann.chat_id, "unlucky no more")


async def test_a_flood_tells_how_long_to_wait(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    api.flood(7)
    with pytest.raises(TelegramRetryAfter) as raised:
        await bot.send_message(ann.chat_id, "hello")
    assert raised.value.retry_after == 7
    assert await ann.messages() == []


async def test_a_reset_line_does_nothing_and_a_lost_reply_has_done_it(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    api.break_line("reset", "sendMessage")
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(ann.chat_id, "never")
    api.break_line("lost_reply", "sendMessage")
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(ann.chat_id, "once")
    assert [plain(message) for message in await ann.messages()] == ["once"]


async def test_garbage_is_no_answer(api: BotApi, bot: Bot) -> None:
    api.break_line("garbage", "getMe")
    with pytest.raises(ClientDecodeError):
        await bot.get_me()


async def test_a_slow_answer_comes_when_it_is_released(api: BotApi, bot: Bot) -> None:
    ann = await api.person()
    slow = api.break_line("hang", "sendMessage")
    sending = asyncio.ensure_future(bot.send_message(ann.chat_id, "slow"))
    await ann.hears("slow")
    assert not sending.done()
    slow.release.set()
    assert (await sending).text == "slow"


async def test_the_defaults_of_the_bot_travel_too(api: BotApi) -> None:
    ann = await api.person()
    async with Bot(api.token, session=api.session(), default=DefaultBotProperties(parse_mode="HTML")) as bot:
        await bot.send_message(ann.chat_id, "<b>x</b>")
        with pytest.raises(TelegramBadRequest, match='Unsupported start tag "p" at byte offset 3'):
            await bot.send_message(ann.chat_id, "約<p>x</p>")
    assert [message["html"] for message in await ann.messages()] == ["<b>x</b>"]
