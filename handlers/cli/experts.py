"""`experts list|load|retire`: who can be booked. The file that `load` reads is described in docs/experts.md."""

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bot.clock import known_zones
from bot.settings import OperatorError
from bot.texts import LOCALES, Localized
from handlers.cli import COMMAND
from handlers.services import Core
from knowledge.reading import InFile, Step, items, text_of
from scheduler.appointments.availability import Minutes
from scheduler.appointments.experts import check
from scheduler.appointments.values import TOPICS, ExpertDraft

WEEKDAYS: Final = {name: at for at, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
LOCALIZED: Final = ("name", "title", "bio", "meeting_info")
KNOWN: Final = tuple(field.name for field in fields(ExpertDraft) if field.name != "sample")
NEEDED: Final = tuple(
    field.name for field in fields(ExpertDraft) if field.default is MISSING and field.default_factory is MISSING
)
WINDOW: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9]) ?[-–] ?([0-9]{1,2}):([0-5][0-9])")
MOST: Final = 1_000_000
"""Of minutes, days and appointments: more than anybody means, and less than a database takes."""


class BadFileError(OperatorError):
    """The file cannot be used; the text names the place and the mend."""


async def experts(core: Core, options: argparse.Namespace) -> int:
    match options.experts:
        case "load":
            await _load(core, options.file)
        case "retire":
            await _retire(core, options.number)
    for card in await core.services.appointments.roster():
        name = core.texts.translator("en").localized(card.name)
        print(f"{card.id:>4}  {name}  [{', '.join(card.topics)}]  {card.zone}")
    return 0


async def _load(core: Core, file: Path) -> None:
    """Add everybody in the file whose name nobody has yet; nobody where one of them makes no sense."""
    appointments = core.services.appointments
    there = {_called(card.name) for card in await appointments.roster()}
    for draft in read(file):
        if _called(draft.name) not in there:
            await appointments.add_expert(draft)


async def _retire(core: Core, number: int) -> None:
    if not await core.services.appointments.retire_expert(number):
        raise BadFileError(f"there is no expert number {number}; run: {COMMAND} experts list")


def _called(name: Localized) -> str:
    """The English name; where there is none, the first there is."""
    return next(filter(None, (name.get(locale) for locale in LOCALES)), "")


def read(file: Path) -> list[ExpertDraft]:
    """The experts of a file; OperatorError with the place of the first thing that is wrong."""
    drafts: dict[str, ExpertDraft] = {}
    for at, (origin, written) in enumerate(items(text_of(file, str(file)), str(file), "experts", "name"), 1):
        form = _Form(origin, f"expert {at}")
        draft = form.draft(written)
        called = _called(draft.name)
        if called in drafts:
            raise form.wrong(f"{called!r} is there twice; keep one", "name")
        drafts[called] = draft
    if not drafts:
        raise BadFileError(f"{file}:1: holds no experts; see docs/experts.md")
    return list(drafts.values())


class _Form:
    """One expert as written; complains with the line of what is wrong."""

    def __init__(self, origin: InFile, who: str) -> None:
        self._origin = origin
        self._who = who

    def wrong(self, message: str, *path: Step) -> BadFileError:
        return BadFileError(f"{self._origin.place(path)}: {self._who}: {message}")

    def draft(self, written: Mapping[str, Any]) -> ExpertDraft:
        for name in written:
            if name not in KNOWN:
                raise self.wrong(f"{name!r} is not known; use one of {', '.join(KNOWN)}", name)
        for name in NEEDED:
            if written.get(name) is None:
                raise self.wrong(f"{name} is missing; see docs/experts.md")
        given = {name: value for name, value in written.items() if value is not None}
        draft = ExpertDraft(**{name: self._value(name, value) for name, value in given.items()})
        try:
            check(draft)
        except ValueError as error:
            raise self.wrong(str(error)) from None
        return draft

    def _value(self, name: str, value: Any) -> Any:
        if name in LOCALIZED:
            return self._localized(name, value)
        if name in ("languages", "topics"):
            return self._listed(name, value)
        if name == "hours":
            return {self._weekday(day): self._windows(each, name, day) for day, each in self._mapping(name, value)}
        if name == "overrides":
            return {self._day(day): self._windows(each, name, day) for day, each in self._mapping(name, value)}
        if name == "zone":
            return self._zone(value)
        return self._number(name, value)

    def _localized(self, name: str, value: Any) -> Localized:
        texts: Mapping[str, Any] = value if isinstance(value, Mapping) else {"en": value}
        for locale, text in texts.items():
            if locale not in LOCALES:
                raise self.wrong(f"{locale!r} is no language here; use one of {', '.join(LOCALES)}", name, locale)
            if not isinstance(text, str) or not text.strip():
                mend = "a text in quotes, or one a language such as {en: ..., zh-Hans: ...}"
                raise self.wrong(f"{name} must be {mend}", name, locale)
        return dict(texts)

    def _listed(self, name: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(f"{name} must be a list of words, like [one, two]", name)
        for at, each in enumerate(value):
            if name == "topics" and each not in TOPICS:
                raise self.wrong(f"{each!r} is no topic; topics are {', '.join(TOPICS)}", name, at)
        return tuple(dict.fromkeys(value))

    def _zone(self, value: Any) -> str:
        if not isinstance(value, str) or value not in known_zones():
            raise self.wrong(f"{value!r} is no IANA time zone; write it like Asia/Hong_Kong", "zone")
        return value

    def _number(self, name: str, value: Any) -> int:
        if type(value) is not int or not 0 <= value <= MOST:
            raise self.wrong(f"{name} must be a whole number from 0 to {MOST}", name)
        return value

    def _mapping(self, name: str, value: Any) -> Iterable[tuple[str, Any]]:
        if not isinstance(value, Mapping):
            raise self.wrong(f'{name} must be days with windows, like {{mon: ["09:30-12:30"]}}', name)
        return value.items()

    def _weekday(self, name: str) -> int:
        if name not in WEEKDAYS:
            raise self.wrong(f"{name!r} is no weekday; write {', '.join(WEEKDAYS)}", "hours", name)
        return WEEKDAYS[name]

    def _day(self, name: str) -> date:
        try:
            return datetime.strptime(name, "%Y-%m-%d").date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            raise self.wrong(f"{name!r} is no day; write it like 2026-12-24", "overrides", name) from None

    def _windows(self, windows: Any, *path: Step) -> tuple[Minutes, ...]:
        """`["09:30-12:30", "14:00-18:00"]` in minutes of the day, in order."""
        if windows is None:
            return ()
        if not isinstance(windows, list):
            raise self.wrong('write windows as a list, like ["09:30-12:30", "14:00-18:00"]', *path)
        found = sorted(self._window(window, *path, at) for at, window in enumerate(windows))
        for (_, end), (start, _) in pairwise(found):
            if start < end:
                raise self.wrong("two windows overlap; make them one", *path)
        return tuple(found)

    def _window(self, text: Any, *path: Step) -> Minutes:
        found = WINDOW.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise self.wrong(f"{str(text)[:60]!r} is no window; write windows like 09:30-12:30", *path)
        hour, minute, until_hour, until_minute = map(int, found.groups())
        start, end = hour * 60 + minute, until_hour * 60 + until_minute
        if not start < end <= 24 * 60:
            raise self.wrong(f"{text!r} must end after it begins, at 24:00 at the latest", *path)
        return start, end
