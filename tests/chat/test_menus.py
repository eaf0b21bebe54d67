"""The commands menu and the frame of the page speak the language that the bot does."""

import pytest

from bot.channels.webchat.push import StateChanged
from bot.texts import LOCALES
from handlers.chat.commands import commands, introduce
from tests.machine import Machine, Visitor


@pytest.fixture
async def chat(chat: Machine) -> Machine:
    """As when serving has begun."""
    await introduce(chat.app.web_bot, chat.core.texts, chat.core.settings.bot_name)
    return chat


async def menu(chat: Machine, visitor: Visitor) -> list[str]:
    return [command["description"] for command in (await chat.server.state(visitor.chat_id))["commands"]]


def expected(chat: Machine, locale: str) -> list[str]:
    return [command.description for command in commands(chat.core.texts, locale)]


async def test_whoever_is_met_in_traditional_chinese_gets_that_menu(chat: Machine) -> None:
    ann = await chat.visitor("zh-Hant")
    assert await menu(chat, ann) == expected(chat, "zh-Hans")
    await ann.says("/help")
    assert await menu(chat, ann) == expected(chat, "zh-Hant")


async def test_only_those_whom_no_common_menu_serves_get_one_of_their_own(chat: Machine) -> None:
    for locale in ("en", "zh-Hans"):
        visitor = await chat.visitor(locale)
        await visitor.says("/help")
        assert await menu(chat, visitor) == expected(chat, locale)
        own = await chat.app.chat_server._kept("commands", f"chat:{visitor.chat_id}", "")
        assert own == []


async def test_the_page_follows_the_language_picked_in_the_chat(chat: Machine) -> None:
    ann = await chat.visitor("en")
    await ann.says("/language")
    for locale in ("zh-Hant", "zh-Hans", "en"):
        with chat.app.push.subscribe(ann.chat_id) as events:
            await ann.presses(LOCALES[locale])
            heard = [await events.next() for _ in range(len(events))]
        assert StateChanged() in heard
        assert (await chat.server.state(ann.chat_id))["locale"] == locale
        assert await menu(chat, ann) == expected(chat, locale)
        await ann.says("/language")


async def test_a_page_that_opens_again_gets_the_menu_of_the_language_picked(chat: Machine) -> None:
    ann = await chat.visitor("zh-Hant")
    await ann.says("/start")
    await ann.presses("English")
    await chat.app._greet(ann.chat_id)
    assert await menu(chat, ann) == expected(chat, "en")


async def test_the_language_switch_of_the_page_reaches_bot_and_menu(chat: Machine) -> None:
    ann = await chat.visitor("en")
    await chat.app._speak(ann.chat_id, "zh-Hant")
    assert (await chat.server.state(ann.chat_id))["locale"] == "zh-Hant"
    assert await menu(chat, ann) == expected(chat, "zh-Hant")
    assert "您" in (await ann.says("/help")).text


async def test_who_erases_everything_sees_the_press_answered(chat: Machine) -> None:
    ann = await chat.visitor()
    question = await ann.says("/erase")
    with chat.app.push.subscribe(ann.chat_id) as events:
        await chat.server.press(ann.chat_id, question.id, question.data_of("Yes, erase"), "the press")
        await chat.settled()
        keys = [getattr(await events.next(), "key", None) for _ in range(len(events))]
    assert "the press" in keys
