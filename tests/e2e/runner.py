"""The command line of `run_bot.py` with a clock that tests move: `python -m tests.e2e.runner [--fresh] [verb ...]`.

Settings come from the environment as ever. In the data folder, `clock` holds the seconds to add to the system's clock;
while a file `hold` exists no update is worked off; a file `die` has a number, and the process kills itself as soon as
it has handled (`die-sending`: sent) that many more. `--fresh` migrates and loads the sample data first, as
`make run` does.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from aiogram import Bot
from aiogram.methods import SendMessage, TelegramMethod
from aiogram.methods.base import TelegramType

import bot.channels.telegram
import bot.inbox
import handlers.app
from bot.channels.webchat.server import ChatServer
from bot.channels.webchat.session import WebChatSession
from bot.clock import Clock
from bot.inbox import Accepted
from bot.outbox.sender import Sender
from bot.settings import Settings
from handlers.app import App
from handlers.cli import run
from handlers.services import Core
from knowledge import library, regression
from run_bot import build, build_core

CLOCK, HOLD, DIE, DIE_SENDING = "clock", "hold", "die", "die-sending"
LOOK_EVERY = 0.01
INBOX_LEASE, OUTBOX_LEASE, POLL = "TEST_INBOX_LEASE", "TEST_OUTBOX_LEASE", "TEST_POLL_SECONDS"
"""Environment: seconds that the work of a dead process rests, and that one poll of Telegram lasts, where a test cannot
wait as long as an operator."""


KNOWLEDGE = "TEST_KNOWLEDGE"
"""Environment: a folder with the entries and questions that ship in the eyes of the tests."""

if KNOWLEDGE in os.environ:
    library.SHIPPED = Path(os.environ[KNOWLEDGE]) / "entries"  # type: ignore[misc]
    regression.SET = Path(os.environ[KNOWLEDGE]) / "regression.yaml"  # type: ignore[misc]


class FileClock:
    """The system's clock plus the seconds in a file, looked up each time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        offset = float(self._path.read_text()) if self._path.exists() else 0.0
        return datetime.now(UTC) + timedelta(seconds=offset)


class Gate:
    """Between the inbox and the handling of an update."""

    def __init__(self, handle: Callable[[Accepted], Awaitable[None]], folder: Path) -> None:
        self._handle = handle
        self._hold = folder / HOLD
        self._die = folder / DIE

    async def __call__(self, accepted: Accepted) -> None:
        while self._hold.exists():
            await asyncio.sleep(LOOK_EVERY)
        await self._handle(accepted)
        count_down(self._die)


class LastWords(WebChatSession):
    """Sends as ever, until the process dies between a send and whatever follows it."""

    def __init__(self, server: ChatServer, folder: Path) -> None:
        super().__init__(server)
        self._die = folder / DIE_SENDING

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109
    ) -> TelegramType:
        result = await super().make_request(bot, method, timeout)
        if isinstance(method, SendMessage):
            count_down(self._die)
        return result


def count_down(path: Path) -> None:
    """Die when the number in the file comes to nothing."""
    if not path.exists():
        return
    left = int(path.read_text()) - 1
    path.write_text(str(left))
    if left == 0:
        path.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def core_with_movable_clock(settings: Settings, clock: Clock) -> Core:
    bot.inbox.LEASE_SECONDS = float(os.environ.get(INBOX_LEASE, bot.inbox.LEASE_SECONDS))
    bot.channels.telegram.POLL_SECONDS = int(os.environ.get(POLL, bot.channels.telegram.POLL_SECONDS))
    return build_core(settings, FileClock(settings.data_dir / CLOCK))


def app_with_gate(core: Core) -> App:
    if lease := os.environ.get(OUTBOX_LEASE):
        vars(handlers.app)["Sender"] = partial(Sender, lease=float(lease), send_limit=float(lease) / 2)
    app = build(core)
    app.web_bot.session = LastWords(app.chat_server, core.settings.data_dir)
    core.inbox.handle = Gate(core.inbox.handle, core.settings.data_dir)
    return app


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--fresh"]:
        arguments = arguments[1:]
        for verb in (["migrate"], ["sample", "load"]):
            if code := run(verb, core_with_movable_clock, app_with_gate):
                return code
    return run(arguments, core_with_movable_clock, app_with_gate)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
