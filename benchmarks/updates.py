"""Questions a second through the whole stack, beside a bare echo bot and the same SQL issued by hand; all in one run.

    python -m benchmarks.updates [--questions 600] [--visitors 24] [--rounds 5]

The whole stack: a visitor's message accepted and kept, handled in order by the dispatcher, answered by the engine, logged,
rendered, parsed by the strict chat server, stored and pushed to the page. (a) is an aiogram echo bot with nothing
behind it. (b) is every SQL statement that those questions cost, in the same transactions and with the same
number at once, on the same driver, without any of our layers. Rounds alternate; ratios are of their medians.
"""

import argparse
import asyncio
import itertools
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
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
from tests.machine import Machine, machine

QUESTIONS = ["What does a CIPO do?", "什么是CIPO", "how do I book an appointment", "how much is the forum", "怎样预约专家？"]


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


async def ask_all(town: Machine, chats: Sequence[int], questions: int, run: str) -> float:
    """Each chat asks its share, the next question as soon as the last is answered; seconds."""
    shares = [range(at, questions, len(chats)) for at in range(len(chats))]
    began = time.perf_counter()
    await asyncio.gather(
        *(ask_one_by_one(town, chat, share, run) for chat, share in zip(chats, shares, strict=True))
    )
    return time.perf_counter() - began


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


async def replay(db: Database, transactions: Sequence[Transaction], at_once: int) -> float:
    """Issue the same statements by hand, `at_once` transactions at a time; seconds."""
    waiting = iter(transactions)

    async def worker() -> None:
        for transaction in waiting:
            engine = db.writer if transaction.writes else db.reader
            async with engine.connect() as connection, connection.begin():
                for statement, parameters in transaction.statements:
                    result = await connection.exec_driver_sql(statement, parameters)
                    if result.returns_rows:
                        result.all()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.perf_counter() - began


class Echo(BaseSession):
    """Takes what an echo bot sends, and answers as Telegram would, at no cost."""

    async def close(self) -> None:
        pass

    async def stream_content(self, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:  # type: ignore[override]
        yield b""

    async def make_request(self, bot: Bot, method: Any, timeout: int | None = None) -> Any:
        assert isinstance(method, SendMessage)
        now = Message.model_validate({"message_id": 1, "date": 0, "chat": Chat(id=1, type="private"), "text": method.text})
        return now.as_(bot)


async def echo_all(questions: int) -> float:
    router = Router()

    @router.message()
    async def echo(message: Message) -> None:
        await message.answer(message.text or "")

    dispatcher = Dispatcher()
    dispatcher.include_router(router)
    bot = Bot("2:echo", session=Echo())
    raw = {"message_id": 1, "date": 0, "chat": {"id": 1, "type": "private"}, "from": {"id": 1, "is_bot": False, "first_name": "A"}}
    began = time.perf_counter()
    for number in range(questions):
        message = {**raw, "text": QUESTIONS[number % len(QUESTIONS)]}
        update = Update.model_validate({"update_id": number, "message": message}, context={"bot": bot})
        await dispatcher.feed_update(bot, update)
    return time.perf_counter() - began


async def at_rate(town: Machine, chats: Sequence[int], rate: float, seconds: float) -> list[float]:
    """Latencies, in seconds, of questions that arrive evenly at `rate` a second."""
    latencies: list[float] = []
    chat = itertools.cycle(chats)

    async def one(number: int) -> None:
        began = time.perf_counter()
        await answered(town, next(chat), QUESTIONS[number % len(QUESTIONS)], f"rate-{number}")
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
    await db.close()
    async with machine(settings, SystemClock()) as town:
        yield town


async def copy_of(folder: Path, name: str) -> Database:
    """The database as it was after the warm-up, to replay on."""
    copy = folder / name
    shutil.copy(folder / "warm.db", copy)
    return Database(f"sqlite:///{copy}")


async def measure(folder: Path, questions: int, visitors: int, rounds: int) -> None:
    async with fresh_town(folder) as town:
        chats = [(await town.visitor("en")).chat_id for _ in range(visitors)]
        await ask_all(town, chats, visitors * 2, "warm")
        await town.core.inbox.flush()
        _snapshot(town.core.db, folder / "warm.db")
        ours, by_hand, echo = [], [], []
        for number in range(rounds):
            with recording(town.core.db) as said:
                await ask_all(town, chats, visitors, f"record-{number}")
            ours.append(await ask_all(town, chats, questions, f"round-{number}"))
            echo.append(await echo_all(questions))
            by_hand.append(await _by_hand(folder, said, questions / visitors, visitors, number))
        await _report(town, chats, questions, ours, by_hand, echo, said, visitors)


def _snapshot(db: Database, path: Path) -> None:
    with closing(sqlite3.connect(str(db.url.database))) as connection:
        connection.execute("VACUUM INTO ?", (str(path),))


async def _by_hand(folder: Path, said: Sequence[Transaction], times: float, at_once: int, number: int) -> float:
    """Seconds for `times` the recorded work, each repetition on its own copy, as keys must not repeat."""
    seconds = 0.0
    for repetition in range(round(times)):
        db = await copy_of(folder, f"copy-{number}-{repetition}.db")
        async with db.read(), db.writer.connect():
            pass  # connections are open before the clock runs
        seconds += await replay(db, said, at_once)
        await db.close()
        (folder / f"copy-{number}-{repetition}.db").unlink()
    return seconds


async def _report(
    town: Machine,
    chats: Sequence[int],
    questions: int,
    ours: Sequence[float],
    by_hand: Sequence[float],
    echo: Sequence[float],
    said: Sequence[Transaction],
    visitors: int,
) -> None:
    rates = [questions / statistics.median(seconds) for seconds in (ours, by_hand, echo)]
    writes = sum(transaction.writes for transaction in said) / visitors
    statements = sum(len(transaction.statements) for transaction in said) / visitors
    latencies = sorted(await at_rate(town, chats, rates[0] / 2, 8))
    print(f"whole stack        {rates[0]:8.0f} questions/s")
    print(f"(b) SQL by hand    {rates[1]:8.0f} questions/s   ratio {rates[0] / rates[1]:.2f}")
    print(f"(a) bare echo bot  {rates[2]:8.0f} messages/s    ratio {rates[0] / rates[2]:.3f}")
    print(f"a question costs {writes:.1f} write transactions, {len(said) / visitors:.1f} in all, {statements:.1f} statements")
    print(
        f"at half the peak: p50 {latencies[len(latencies) // 2] * 1000:.1f} ms, "
        f"p99 {latencies[int(len(latencies) * 0.99)] * 1000:.1f} ms over {len(latencies)} questions"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--visitors", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), options.questions, options.visitors, options.rounds))


if __name__ == "__main__":
    main()
