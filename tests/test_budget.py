"""What one update may cost in the database: counted at the engine, reads and bookkeeping included."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from bot import texts
from bot.settings import Settings
from bot.storage import Database
from bot.texts import Action
from tests.conftest import MovableClock
from tests.machine import Machine, Visitor, machine, until

CONSECUTIVE = 20
WRITES, STATEMENTS = 3, 14
"""At most, for one question or one press of a button."""

QUESTIONS = [
    "What does a CIPO do?",
    "什么是CIPO",
    "how do I book an appointment",
    "tell me about the moon",
    "怎样预约专家？",
]


@dataclass
class Counted:
    """Transactions, each as the statements it said."""

    transactions: list[list[str]] = field(default_factory=list)

    def writes(self) -> int:
        return sum(any(not said.startswith("SELECT") for said in each) for each in self.transactions)

    def statements(self) -> int:
        return sum(map(len, self.transactions))

    def __str__(self) -> str:
        return "\n".join(f"{at}: {said}" for at, each in enumerate(self.transactions) for said in each)


@contextmanager
def counted(db: Database) -> Iterator[Counted]:
    """Count everything that is said to the database while the block runs."""
    counts = Counted()
    engines: set[Engine] = {db.reader.sync_engine, db.writer.sync_engine}

    def begun(connection: Any) -> None:
        connection.info["said"] = []
        counts.transactions.append(connection.info["said"])

    def executed(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            connection.info["said"].append(statement)

    for engine in engines:
        event.listen(engine, "begin", begun)
        event.listen(engine, "before_cursor_execute", executed)
    try:
        yield counts
    finally:
        for engine in engines:
            event.remove(engine, "begin", begun)
            event.remove(engine, "before_cursor_execute", executed)


@pytest.fixture
async def town(database_url: str, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Machine]:
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=database_url, messages_per_minute=1000)
    async with machine(settings, clock) as made:
        yield made


async def ask(town: Machine, asker: Visitor, question: str, key: str) -> None:
    await town.server.say(asker.chat_id, question, key)
    await until(lambda: not town.core.inbox.busy, "the answer")


async def press(town: Machine, presser: Visitor, message_id: int, data: str, key: str) -> None:
    await town.server.press(presser.chat_id, message_id, data, key)
    await until(lambda: not town.core.inbox.busy, "the press to be handled")


def assert_within_budget(counts: Counted) -> None:
    assert counts.writes() <= WRITES * CONSECUTIVE, str(counts)
    assert counts.statements() <= STATEMENTS * CONSECUTIVE, str(counts)


async def test_a_question_keeps_to_its_budget_of_transactions_and_statements(town: Machine) -> None:
    asker = await town.visitor("en")
    await ask(town, asker, QUESTIONS[0], "first")  # its mark falls into the count, that of the last one out of it
    with counted(town.core.db) as counts:
        for number in range(CONSECUTIVE):
            await ask(town, asker, QUESTIONS[number % len(QUESTIONS)], f"question {number}")
    answers = [seen for seen in await asker.page() if seen.by == "bot"]
    assert len(answers) == CONSECUTIVE + 1
    assert_within_budget(counts)


async def test_a_press_keeps_to_its_budget_of_transactions_and_statements(town: Machine) -> None:
    reader = await town.visitor("en")
    answer = await reader.says(QUESTIONS[0])
    with counted(town.core.db) as counts:
        for number in range(CONSECUTIVE):
            await press(town, reader, answer.id, answer.data_of("👍"), f"press {number}")
    assert_within_budget(counts)


@pytest.mark.parametrize("command", ["/start", "/help", "/cancel"])
async def test_leaving_no_dialog_writes_nothing_about_dialogs(town: Machine, command: str) -> None:
    visitor = await town.visitor("en")
    await ask(town, visitor, command, "first")
    with counted(town.core.db) as counts:
        await ask(town, visitor, command, "second")
    said = str(counts)
    assert "FROM conversation" in said
    assert not any(write in said for write in ("INTO conversation", "UPDATE conversation"))


async def test_a_press_is_read_once_however_many_buttons_there_are(
    town: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = await town.visitor("en")
    answer = await reader.says(QUESTIONS[0])
    read: list[str] = []

    def decode(data: str) -> Action | None:
        read.append(data)
        return texts.decode(data)

    monkeypatch.setattr("handlers.chat.middlewares.decode", decode)
    await reader.presses("👍", answer)
    assert read == [answer.data_of("👍")]
    assert reader.toasts


async def test_the_count_sees_reads_writes_and_bookkeeping(town: Machine) -> None:
    asker = await town.visitor("en")
    await ask(town, asker, QUESTIONS[0], "first")
    with counted(town.core.db) as counts:
        await ask(town, asker, QUESTIONS[0], "second")
    said = str(counts)
    assert counts.writes() >= 2
    assert len(counts.transactions) > counts.writes()
    for part in ("INSERT INTO inbox ", "UPDATE inbox SET done_at", "INSERT INTO asked_question", "FROM contact"):
        assert part in said, said
