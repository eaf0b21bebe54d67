"""`experts list|load|retire`: who can be booked. The file that `load` reads is described in docs/experts.md."""

import argparse
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from bot.settings import OperatorError
from handlers.services import Core
from scheduler.appointments.availability import Minutes
from scheduler.appointments.values import ExpertDraft, Localized

WEEKDAYS = {name: at for at, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
LOCALIZED = ("name", "title", "bio", "meeting_info")
KNOWN = frozenset(field.name for field in fields(ExpertDraft)) - {"sample"}


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
    """Add everybody in the file whose name nobody has yet."""
    appointments = core.services.appointments
    there = {card.name.get("en") for card in await appointments.roster()}
    for at, draft in enumerate(read(file), 1):
        if draft.name.get("en") in there:
            continue
        try:
            await appointments.add_expert(draft)
        except ValueError as error:
            raise BadFileError(f"{file}: expert {at}: {error}") from None


async def _retire(core: Core, number: int) -> None:
    if not await core.services.appointments.retire_expert(number):
        raise BadFileError(f"there is no expert number {number}; run: python run_bot.py experts list")


def read(file: Path) -> list[ExpertDraft]:
    """The experts of a file; BadFileError with the place of the first thing that is wrong."""
    try:
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFileError(f"{file}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise BadFileError(f"{file}: is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(written, list):
        raise BadFileError(f"{file}: must be a list of experts; see docs/experts.md")
    return [_draft(file, at, each) for at, each in enumerate(written, 1)]


def _draft(file: Path, at: int, written: Any) -> ExpertDraft:
    if not isinstance(written, Mapping):
        raise BadFileError(f"{file}: expert {at}: must have name, title, languages, topics, zone, hours")
    if unknown := sorted(set(written) - KNOWN):
        raise BadFileError(f"{file}: expert {at}: {unknown[0]!r} is not known; use one of {', '.join(sorted(KNOWN))}")
    try:
        values = {name: _value(name, value) for name, value in written.items()}
        return ExpertDraft(**values)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise BadFileError(f"{file}: expert {at}: {error}") from None


def _value(name: str, value: Any) -> Any:
    if name in LOCALIZED:
        return _localized(value)
    if name in ("languages", "topics"):
        return tuple(str(each) for each in value)
    if name == "hours":
        return {_weekday(str(day)): _windows(windows) for day, windows in value.items()}
    if name == "overrides":
        return {_day(day): _windows(windows) for day, windows in value.items()}
    return value


def _localized(value: Any) -> Localized:
    return dict(value) if isinstance(value, Mapping) else {"en": str(value)}


def _weekday(name: str) -> int:
    if name not in WEEKDAYS:
        raise ValueError(f"{name!r} is no weekday; write {', '.join(WEEKDAYS)}")
    return WEEKDAYS[name]


def _windows(windows: Any) -> tuple[Minutes, ...]:
    """`["09:30-12:30", "14:00-18:00"]` in minutes of the day."""
    return tuple(_window(str(window)) for window in windows or ())


def _window(text: str) -> Minutes:
    start, _, end = text.partition("-")
    return _minute(start), _minute(end)


def _minute(text: str) -> int:
    hour, _, minute = text.strip().partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(minute) < 60):
        raise ValueError(f"{text!r} is no time; write windows like 09:30-12:30")
    return int(hour) * 60 + int(minute)


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))
