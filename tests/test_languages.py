"""Everything is said in all three languages, and nobody meets a text in another one."""

import re
from pathlib import Path

import pytest

from bot.settings import Settings
from bot.texts import LOCALES, Texts, catalogue, decode
from bot.texts.actions import EraseData, Idle, PickLanguage, PickZone
from handlers.locale import browser_locale, guess_locale
from tests.conftest import MovableClock
from tests.machine import Machine, Seen, Visitor, machine

FIRST = ["/start", "/topics", "/book", "/events", "/reminders", "/appointments", "/privacy", "/language", "/ask"]
NEXT = ["/cancel", "/nonsense", "怎么烤面包", "/export"]
STEPS = 60
"""Presses of the walk; each kind of button is tried once."""


def test_the_catalogues_are_complete_with_the_same_placeholders_and_tags() -> None:
    assert list(catalogue.problems()) == []


@pytest.mark.parametrize(
    ("tag", "locale"),
    [
        ("zh-Hans", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-hant", "zh-Hant"),
        ("zh_HK", "zh-Hant"),
        ("zh-TW", "zh-Hant"),
        ("zh-Hans-HK", "zh-Hans"),
        ("yue", "zh-Hant"),
        ("en-GB", "en"),
        ("de", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_a_language_tag_is_one_of_ours(tag: str | None, locale: str) -> None:
    assert guess_locale(tag) == locale


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("de-DE,de;q=0.9,zh-TW;q=0.8,en;q=0.7", "zh-Hant"),
        ("en;q=0.1, zh-CN;q=0.9", "zh-Hans"),
        ("fr", "en"),
        ("", "en"),
        ("zh-HK;q=x", "zh-Hant"),
    ],
)
def test_a_browser_is_spoken_to_in_the_first_language_we_share(header: str, locale: str) -> None:
    assert browser_locale(header) == locale


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en"])
async def test_no_english_reaches_somebody_who_reads_chinese(
    locale: str, database_url: str, tmp_path: Path, clock: MovableClock
) -> None:
    """Walks through all commands and one of every kind of button, and reads everything it is shown."""
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=database_url)
    async with machine(settings, clock) as town:
        await town.core.services.sample.load()
        said = await walk(town, locale)
    phrases = english(locale)
    assert len(phrases) > 100
    assert len(said) > 50
    assert not {(phrase, text) for text in said for phrase in phrases if phrase in text}


async def walk(town: Machine, locale: str) -> set[str]:
    visitor = await town.visitor(locale)
    said: set[str] = set()
    tried: set[str] = set()
    for command in FIRST:
        said |= _texts(await visitor.says(command))
        for _ in range(STEPS):
            if (chosen := await _untried(visitor, tried)) is None:
                break
            said |= _texts(await visitor.sends_data(*chosen))
    for text in NEXT:
        said |= _texts(await visitor.says(text))
    return said | set(visitor.toasts)


async def _untried(visitor: Visitor, tried: set[str]) -> tuple[str, int] | None:
    """A button of a kind not pressed yet, newest message first."""
    skipped = (EraseData, Idle, PickLanguage, PickZone)
    for message in reversed(await visitor.page()):
        for _, data in message.buttons:
            kind = (data or "").partition(":")[0]
            action = decode(data)
            if data and kind not in tried and not isinstance(action, skipped):
                tried.add(kind)
                return data, message.id
    return None


def _texts(message: Seen) -> set[str]:
    return {message.text, *message.labels(), *message.replies}


def english(locale: str) -> set[str]:
    """Runs of two English words and more that are said otherwise in this language."""
    say = Texts().translator(locale)
    pieces: set[str] = set()
    for message in catalogue.extract():
        text = message.id if isinstance(message.id, str) else ""
        if text and say.unfilled(text) != text:
            pieces |= {piece.strip() for piece in re.split(r"\{[^}]*\}|%\([^)]*\)s|<[^>]*>|\n", text)}
    return {piece for piece in pieces if len(re.findall(r"[A-Za-z]{2,}", piece)) >= 2}
