"""The commands menu, in each language and for each sort of person."""

from aiogram import Bot
from aiogram.types import BotCommand, BotCommandScopeAllPrivateChats, BotCommandScopeChat

from bot.texts import N_, Texts

EVERYBODY = (
    ("topics", N_("Browse the topics")),
    ("ask", N_("Ask a person")),
    ("book", N_("Book an expert")),
    ("appointments", N_("My appointments")),
    ("events", N_("Forums and training")),
    ("reminders", N_("My reminders")),
    ("language", N_("Change the language")),
    ("privacy", N_("Privacy")),
    ("help", N_("What I can do")),
    ("cancel", N_("Leave what we are doing")),
    ("export", N_("A copy of my data")),
    ("erase", N_("Erase my data")),
)
DESK = (("desk", N_("Open questions (staff)")),)
CURATOR = (("knowledge", N_("Knowledge base (staff)")), ("misses", N_("Questions without a good answer (staff)")))
ADMIN = (("manage", N_("Manage events (staff)")),)

DESCRIPTION = N_(
    "Answers on the CIPO role and intellectual property, with sources. "
    "One-on-one appointments with experts. Forums and training, with reminders."
)
SHORT_DESCRIPTION = N_("Intellectual property that grows your business: answers, experts, forums.")

_TELEGRAM_LANGUAGE = {"en": None, "zh-Hans": "zh"}
"""Telegram tells languages apart by two letters: `zh` is Simplified, 繁體 is set chat by chat."""


def commands(texts: Texts, locale: str, roles: frozenset[str] = frozenset()) -> list[BotCommand]:
    say = texts.translator(locale)
    listed = EVERYBODY + DESK * bool(roles) + CURATOR * bool(roles & {"curator", "admin"}) + ADMIN * ("admin" in roles)
    return [BotCommand(command=name, description=say.plain(text)) for name, text in listed]


async def introduce(bot: Bot, texts: Texts, name: str) -> None:
    """Set what people see before they write: commands, name and descriptions, in each language."""
    for locale, code in _TELEGRAM_LANGUAGE.items():
        say = texts.translator(locale)
        scope = BotCommandScopeAllPrivateChats()
        await bot.set_my_commands(commands(texts, locale), scope=scope, language_code=code)
        await bot.set_my_name(name, language_code=code)
        await bot.set_my_description(say.plain(DESCRIPTION), language_code=code)
        await bot.set_my_short_description(say.plain(SHORT_DESCRIPTION), language_code=code)
    await bot.set_chat_menu_button()


async def offer_commands(bot: Bot, texts: Texts, chat_id: int, locale: str, roles: frozenset[str]) -> None:
    """Give one chat the menu of its language and roles."""
    scope = BotCommandScopeChat(chat_id=chat_id)
    await bot.set_my_commands(commands(texts, locale, roles), scope=scope)
