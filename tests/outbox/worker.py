"""A sender in a process of its own that kills itself, for the tests of crashes.

Arguments: the database's address, the point to die at, a file that stands for the other side, how many rows are in
flight. Each message that arrives there is one line.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from bot.clock import SystemClock
from bot.outbox.port import Address, ChatRef, Kind, Outcome, Owed, Reader, Result
from bot.outbox.sender import Sender
from bot.storage import Database, Tx
from bot.texts import Message, Texts


class EveryoneIsReachable:
    async def find(self, tx: Tx, contact_id: int) -> Address | None:
        return Address(ChatRef(7, contact_id), "en", "Asia/Hong_Kong")

    async def lost(self, tx: Tx, chat: ChatRef, at: object) -> None:
        raise AssertionError("nobody is lost here")


class File:
    """The other side: appends are what arrived, whoever dies afterwards."""

    bot_id = 7
    exactly_once = False

    def __init__(self, path: Path, point: str, rows: int) -> None:
        self.path = path
        self.point = point
        self.barrier = asyncio.Barrier(rows)

    async def send(self, chat: ChatRef, message: Message, key: str) -> Outcome:
        await self.die_together_at("started")
        with self.path.open("a") as file:
            file.write(f"{key}\n")
        await self.die_together_at("sent")
        return Outcome(Result.SENT, message_id=1)

    async def die_together_at(self, point: str) -> None:
        if self.point == point:
            await self.barrier.wait()
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kinds(point: str) -> dict[str, Kind]:
    async def wanted(tx: Tx, owed: Owed, now: object) -> bool:
        if point == "claimed":
            die()
        return True

    async def render(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
        return Message("hello")

    reminder = Kind("reminder", "at_least_once", wanted, render)
    return {"reminder": reminder, "offer": Kind("offer", "at_most_once", wanted, render)}


async def main(url: str, point: str, path: str, rows: str) -> None:
    channel = File(Path(path), point, int(rows))
    sender = Sender(
        Database(url),
        SystemClock(),
        kinds(point),
        {7: channel},
        EveryoneIsReachable(),
        Texts(),
        f"worker {os.getpid()}",
        in_flight=int(rows),
        lease=1.0 if point == "any" else 60.0,
        send_limit=0.5,
    )
    if point == "any":
        await sender.run(asyncio.Event())
    await sender.tick()
    die()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
