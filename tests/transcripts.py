"""Conversations as tests: reads the transcripts of tests/conversations and plays them.

A transcript is Markdown that anybody can read. Lines that are played:

    **Ann** says: What does a CIPO do?
    **Ann** presses: Book an expert
    **Bot** to Ann: A CIPO is a senior executive … IP strategy
    **Buttons**: Ask an expert | More on this topic
    **Notice** to Ann: Thank you
    **File** to Ann: appointment.ics
    **Time** passes: 2 hours
    **Staff** Bo is: admin
    **Cy** speaks: zh-Hant

`…` stands for any text, and a label may be a part of a longer one, in capitals or not. A **Bot** line matches a message
that came or changed since that person's last act, in order; **Buttons** names labels that the message just matched
has, **File** its document or that of a later one.
Everything else is prose.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from tests.machine import Seen

FOLDER = Path(__file__).parent / "conversations"
LINE = re.compile(r"^\*\*(?P<who>[^*]+)\*\*(?P<rest>.*)$")
UNITS = {"minute": "minutes", "hour": "hours", "day": "days"}


class Talker(Protocol):
    """A person with a page, whatever is between the page and the bot."""

    toasts: list[str]

    async def says(self, text: str) -> Any: ...

    async def presses(self, label: str) -> Any: ...

    async def page(self) -> list[Seen]: ...


@dataclass(frozen=True)
class Stage:
    """What a transcript is played on."""

    enter: Callable[[str, str], Awaitable[Talker]]
    appoint: Callable[[str, str], Awaitable[Talker]]
    advance: Callable[[timedelta], Awaitable[None]]


@dataclass
class Actor:
    talker: Talker
    seen: dict[int, str] = field(default_factory=dict)
    fresh: list[Seen] = field(default_factory=list)

    async def look(self) -> None:
        """Note which messages of the bot came or changed since the last look."""
        for message in await self.talker.page():
            shown = f"{message.text}{message.labels()}{message.document}"
            if message.by == "bot" and self.seen.get(message.id) != shown:
                self.fresh = [m for m in self.fresh if m.id != message.id] + [message]
            self.seen[message.id] = shown


class Play:
    """Plays one transcript; AssertionError names the line that did not come true."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._actors: dict[str, Actor] = {}
        self._locales: dict[str, str] = {}
        self._matched: Seen | None = None

    async def run(self, path: Path) -> None:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := LINE.match(line):
                try:
                    await self._line(found["who"].strip(), found["rest"].strip())
                except (AssertionError, KeyError) as error:
                    raise AssertionError(f"{path.name}:{number}: {line}\n{error}") from error

    async def _line(self, who: str, rest: str) -> None:
        verb, _, text = rest.partition(":")
        text = text.strip()
        match who, verb.split():
            case "Bot", ["to", name]:
                self._matched = self._expect(name, text)
            case "Buttons", []:
                self._expect_buttons(text)
            case "Notice", ["to", name]:
                toasts = self._actors[name].talker.toasts
                assert toasts and _fits(text, toasts[-1]), f"notices: {toasts}"
            case "File", ["to", name]:
                shown = [m.document for m in (self._matched, *self._actors[name].fresh) if m]
                assert text in shown, f"files: {shown}"
            case "Time", ["passes"]:
                await self._pass(text)
            case "Staff", [name, "is"]:
                self._actors[name] = Actor(await self._stage.appoint(name, text))
                await self._actors[name].look()
            case name, ["speaks"]:
                self._locales[name] = text
            case name, ["says"]:
                await self._act(name, lambda talker: talker.says(text))
            case name, ["presses"]:
                await self._act(name, lambda talker: self._press(talker, text))
            case _:
                raise AssertionError("not a line that can be played")

    async def _act(self, name: str, act: Callable[[Talker], Awaitable[Any]]) -> None:
        actor = await self._actor(name)
        actor.fresh = []
        await act(actor.talker)
        for everyone in self._actors.values():
            await everyone.look()

    async def _press(self, talker: Talker, wanted: str) -> None:
        """The newest button with that label; with other capitals only where there is none."""
        labels = [label for message in reversed(await talker.page()) for label in message.labels()]
        alike = (label for label in labels if wanted.casefold() in label.casefold())
        await talker.presses(wanted if any(wanted in label for label in labels) else next(alike, wanted))

    async def _actor(self, name: str) -> Actor:
        if name not in self._actors:
            self._actors[name] = Actor(await self._stage.enter(name, self._locales.get(name, "en")))
        return self._actors[name]

    async def _pass(self, text: str) -> None:
        amount, unit = text.split()
        await self._stage.advance(timedelta(**{UNITS[unit.rstrip("s")]: int(amount)}))
        for actor in self._actors.values():
            await actor.look()

    def _expect(self, name: str, text: str) -> Seen:
        fresh = self._actors[name].fresh
        while fresh:
            message = fresh.pop(0)
            if _fits(text, message.text):
                return message
            passed_over = message
        shown = passed_over.text if "passed_over" in locals() else "nothing new"
        raise AssertionError(f"not said; the last was:\n{shown}")

    def _expect_buttons(self, text: str) -> None:
        assert self._matched is not None
        labels = self._matched.labels() + list(self._matched.replies)
        for wanted in text.split("|"):
            assert any(_fits(wanted.strip(), label) for label in labels), f"{wanted!r} is not among {labels}"


def _fits(wanted: str, text: str) -> bool:
    pieces = [re.escape(" ".join(piece.split())) for piece in wanted.split("…")]
    return re.search(".*".join(pieces), " ".join(text.split())) is not None


def transcripts() -> list[Path]:
    return sorted(FOLDER.glob("*.md"))
