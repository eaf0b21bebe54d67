"""Whatever happens in whatever order: nothing is lost, nothing goes out after its use, repeats only by policy."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bot.outbox.outbox import State
from bot.outbox.port import ChatRef, Outcome, Owed, Result
from bot.storage import Database
from bot.texts import Message
from tests.conftest import MovableClock
from tests.outbox.world import BOT, SENT, Killed, World, contacts

MOST_COPIES = {"reminder": 2, "offer": 1}
ENDED = {
    State.SENT,
    State.UNDELIVERABLE,
    State.EXPIRED,
    State.CANCELLED,
    State.DEAD,
    State.UNCERTAIN,
}

# what may happen to one send: an answer, an answer although it arrived, or the end of the process
FATES = st.sampled_from(
    ["sent", "failed", "wait", "rejected", "doubt lost", "doubt arrived", "dies", "arrives and dies"]
)
ARRIVES = {"sent", "doubt arrived", "arrives and dies"}
ANSWERS = {
    "sent": SENT,
    "failed": Outcome(Result.FAILED),
    "wait": Outcome(Result.WAIT, retry_after=30),
    "rejected": Outcome(Result.REJECTED),
    "doubt lost": Outcome(Result.IN_DOUBT),
    "doubt arrived": Outcome(Result.IN_DOUBT),
}


@dataclass
class Expected:
    """What the model knows of one message."""

    kind: str
    subject: str
    due_at: datetime
    expires_at: datetime
    withdrawn: bool = False
    unwanted: bool = False
    rejected: bool = False


def machine(runner: asyncio.Runner, db: Database) -> type[RuleBasedStateMachine]:
    class Outbox(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.owed: dict[str, Expected] = {}
            self.fates: list[str] = []
            self.dies_when_claimed = False
            self.world = World(db, MovableClock())
            self.world.channel.answer = self.answer
            self.world.wishes.checked = self.checked
            self.contacts = runner.run(self.begin())

        async def begin(self) -> list[int]:
            async with db.write() as tx:
                await tx.exec_driver_sql("DELETE FROM contact")
            return await contacts(db, 2)

        async def checked(self, owed: Owed) -> None:
            if self.dies_when_claimed:
                raise Killed

        async def answer(self, chat: ChatRef, message: Message) -> Outcome:
            fate = self.fates.pop(0) if self.fates else "sent"
            text = message.html.split()[0]
            now, expected = self.world.clock.now(), self.owed[text]
            assert chat == ChatRef(BOT, chat.chat_id)
            assert expected.due_at <= now < expected.expires_at
            assert not expected.withdrawn
            assert not expected.unwanted
            expected.rejected |= fate == "rejected"
            if fate in ARRIVES:
                self.world.channel.deliver(chat, message)
            if fate in ANSWERS:
                return ANSWERS[fate]
            raise Killed

        @rule(
            contact=st.integers(0, 1),
            kind=st.sampled_from(sorted(MOST_COPIES)),
            due=st.integers(-5, 30),
            life=st.integers(1, 60),
            subject=st.sampled_from(["event:1", "event:2"]),
        )
        def owe(self, contact: int, kind: str, due: int, life: int, subject: str) -> None:
            text = f"text{len(self.owed)}"
            due_at = self.world.clock.now() + timedelta(minutes=due)
            self.owed[text] = Expected(kind, subject, due_at, due_at + timedelta(minutes=life))
            runner.run(
                self.world.owe(
                    self.contacts[contact],
                    text,
                    kind=kind,
                    due=timedelta(minutes=due),
                    life=timedelta(minutes=life),
                    subject=subject,
                )
            )

        @rule(subject=st.sampled_from(["event:1", "event:2"]))
        def withdraw(self, subject: str) -> None:
            async def withdraw() -> None:
                states = await self.world.states()
                async with db.write() as tx:
                    await self.world.outbox.withdraw(tx, subject)
                for text, expected in self.owed.items():
                    waiting = states[text] in (State.PENDING, State.LEASED)
                    expected.withdrawn |= expected.subject == subject and waiting

            runner.run(withdraw())

        @rule(data=st.data())
        def lose_interest(self, data: st.DataObject) -> None:
            if self.owed:
                text = data.draw(st.sampled_from(sorted(self.owed)))
                self.owed[text].unwanted = True
                self.world.wishes.unwanted.add(text)

        @rule(minutes=st.sampled_from([0.1, 1, 2, 7, 45, -10]))
        def time_passes(self, minutes: float) -> None:
            self.world.clock.advance(timedelta(minutes=minutes))

        @rule(fates=st.lists(FATES, max_size=6), dies_when_claimed=st.booleans())
        def tick(self, fates: list[str], dies_when_claimed: bool) -> None:
            self.fates, self.dies_when_claimed = fates, dies_when_claimed
            runner.run(self.tick_until_death())

        async def tick_until_death(self) -> None:
            sender = self.world.a_sender(in_flight=1)
            with suppress(Killed):
                await sender.tick()

        @rule()
        def leases_run_out(self) -> None:
            runner.run(self.world.leases_run_out())

        @invariant()
        def copies_stay_within_the_policy(self) -> None:
            copies = Counter(html.split()[0] for html in self.world.channel.texts)
            for text, expected in self.owed.items():
                assert copies[text] <= MOST_COPIES[expected.kind]

        @invariant()
        def states_say_what_happened(self) -> None:
            copies = Counter(html.split()[0] for html in self.world.channel.texts)
            for row in runner.run(self.world.rows()):
                text = row.payload["text"]
                if row.state == State.SENT:
                    assert copies[text] >= 1
                if row.state == State.EXPIRED:
                    assert copies[text] == 0
                if copies[text] > 1:
                    assert row.in_doubt or row.state == State.STARTED
                if row.state == State.CANCELLED:
                    assert self.owed[text].withdrawn or self.owed[text].unwanted

        def teardown(self) -> None:
            """With good weather from here on, every message comes to an end that can be accounted for."""
            runner.run(self.settle())

        async def settle(self) -> None:
            self.fates, self.dies_when_claimed = [], False
            await self.world.leases_run_out()
            now = self.world.clock.now()
            useful = {text for text, row in self.owed.items() if self.surely_sent(row, now)}
            before = {row.payload["text"]: row for row in await self.world.rows()}
            for _ in range(35):
                await self.tick_until_death()
                self.world.clock.advance(timedelta(minutes=4))
            states = await self.world.states()
            assert set(states) == set(self.owed), "a message was lost"
            assert set(states.values()) <= ENDED
            for text in useful:
                if before[text].state == State.PENDING and before[text].attempts == 0:
                    assert states[text] == State.SENT
            self.copies_stay_within_the_policy()

        def surely_sent(self, row: Expected, now: datetime) -> bool:
            """Due later than any pause can last, of use at one of the ticks to come, and wanted."""
            lasts = row.expires_at - row.due_at > timedelta(minutes=4)
            later = row.due_at > now + timedelta(minutes=1)
            return lasts and later and not (row.withdrawn or row.unwanted)

    return Outbox


def test_any_history_of_crashes_and_changes_keeps_the_promises(database_url: str) -> None:
    with asyncio.Runner() as runner:
        db = Database(database_url)
        run_state_machine_as_test(
            machine(runner, db),
            settings=settings(
                max_examples=15 if db.is_sqlite else 6,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(db.close())
