"""The commands menu, in each language and for each sort of person."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.types import BotCommand, BotCommandScopeAllPrivateChats, BotCommandScopeChat

from bot.texts import N_, Texts

log = structlog.get_logger(__name__)

EVERYBODY = (
    ("topics", N_("Browse the topics")),
    ("ask", N_("Ask a person")),
    ("book", N_("Book an expert")),
    ("appointments", N_("My appointments")),
    ("events", N_("Forums and training")),
    ("reminders", N_("My reminders")),
    ("language", N_("Change the language")),
    ("timezone", N_("Change the time zone")),
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
    """Set what people see before they write: commands, descriptions and name, in each language.

    Telegram is strict about how often these change, so only what differs is set, what matters most comes first, and a
    refusal leaves out one part alone until the next start.
    """
    scope = BotCommandScopeAllPrivateChats()
    for locale, code in _TELEGRAM_LANGUAGE.items():
        with _refusal_logged("commands"):
            await bot.set_my_commands(commands(texts, locale), scope=scope, language_code=code)
    with _refusal_logged("menu button"):
        await bot.set_chat_menu_button()
    for locale, code in _TELEGRAM_LANGUAGE.items():
        say = texts.translator(locale)
        with _refusal_logged("description"):
            if (await bot.get_my_description(code)).description != (wanted := say.plain(DESCRIPTION)):
                await bot.set_my_description(wanted, code)
        with _refusal_logged("short description"):
            if (await bot.get_my_short_description(code)).short_description != (wanted := say.plain(SHORT_DESCRIPTION)):
                await bot.set_my_short_description(wanted, code)
        with _refusal_logged("name"):
            if (await bot.get_my_name(code)).name != name:
                await bot.set_my_name(name, code)


async def offer_commands(bot: Bot, texts: Texts, chat_id: int, locale: str, roles: frozenset[str]) -> None:
    """Give one chat the menu of its language and roles; a refusal leaves it with the one it had."""
    scope = BotCommandScopeChat(chat_id=chat_id)
    with _refusal_logged("commands of a chat"):
        await bot.set_my_commands(commands(texts, locale, roles), scope=scope)


def needs_own_menu(locale: str) -> bool:
    """Whether the menus set for everybody leave this language out."""
    return locale not in _TELEGRAM_LANGUAGE


@contextmanager
def _refusal_logged(what: str) -> Iterator[None]:
    try:
        yield
    except AiogramError as error:
        log.warning("part of the profile not set", part=what, error=str(error)[:300])
