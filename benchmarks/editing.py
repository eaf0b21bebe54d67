"""An edit: until it is answered from on two replicas, and how slow answers are while the head is fitted to it.

    python -m benchmarks.editing [--edits 10] [--rate 10] [--seconds 20]

The shipped entries on a new SQLite folder, the whole stack of `benchmarks.updates` in front. A second replica looks
at the same database as often as it does when serving. Then questions come evenly, first with nothing else going on,
then while the process beside fits; with 0 seconds that is left out. Last what a replica does about an edit, in
processor time.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.updates import at_rate, fresh_town
from bot.background import InFlight
from bot.clock import SystemClock
from bot.settings import Settings
from handlers.services import Core
from knowledge.curation import Drafted, Published
from knowledge.live import LOOK_SECONDS
from run_bot import build_core
from scheduler.ticks import Tick, Ticks
from tests.machine import Machine, until

ENTRY = "cipo-01"


async def edit(core: Core, number: int) -> None:
    curation = core.services.curation
    drafted = await curation.add_phrasing(None, ENTRY, "en", f"office of the owl number {number}")
    assert isinstance(drafted, Drafted), drafted
    assert isinstance(await curation.publish(None, drafted.revision.id), Published)


async def until_seen(cores: Sequence[Core], number: int) -> float:
    """Seconds from a publication until every replica answers from it."""
    before = [(await core.live.view()).version for core in cores]
    await edit(cores[0], number)
    began = time.perf_counter()
    for core, version in zip(cores, before, strict=True):
        await until(partial(is_newer, core, version), "the edit to be seen")
    return time.perf_counter() - began


async def is_newer(core: Core, version: int) -> bool:
    return (await core.live.view()).version > version


async def measure(folder: Path, edits: int, rate: float, seconds: float) -> None:
    async with fresh_town(folder) as town:
        clock, settings = SystemClock(), Settings(_env_file=None, data_dir=folder, fitting=False)
        other = build_core(settings, clock)
        await other.live.look()
        ticks = Ticks([Tick("knowledge", other.live.look, seconds=LOOK_SECONDS)], clock, InFlight())
        ticks.start()
        seen = [await until_seen([town.core, other], number) for number in range(edits)]
        await ticks.shutdown()
        print(
            f"seen by two replicas after {statistics.median(seen):.2f} s, at most {max(seen):.2f} s, of {edits} edits"
        )
        if seconds:
            await while_asked(town, rate, seconds)
        await other.live.tick()  # takes the head, where one was fitted
        work = sorted([await work_of(town.core, other, 2000 + number) for number in range(edits)])
        await other.close()
        print(f"work of an edit, processor {statistics.median(work):.2f} s, {work[0]:.2f} to {work[-1]:.2f}")


async def work_of(core: Core, follower: Core, number: int) -> float:
    """Seconds of processor time in which a replica takes up what another has published."""
    await edit(core, number)
    await core.live.look()  # its own, so that it does not count
    began = time.process_time()
    await follower.live.look()
    return time.process_time() - began


async def while_asked(town: Machine, rate: float, seconds: float) -> None:
    chats = [(await town.visitor("en")).chat_id for _ in range(24)]
    await at_rate(town, chats, rate, 2.0, "warm")
    idle = await at_rate(town, chats, rate, seconds, "idle")
    fitting = await while_fitting(town, chats, rate, seconds)
    ratio = _share(fitting, 0.99) / _share(idle, 0.99)
    print(f"idle            {_times(idle)}")
    print(f"while fitting   {_times(fitting)}   p99 ratio {ratio:.2f}   (at most 3)")


async def while_fitting(town: Machine, chats: Sequence[int], rate: float, seconds: float) -> list[float]:
    """Asked in slices, of which only those count that ended before the fit did."""
    latencies: list[float] = []
    for number in itertools.count(1000):
        await edit(town.core, number)
        await town.core.live.tick()
        for slice_ in itertools.count():
            asked = await at_rate(town, chats, rate, 1.0, f"fitting-{number}-{slice_}")
            if not town.core.live.is_fitting:
                break
            latencies += asked
        if len(latencies) >= rate * seconds:
            break
    return latencies


def _share(latencies: Sequence[float], share: float) -> float:
    return sorted(latencies)[int(len(latencies) * share)]


def _times(latencies: Sequence[float]) -> str:
    p50, p99 = (_share(latencies, share) * 1000 for share in (0.5, 0.99))
    return f"p50 {p50:6.1f} ms, p99 {p99:6.1f} ms over {len(latencies)} questions"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--edits", type=int, default=10)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), options.edits, options.rate, options.seconds))


if __name__ == "__main__":
    main()
