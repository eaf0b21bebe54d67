"""Answers to a person get through floods and bad lines, and none is shown twice."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramNetworkError, TelegramRetryAfter
from aiogram.types import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup

from bot.channels.conversation import Handling, handling
from bot.channels.patience import LONGEST_WAIT, PAUSES, Patience
from bot.texts import Message
from handlers.chat.reply import Reply
from tests.botapi import BotApi, Person
from tests.botapi.front import Break
from tests.botapi.people import plain

OK = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="OK", callback_data="ok")]])


@pytest.fixture
def slept() -> list[float]:
    """For how long it would have slept."""
    return []


@pytest.fixture
async def patient(api: BotApi, slept: list[float]) -> AsyncIterator[Bot]:
    async with Bot(api.token, session=with_patience(api.session(), slept)) as bot:
        yield bot


def with_patience(session: AiohttpSession, slept: list[float]) -> AiohttpSession:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    session.middleware(Patience(sleep=sleep))
    return session


@pytest.fixture
def in_an_update() -> Iterator[None]:
    token = handling.set(Handling(1))
    yield
    handling.reset(token)


@pytest.fixture
async def ann(api: BotApi) -> Person:
    return await api.person()


async def heard(person: Person) -> list[str]:
    return [plain(message) for message in await person.messages()]


@pytest.mark.usefixtures("in_an_update")
async def test_an_answer_waits_out_floods(api: BotApi, patient: Bot, ann: Person, slept: list[float]) -> None:
    api.flood(1, times=2)
    await patient.send_message(ann.chat_id, "the answer")
    assert await heard(ann) == ["the answer"]
    assert slept == [1, 1]


@pytest.mark.usefixtures("in_an_update")
async def test_a_flood_longer_than_the_update_may_take_is_not_waited_for(
    api: BotApi, patient: Bot, ann: Person, slept: list[float]
) -> None:
    api.flood(int(LONGEST_WAIT) + 1)
    with pytest.raises(TelegramRetryAfter):
        await patient.send_message(ann.chat_id, "the answer")
    assert slept == []


@pytest.mark.usefixtures("in_an_update")
async def test_what_never_left_is_sent_again_until_somebody_listens(
    api: BotApi, ann: Person, unused_tcp_port: int
) -> None:
    session = api.session()
    here, session.api = session.api, TelegramAPIServer.from_base(f"http://127.0.0.1:{unused_tcp_port}")

    async def listens_from_now_on(_: float) -> None:
        session.api = here

    session.middleware(Patience(sleep=listens_from_now_on))
    async with Bot(api.token, session=session) as bot:
        await bot.send_message(ann.chat_id, "the answer")
    assert await heard(ann) == ["the answer"]


@pytest.mark.usefixtures("in_an_update")
async def test_a_message_that_may_have_arrived_is_not_sent_again(
    api: BotApi, patient: Bot, ann: Person, slept: list[float]
) -> None:
    api.break_line("lost_reply", "sendMessage")
    with pytest.raises(TelegramNetworkError):
        await patient.send_message(ann.chat_id, "the answer")
    assert await heard(ann) == ["the answer"]
    assert slept == []


@pytest.mark.parametrize("how", ["reset", "lost_reply", "garbage"])
@pytest.mark.usefixtures("in_an_update")
async def test_what_may_be_done_twice_is_repeated_whatever_became_of_it(
    api: BotApi, patient: Bot, how: Break, slept: list[float]
) -> None:
    api.break_line(how, "setMyCommands", times=2)
    assert await patient.set_my_commands([BotCommand(command="help", description="Help")])
    assert len(api.made("setMyCommands")) == 3
    assert slept == list(PAUSES[:2])


@pytest.mark.usefixtures("in_an_update")
async def test_a_pressed_message_is_edited_and_the_press_answered_over_a_bad_line(
    api: BotApi, patient: Bot, ann: Person
) -> None:
    await patient.send_message(ann.chat_id, "Save?", reply_markup=OK)
    await ann.press("OK")
    *_, update = await patient.get_updates()
    assert update.callback_query
    for method in ("editMessageText", "answerCallbackQuery"):
        api.break_line("lost_reply", method)
    reply = Reply(patient, update.callback_query)
    await reply.show(Message("Saved."))
    await reply.acknowledge("Saved")
    assert await heard(ann) == ["Saved."]


async def test_outside_of_an_update_every_error_is_told_at_once(
    api: BotApi, patient: Bot, ann: Person, slept: list[float]
) -> None:
    api.flood(1)
    with pytest.raises(TelegramRetryAfter):
        await patient.send_message(ann.chat_id, "a reminder")
    assert slept == []
