"""Questions a second through the whole stack, beside a bare echo bot and the same SQL by hand; all in one run.

    python -m benchmarks.updates [--questions 600] [--visitors 24] [--rounds 5]

The whole stack: a visitor's message accepted and kept, handled in order by the dispatcher, answered by the engine,
logged, rendered, parsed by the strict chat server, stored and pushed to the page. (a) is an aiogram echo bot with
nothing behind it. (b) is every SQL statement of that very round, in the same transactions and with the same number
at once, on a copy of the database as it stood before, with the same driver and pool, without any of our layers.
Rounds alternate; ratios are of medians, once of the clock on the wall and once of processor time, which neighbours
on a shared machine disturb less.
"""

import argparse
import asyncio
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiogram import Bot, Dispatcher, Router
from aiogram.client.session.base import BaseSession
from aiogram.methods import SendMessage
from aiogram.types import Chat, Message, Update
from sqlalchemy import event

from bot.channels.webchat.push import Changed
from bot.clock import SystemClock
from bot.settings import Settings
from bot.storage import Database
from bot.storage.migrate import migrate
from handlers.app import keep_what_is_built
from knowledge.shipped import merge_shipped
from tests.machine import Machine, machine

QUESTIONS = [
    "What does a CIPO do?",
    "什么是CIPO",
    "how do I book an appointment",
    "how much is the forum",
    "怎样预约专家？",
]
RATE_SECONDS = 8


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds on the wall, and of the processor in all threads."""

    wall: float
    cpu: float


async def timed(work: Callable[[], Awaitable[Any]]) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


@dataclass
class Transaction:
    """What one transaction said to the database."""

    writes: bool
    statements: list[tuple[str, Any]] = field(default_factory=list)


@contextmanager
def recording(db: Database) -> Iterator[list[Transaction]]:
    """Every transaction of the database while the block runs, in the order in which they began."""
    said: list[Transaction] = []
    engines = {db.reader.sync_engine: False, db.writer.sync_engine: True}

    def executed(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("BEGIN"):
            connection.info["transaction"] = Transaction(engines[connection.engine])
            said.append(connection.info["transaction"])
        else:
            connection.info["transaction"].statements.append((statement, parameters))

    for engine in engines:
        event.listen(engine, "before_cursor_execute", executed)
    try:
        yield said
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", executed)


async def ask_all(town: Machine, chats: Sequence[int], questions: int, run: str) -> None:
    """Each chat asks its share, the next question as soon as the last is answered."""
    shares = [range(at, questions, len(chats)) for at in range(len(chats))]
    await asyncio.gather(*(ask_one_by_one(town, chat, share, run) for chat, share in zip(chats, shares, strict=True)))


async def ask_one_by_one(town: Machine, chat: int, numbers: Sequence[int], run: str) -> None:
    for number in numbers:
        await answered(town, chat, QUESTIONS[number % len(QUESTIONS)], f"{run}-{number}")


async def answered(town: Machine, chat: int, text: str, key: str) -> None:
    """Ask, and wait until the page hears of the answer: the second change after one's own message."""
    with town.app.push.subscribe(chat) as events:
        message_id = await town.server.say(chat, text, key)
        async with asyncio.timeout(60):
            async for happened in events:
                if isinstance(happened, Changed) and happened.seq > message_id:
                    return


async def replay(db: Database, transactions: Sequence[Transaction], at_once: int) -> None:
    """Issue the same statements by hand, `at_once` transactions at a time."""
    waiting = iter(transactions)

    async def worker() -> None:
        for transaction in waiting:
            engine = db.writer if transaction.writes else db.reader
            async with engine.connect() as connection, connection.begin():
                for statement, parameters in transaction.statements:
                    result = await connection.exec_driver_sql(statement, parameters)
                    if result.returns_rows:
                        result.all()

    await asyncio.gather(*(worker() for _ in range(at_once)))


class Echo(BaseSession):
    """Takes what an echo bot sends, and answers as Telegram would, at no cost."""

    async def close(self) -> None:
        pass

    async def stream_content(self, *args: Any, **kwargs: Any) -> AsyncGenerator[bytes, None]:
        yield b""

    async def make_request(self, bot: Bot, method: Any, timeout: int | None = None) -> Any:  # noqa: ASYNC109
        assert isinstance(method, SendMessage)
        sent = {"message_id": 1, "date": 0, "chat": Chat(id=1, type="private"), "text": method.text}
        return Message.model_validate(sent).as_(bot)


