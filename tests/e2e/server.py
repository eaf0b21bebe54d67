"""A server process for tests: start it, move its clock, hold its work, kill it, start it again on the same port."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import START
from tests.e2e.runner import CLOCK, DIE, DIE_SENDING, HOLD
from tests.machine import until

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0


class Server:
    """`python -m tests.e2e.runner` on one data folder. What it logs is kept in `lines`, over restarts."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = 0
        self.lines: list[str] = []
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        folder.mkdir(exist_ok=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "not started"
        return self._process

    async def start(self, *arguments: str) -> None:
        """Until the page is served; the first time on a free port, then on the same again."""
        logged = len(self.lines)
        self._process = await self._spawn(arguments, asyncio.subprocess.DEVNULL)
        self._reading = asyncio.create_task(self._read(self._process))
        async with asyncio.timeout(PATIENCE):
            while (address := self._logged("serving", logged)) is None:
                assert self._process.returncode is None, "\n".join(self.lines[logged:])
                await asyncio.sleep(0.01)
        self.port = urlsplit(address["address"]).port or 0

    async def _spawn(self, arguments: Sequence[str], output: int, **more: str) -> asyncio.subprocess.Process:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CIPO_")},
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "CIPO_DATA_DIR": str(self.folder),
            "CIPO_WEB_PORT": str(self.port),
            "CIPO_MESSAGES_PER_MINUTE": "1000",
            **self._environment,
            **more,
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.e2e.runner",
            *arguments,
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.PIPE,
        )

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self.lines.append(line.decode().rstrip())

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
        process = await self._spawn(arguments, asyncio.subprocess.PIPE)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def fails(self, **environment: str) -> tuple[int, str]:
        """Start a second one beside, which is to end by itself: its exit code and what it complained of."""
        process = await self._spawn((), asyncio.subprocess.DEVNULL, **environment)
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode is not None
        return process.returncode, errors.decode()

    async def invite(self, role: str, *more: str) -> str:
        """The path of a one-time link for staff."""
        link = urlsplit((await self.run("invite", "--role", role, *more)).strip())
        return f"{link.path}?{link.query}"

    async def kill(self) -> None:
        """kill -9, at once."""
        self.process.kill()
        await self.ended()

    async def stop(self) -> int:
        """Ask it to end, once; its exit code."""
        self.ask_to_stop()
        return await self.ended()

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            if self._reading is not None:
                await self._reading
        return code

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
