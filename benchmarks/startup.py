"""From the command to the page and to the first answer, beside `import aiogram` alone; all in one run.

    python -m benchmarks.startup [--rounds 3]

Each round imports aiogram in a fresh interpreter, then runs `run_bot.py serve` on a new migrated SQLite folder: until
the page is served over HTTP, then until a question that was typed at once is answered, through the page's fallback
without sockets. Ratios are of medians, once of the clock on the wall and once of processor time, which neighbours on
a shared machine disturb less. Linux only, as memory and loaded libraries are read from /proc.
"""

import argparse
import asyncio
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import httpx

from bot.clock import SystemClock
from bot.storage import Database
from bot.storage.migrate import migrate
from knowledge.shipped import merge_shipped

ROOT = Path(__file__).parents[1]
PATIENCE = 120.0
LATE = ("sklearn", "scipy")
"""Libraries that the page must not wait for."""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds on the wall, and of the processor."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the server; memory in MiB, `loaded` are the late libraries that were there with the page."""

    page: Took
    answer: Took
    memory_at_page: float
    memory_at_answer: float
    loaded: frozenset[str]


def import_aiogram() -> Took:
    wall, cpu = time.perf_counter(), _cpu_of_children()
    subprocess.run([sys.executable, "-c", "import aiogram"], check=True)
    return Took(time.perf_counter() - wall, _cpu_of_children() - cpu)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start_once(folder: Path) -> Start:
    asyncio.run(_migrate(folder))
    port = _free_port()
    began = time.perf_counter()
    with _serving(folder, port) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as page:
        _open(page, process)
        served = _took(process, began)
        memory, loaded = _memory(process), _loaded(process)
        _ask(page)
        return Start(served, _took(process, began), memory, _memory(process), loaded)


async def _migrate(folder: Path) -> None:
    db = Database(f"sqlite:///{folder / 'cipo.db'}")
    await migrate(db)
    await merge_shipped(db, SystemClock().now())
    await db.close()


def _free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """In the folder, so that no `.env` is read."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CIPO_")}
    environment |= {"CIPO_DATA_DIR": str(folder), "CIPO_WEB_PORT": str(port)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "run_bot.py"), "serve"], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _open(page: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Wait until the page is served; the client then holds the visitor's cookie."""
    for _ in _until_patience_ends("the page"):
        if process.poll() is not None:
            raise RuntimeError("the server ended; see its log")
        with suppress(httpx.TransportError):
            page.get("/").raise_for_status()
            return
        time.sleep(0.01)


def _ask(page: httpx.Client) -> None:
    frame = {"type": "message", "key": "first", "text": "What does a CIPO do?"}
    page.post("/chat/send", json=frame, headers={"Origin": str(page.base_url).rstrip("/")}).raise_for_status()
    for _ in _until_patience_ends("the answer"):
        heard = page.get("/chat/changes", params={"since": 1, "wait": 20}).raise_for_status().json()
        if any(message["from"] == "bot" and "CIPO" in message["html"] for message in heard["messages"]):
            return


def _until_patience_ends(what: str) -> Iterator[None]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield
    raise TimeoutError(f"waited in vain for {what}")


def _took(process: subprocess.Popen[bytes], began: float) -> Took:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # user and system time, counted after the name in parentheses
    return Took(time.perf_counter() - began, ticks / os.sysconf("SC_CLK_TCK"))


def _memory(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None, status
    return int(found[1]) / 1024


def _loaded(process: subprocess.Popen[bytes]) -> frozenset[str]:
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    return frozenset(name for name in LATE if f"/{name}/" in maps)


def report(imports: Sequence[Took], starts: Sequence[Start]) -> None:
    alone = _median(imports)
    page, answer = _median([each.page for each in starts]), _median([each.answer for each in starts])
    loaded = sorted(frozenset().union(*(each.loaded for each in starts)))
    print(f"import aiogram   {alone.wall:6.2f} s   {alone.cpu:6.2f} s CPU")
    print(f"page served      {page.wall:6.2f} s   {page.cpu:6.2f} s CPU   {_ratio(page, alone)}   (at most 1.5)")
    print(f"first answer     {answer.wall:6.2f} s   {answer.cpu:6.2f} s CPU   {_ratio(answer, alone)}   (at most 2.5)")
    print(f"loaded with the page, of {', '.join(LATE)}: {', '.join(loaded) or 'none'}")
    at_page = statistics.median(each.memory_at_page for each in starts)
    at_answer = statistics.median(each.memory_at_answer for each in starts)
    print(f"memory           {at_page:.0f} MiB with the page, {at_answer:.0f} MiB after the first answer")


def _median(each: Sequence[Took]) -> Took:
    return Took(statistics.median(took.wall for took in each), statistics.median(took.cpu for took in each))


def _ratio(took: Took, alone: Took) -> str:
    return f"ratio {took.wall / alone.wall:.2f}, by CPU {took.cpu / alone.cpu:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    imports, starts = [], []
    for _ in range(parser.parse_args().rounds):
        imports.append(import_aiogram())
        with tempfile.TemporaryDirectory() as folder:
            starts.append(start_once(Path(folder)))
    report(imports, starts)


if __name__ == "__main__":
    main()
