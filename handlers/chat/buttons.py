"""Buttons that stand in many rooms, how their labels are cut, and how long lists are paged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from bot.texts import Action, Button, Translator, one_line
from bot.texts.actions import AskExpert, GoHome, Leave, ShowAppointment, ShowAppointments, StartBooking
from bot.texts.message import Style

T = TypeVar("T")

LABEL = 60
"""Characters: a phone shows no more on a button."""


def rows(items: Sequence[T], width: int) -> tuple[tuple[T, ...], ...]:
    """The items in rows of `width`."""
    return tuple(tuple(items[at : at + width]) for at in range(0, len(items), width))


def cut(text: str, limit: int) -> str:
    """The text, or as much of it as fits `limit` characters together with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def label(text: str, limit: int = LABEL) -> str:
    """As much of the text as a button shows, in one line."""
    return cut(one_line(text), limit)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a longer list; pages are numbered from 0 to `last`."""

    items: Sequence[T]
    number: int
    last: int

    @classmethod
    def of(cls, items: Sequence[T], number: int, size: int) -> Self:
        """The page, or the nearest there is: the list may be shorter than when its button was made."""
        last = max(0, (len(items) - 1) // size)
        number = max(0, min(number, last))
        return cls(items[number * size : (number + 1) * size], number, last)

    def turning(self, to: Callable[[int], Action], say: Translator) -> tuple[Button, ...]:
        """The row that leads to the neighbouring pages; empty where there are none."""
        back = Button(say.plain("‹ Previous"), to(self.number - 1))
        on = Button(say.plain("Next ›"), to(self.number + 1))
        return (back,) * (self.number > 0) + (on,) * (self.number < self.last)


def main_menu(say: Translator) -> Button:
    return Button(say.plain("Main menu"), GoHome())


def cancel(say: Translator) -> Button:
    """Leaves whatever is being typed."""
    return Button(say.plain("Cancel"), Leave())


def ask_expert(question: int, say: Translator, style: Style | None = None) -> Button:
    """Passes a logged question on to a person."""
    return Button(say.plain("Ask an expert"), AskExpert(question), style=style)


def ask_person(say: Translator, style: Style | None = None) -> Button:
    """Leads to a question that is still to be typed."""
    return Button(say.plain("Ask a person"), AskExpert(0), style=style)


def book_expert(say: Translator) -> Button:
    return Button(say.plain("Book an expert"), StartBooking(None))


def my_appointments(say: Translator, after: int | None = None) -> Button:
    """`after` is the appointment that the message with the button speaks of."""
    return Button(say.plain("My appointments"), ShowAppointments(after))


def show_appointment(appointment: int, say: Translator) -> Button:
    return Button(say.plain("Show the appointment"), ShowAppointment(appointment))
