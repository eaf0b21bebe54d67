"""A server process for tests: start it, move its clock, hold its work, kill it, start it again on the same port."""

import json
import os
import signal
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from tests.conftest import START
from tests.e2e.nursery import Born, Nursery
from tests.e2e.runner import CLOCK, DIE, DIE_SENDING, HOLD
from tests.machine import until


class Server:
    """The tests' runner on one data folder, started by a nursery. Its log is kept over restarts."""

    def __init__(self, folder: Path, nursery: Nursery, **settings: str) -> None:
        self.folder = folder
        self.port = 0
        self._nursery = nursery
        self._settings = settings
        self._process: Born | None = None
        folder.mkdir(exist_ok=True)
        self._log = folder / "log"
        self._log.touch()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> Born:
        assert self._process is not None, "not started"
        return self._process

    @property
    def lines(self) -> list[str]:
        """What it has logged so far, over all starts."""
        return self._log.read_text().splitlines()

    async def start(self, *arguments: str) -> None:
        """Until the page is served; the first time on a free port, then on the same again."""
        logged = len(self.lines)
        with self._log.open("a") as log:
            self._process = self._spawn(arguments, None, log)
        await until(lambda: self._logged("serving", logged) or self.process.returncode is not None, "the start")
        served = self._logged("serving", logged)
        assert served is not None, "\n".join(self.lines[logged:])
        self.port = urlsplit(served["address"]).port or 0

    def _spawn(self, arguments: Sequence[str], out: IO[Any] | None, err: IO[Any], **more: str) -> Born:
        settings = {
            "CIPO_DATA_DIR": str(self.folder),
            "CIPO_WEB_PORT": str(self.port),
            "CIPO_MESSAGES_PER_MINUTE": "1000",
            "CIPO_FITTING": "false",  # it keeps a core busy for longer than most tests last
            **self._settings,
            **more,
        }
        with Path(os.devnull).open("w") as nowhere:
            return self._nursery.start(list(arguments), self.folder, settings, out or nowhere, err)

    def _logged(self, event: str, since: int = 0) -> dict[str, str] | None:
        for line in self.lines[since:]:
            if line.startswith("{") and (entry := json.loads(line)).get("event") == event:
                return dict(entry)
        return None

    async def logs(self, event: str, since: int = 0) -> None:
        """Wait until the process logs that, `since` that many lines."""
        await until(lambda: self._logged(event, since), f"{event!r} in the log")

    def errors(self) -> list[str]:
        """Whatever was logged as an error, or was no entry at all."""
        entries = [json.loads(line) if line.startswith("{") else {"level": line} for line in self.lines]
        return [str(entry) for entry in entries if entry["level"] not in ("debug", "info", "warning")]

    async def run(self, *arguments: str) -> str:
        """Run another verb beside the server; what it printed."""
        code, out, err = await self._beside(arguments)
        assert code == 0, err
        return out

    async def fails(self, **settings: str) -> tuple[int, str]:
        """Start a second one beside, which is to end by itself: its exit code and what it complained of."""
        code, _, err = await self._beside((), **settings)
        return code, err

    async def _beside(self, arguments: Sequence[str], **settings: str) -> tuple[int, str, str]:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = self._spawn(arguments, out, err, **settings)
            await until(lambda: process.returncode is not None, f"the end of {arguments or 'serve'}")
            for file in (out, err):
                file.seek(0)
            return cast(int, process.returncode), out.read(), err.read()

    async def invite(self, role: str, *more: str) -> str:
        """The path of a one-time link for staff."""
        link = urlsplit((await self.run("invite", "--role", role, *more)).strip())
        return f"{link.path}?{link.query}"

    async def kill(self) -> None:
        """kill -9, at once."""
        self.process.send_signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """Ask it to end, once; its exit code."""
        self.ask_to_stop()
        return await self.ended()

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        await until(lambda: self.process.returncode is not None, "its end")
        return cast(int, self.process.returncode)

    async def killed_at_last(self) -> None:
        """Leave nothing behind, whatever became of the test."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    def waiting(self, kind: str) -> int:
        """How many updates of that kind ("message", "press") are accepted and not yet worked off, on SQLite."""
        query = "SELECT count(*) FROM inbox WHERE done_at IS NULL AND key LIKE ?"
        with closing(sqlite3.connect(self.folder / "cipo.db")) as database:
            return int(database.execute(query, (f"{kind} %",)).fetchone()[0])

    # What the runner looks at

    def hold(self) -> None:
        """From now on updates are accepted but not worked off."""
        (self.folder / HOLD).touch()

    def release(self) -> None:
        (self.folder / HOLD).unlink()

    def die_after(self, updates: int) -> None:
        """It is to kill itself once it has handled that many more, before they are marked."""
        (self.folder / DIE).write_text(str(updates))

    def die_after_sending(self, messages: int) -> None:
        """It is to kill itself once it has sent that many more, before anything else is noted."""
        (self.folder / DIE_SENDING).write_text(str(messages))

    def advance(self, by: timedelta) -> None:
        self._move(self._offset() + by.total_seconds())

    def set_clock(self, now: datetime = START) -> None:
        self._move((now - datetime.now(now.tzinfo)).total_seconds())

    def _offset(self) -> float:
        path = self.folder / CLOCK
        return float(path.read_text()) if path.exists() else 0.0

    def _move(self, offset: float) -> None:
        """Whole at any instant, as the process may read in between."""
        fresh = self.folder / f"{CLOCK}.new"
        fresh.write_text(str(offset))
        fresh.replace(self.folder / CLOCK)
