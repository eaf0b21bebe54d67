"""A message as every room speaks it; channels translate it into their own objects."""

import re
from dataclasses import dataclass
from typing import Literal

from bot.texts.actions import Action

Style = Literal["primary", "success", "danger"]

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
"""Control characters, ends of lines and changes of direction among them."""


def one_line(text: str) -> str:
    """A name or another short value on one line: it must not pose as further lines of what it is shown in."""
    return " ".join(_UNSEEN.sub(" ", text).split())


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