async def echo_all(questions: int) -> None:
    router = Router()

    @router.message()
    async def echo(message: Message) -> None:
        await message.answer(message.text or "")

    dispatcher = Dispatcher()
    dispatcher.include_router(router)
    bot = Bot("2:echo", session=Echo())
    person = {"id": 1, "is_bot": False, "first_name": "A"}
    raw = {"message_id": 1, "date": 0, "chat": {"id": 1, "type": "private"}, "from": person}
    for number in range(questions):
        message = {**raw, "text": QUESTIONS[number % len(QUESTIONS)]}
        update = Update.model_validate({"update_id": number, "message": message}, context={"bot": bot})
        await dispatcher.feed_update(bot, update)


async def at_rate(town: Machine, chats: Sequence[int], rate: float, seconds: float, run: str = "rate") -> list[float]:
    """Latencies, in seconds, of questions that arrive evenly at `rate` a second. Each `run` has another name."""
    latencies: list[float] = []
    chat = itertools.cycle(chats)

    async def one(number: int) -> None:
        began = time.perf_counter()
        await answered(town, next(chat), QUESTIONS[number % len(QUESTIONS)], f"{run}-{number}")
        latencies.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            group.create_task(one(number))
    return latencies


@asynccontextmanager
async def fresh_town(folder: Path) -> AsyncIterator[Machine]:
    settings = Settings(_env_file=None, data_dir=folder, messages_per_minute=1000)
    db = Database(settings.database)
    await migrate(db)
    await merge_shipped(db, SystemClock().now())
    await db.close()
    async with machine(settings, SystemClock()) as town:
        yield town


@dataclass
class Round:
    """What a round took: ours, by hand, and the echo bot; `said` is what it said to the database."""

    ours: Took
    by_hand: Took
    echo: Took
    said: Sequence[Transaction]


async def measure(folder: Path, questions: int, visitors: int, rounds: int) -> None:
    async with fresh_town(folder) as town:
        chats = [(await town.visitor("en")).chat_id for _ in range(visitors)]
        await ask_all(town, chats, visitors * 2, "warm")
        keep_what_is_built()  # as when serving, once the engine is fitted
        done = [await _round(folder, town, chats, questions, number) for number in range(rounds)]
        peak = questions / statistics.median(each.ours.wall for each in done)
        latencies = sorted(await at_rate(town, chats, peak / 2, RATE_SECONDS))
    report(done, questions, latencies)


async def _round(folder: Path, town: Machine, chats: Sequence[int], questions: int, number: int) -> Round:
    copy = folder / f"before-{number}.db"
    _snapshot(town.core.db, copy)
    with recording(town.core.db) as said:
        ours = await timed(lambda: ask_all(town, chats, questions, f"round-{number}"))
    db = Database(f"sqlite:///{copy}")
    async with db.read(), db.writer.connect():
        pass  # connections are open before the clock runs
    with recording(db):  # which costs here what it cost there
        by_hand = await timed(lambda: replay(db, said, len(chats)))
    await db.close()
    return Round(ours, by_hand, await timed(lambda: echo_all(questions)), said)


def _snapshot(db: Database, path: Path) -> None:
    with closing(sqlite3.connect(str(db.url.database))) as connection:
        connection.execute("VACUUM INTO ?", (str(path),))


def report(rounds: Sequence[Round], questions: int, latencies: Sequence[float]) -> None:
    ours, by_hand, echo = (
        Took(
            statistics.median(getattr(each, name).wall for each in rounds),
            statistics.median(getattr(each, name).cpu for each in rounds),
        )
        for name in ("ours", "by_hand", "echo")
    )
    said = rounds[-1].said
    writes = sum(transaction.writes for transaction in said) / questions
    statements = sum(len(transaction.statements) for transaction in said) / questions
    print(f"whole stack        {_speed(questions, ours)}")
    print(f"(b) SQL by hand    {_speed(questions, by_hand)}   {_ratio(ours, by_hand)}")
    print(f"(a) bare echo bot  {_speed(questions, echo)}   {_ratio(ours, echo)}")
    print(f"a question costs {writes:.1f} write transactions, {len(said) / questions:.1f} in all, ", end="")
    print(f"{statements:.1f} statements")
    p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
    print(f"at half the peak: p50 {p50:.1f} ms, p99 {p99:.1f} ms over {len(latencies)} questions")


def _speed(questions: int, took: Took) -> str:
    return f"{questions / took.wall:6.0f} questions/s   {1000 * took.cpu / questions:6.2f} ms CPU each"


def _ratio(ours: Took, other: Took) -> str:
    return f"ratio {other.wall / ours.wall:.3f}, by CPU {other.cpu / ours.cpu:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--visitors", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), options.questions, options.visitors, options.rounds))


if __name__ == "__main__":
    main()
