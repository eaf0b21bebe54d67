"""What Telegram is told of the bot: commands first, only what differs, and a flood leaves out one part alone."""

from aiogram import Bot
from aiogram.types import BotCommandScopeAllPrivateChats

from bot.texts import Texts
from handlers.chat.commands import introduce
from tests.botapi import BotApi

TEXTS = Texts()
NAME = "IP Advisor"


async def test_a_flood_on_the_name_leaves_out_the_name_alone(api: BotApi, bot: Bot) -> None:
    api.flood(3600, method="setMyName", times=9)
    await introduce(bot, TEXTS, NAME)
    assert len(api.made("setMyName")) == 2
    scope = BotCommandScopeAllPrivateChats()
    english, chinese = [await bot.get_my_commands(scope, code) for code in (None, "zh")]
    assert [each.command for each in english] == [each.command for each in chinese]
    assert english != chinese
    assert (await bot.get_my_description("zh")).description != (await bot.get_my_description()).description
    assert (await bot.get_my_short_description("zh")).short_description
    assert (await bot.get_my_name()).name == "CIPO Advisor"


async def test_a_flood_on_the_first_commands_leaves_the_others(api: BotApi, bot: Bot) -> None:
    api.flood(3600, method="setMyCommands")
    await introduce(bot, TEXTS, NAME)
    assert await bot.get_my_commands(BotCommandScopeAllPrivateChats(), "zh")
    assert (await bot.get_my_name()).name == NAME


async def test_a_second_start_changes_nothing_that_telegram_counts(api: BotApi, bot: Bot) -> None:
    await introduce(bot, TEXTS, NAME)
    changes = ("setMyName", "setMyDescription", "setMyShortDescription")
    before = [len(api.made(method)) for method in changes]
    await introduce(bot, TEXTS, NAME)
    assert [len(api.made(method)) for method in changes] == before
