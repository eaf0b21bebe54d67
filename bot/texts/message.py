"""A message as every room speaks it; channels translate it into their own objects."""

from dataclasses import dataclass
from typing import Literal

from bot.texts.actions import Action

Style = Literal["primary", "success", "danger"]


@dataclass(frozen=True, slots=True)
class Button:
    """Exactly one of `action`, `url` (https) and `copy` (text put on the reader's clipboard) is set."""

    text: str
    action: Action | None = None
    url: str | None = None
    copy: str | None = None
    style: Style | None = None


Buttons = tuple[tuple[Button, ...], ...]
"""Rows of buttons under a message."""


@dataclass(frozen=True, slots=True)
class ReplyKeyboard:
    """Suggested replies above the input; no rows takes the keyboard away."""

    rows: tuple[tuple[str, ...], ...] = ()
    placeholder: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    data: bytes
    mime: str


@dataclass(frozen=True, slots=True)
class Message:
    """`html` is Telegram's small HTML, already escaped; `buttons` and `keyboard` exclude each other."""

    html: str
    buttons: Buttons = ()
    document: Document | None = None
    keyboard: ReplyKeyboard | None = None
    silent: bool = False
