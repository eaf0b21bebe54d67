"""What becomes of due messages: the failure cases of delivery, each on both databases."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select

from bot.outbox.claims import Claims, void_leases
from bot.outbox.outbox import NewRow, State
from bot.outbox.port import ChatRef, Outcome, Owed, Result
from bot.outbox.report import OutboxReport
from bot.storage import Database
from bot.texts import Message
from tests.conftest import START, MovableClock
from tests.outbox.world import SENT, FakeChannel, FlakyDatabase, Killed, World, a_contact, contacts

FAILED = Outcome(Result.FAILED, detail="connection refused")
UNPROVEN = Outcome(Result.UNPROVEN, detail="502")
IN_DOUBT = Outcome(Result.IN_DOUBT, detail="timeout")
UNREACHABLE = Outcome(Result.UNREACHABLE, detail="blocked")
REJECTED = Outcome(Result.REJECTED, detail="can't parse entities")
STOPPED = Outcome(Result.STOPPED, detail="Unauthorized")


@pytest.fixture
def world(db: Database, clock: MovableClock) -> World:
    return World(db, clock)


async def dies(world: World) -> None:
    with pytest.raises(Killed):
        await world.sender.tick()


def killed_before_the_send(world: World) -> None:
    async def answer(chat: ChatRef, message: Message) -> Outcome:
        raise Killed

    world.channel.answer = answer


def killed_after_the_send(world: World) -> None:
    async def answer(chat: ChatRef, message: Message) -> Outcome:
        world.channel.deliver(chat, message, world.channel.calls[-1][2])
        raise Killed

    world.channel.answer = answer


# What is due goes out, and nothing else


async def test_a_message_goes_out_when_it_is_due_and_not_before(world: World) -> None:
    contact = await a_contact(world.db)
    await world.owe(contact, due=timedelta(minutes=5))
    assert await world.later(minutes=4) == 0
    assert world.channel.calls == []
    assert await world.later(minutes=1) == 1
    row = await world.row()
    assert (row.state, row.attempts, row.in_doubt) == (State.SENT, 1, False)
    assert (row.bot_id, row.chat_id, row.message_id) == (7, contact, 1)
    assert row.started_at == row.sent_at == START + timedelta(minutes=5)
    assert world.channel.calls == [(contact, "hello en", f"outbox:{row.id}")]
    assert await world.later(days=1) == 0


async def test_a_message_is_rendered_in_the_language_of_the_moment(world: World) -> None:
    contact = await a_contact(world.db)
    world.addresses.locales[contact] = "zh-Hans"
    await world.owe(contact)
    world.addresses.locales[contact] = "zh-Hant"
    await world.sender.tick()
    assert world.channel.texts == ["hello zh-Hant"]


async def test_a_message_past_its_use_expires_instead_of_being_sent(world: World) -> None:
    await world.owe(await a_contact(world.db))
    await world.later(hours=1)
    assert world.channel.calls == []
    assert await world.states() == {"hello": State.EXPIRED}


async def test_a_message_that_loses_its_use_while_it_is_prepared_expires(world: World) -> None:
    async def takes_long(owed: Owed) -> None:
        world.clock.advance(timedelta(hours=1))

    world.wishes.checked = takes_long
    await world.owe(await a_contact(world.db))
    await world.sender.tick()
    assert world.channel.calls == []
    assert await world.states() == {"hello": State.EXPIRED}


async def test_after_a_long_downtime_only_what_is_still_of_use_goes_out(world: World) -> None:
    contact = await a_contact(world.db)
    await world.owe(contact, "tomorrow", due=timedelta(hours=1), life=timedelta(hours=20))
    await world.owe(contact, "soon", due=timedelta(hours=24), life=timedelta(minutes=59))
    await world.later(hours=24, minutes=30)
    assert world.channel.texts == ["soon en"]
    assert await world.states() == {"tomorrow": State.EXPIRED, "soon": State.SENT}


async def test_a_start_after_everything_is_over_sends_nothing(world: World) -> None:
    people = await contacts(world.db, 3)
    for number, contact in enumerate(people):
        await world.owe(contact, *(f"{number} {text}" for text in range(50)))
    assert await world.later(days=2) == 0
    assert world.channel.calls == []
    assert set((await world.states()).values()) == {State.EXPIRED}


async def test_what_is_not_wanted_any_more_or_says_nothing_is_cancelled(world: World) -> None:
    contact = await a_contact(world.db)
    world.wishes.unwanted.add("unwanted")
    await world.owe(contact, "unwanted")
    await world.owe(contact, "nothing")
    await world.sender.tick()
    assert world.channel.calls == []
    assert set((await world.states()).values()) == {State.CANCELLED}


async def test_a_row_withdrawn_after_its_claim_is_not_sent(world: World) -> None:
    """The event is cancelled while its reminders are leased; the notice about it goes out."""
    contact = await a_contact(world.db)

    async def cancelled_meanwhile(owed: Owed) -> None:
        if owed.kind == "reminder":
            async with world.db.write() as tx:
                assert await world.outbox.withdraw(tx, "event:1", ["reminder"]) == 1

    world.wishes.checked = cancelled_meanwhile
    await world.owe(contact, "reminder")
    await world.owe(contact, "notice", kind="offer")
    await world.sender.tick()
    assert world.channel.texts == ["notice en"]
    assert await world.states() == {"reminder": State.CANCELLED, "notice": State.SENT}


async def test_a_contact_without_a_chat_cannot_be_reached(world: World) -> None:
    contact = await a_contact(world.db)
    world.addresses.blocked.add(ChatRef(7, contact))
    await world.owe(contact)
    await world.sender.tick()
    assert await world.states() == {"hello": State.UNDELIVERABLE}


async def test_rows_of_a_kind_unknown_here_are_left_to_others_until_they_expire(world: World) -> None:
    await world.owe(await a_contact(world.db), kind="from the next version")
    assert await world.sender.tick() == 0
    assert await world.states() == {"hello": State.PENDING}
    await world.later(hours=2)
    assert await world.states() == {"hello": State.EXPIRED}


# One contact, several messages


async def test_one_contact_gets_messages_in_order_and_one_at_a_time(world: World) -> None:
    contact = await a_contact(world.db)
    under_way, most = 0, 0

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        nonlocal under_way, most
        under_way, most = under_way + 1, max(most, under_way + 1)
        await asyncio.sleep(0)
        under_way -= 1
        world.channel.deliver(chat, message)
        return SENT

    world.channel.answer = answer
    for number in (3, 1, 2):
        await world.owe(contact, str(number), due=timedelta(seconds=number))
    world.clock.advance(timedelta(minutes=1))
    await asyncio.gather(*(world.a_sender(str(number)).tick() for number in range(3)))
    await world.sender.tick()
    assert world.channel.texts == ["1 en", "2 en", "3 en"]
    assert most == 1


async def test_two_replicas_never_send_to_one_contact_at_once(world: World) -> None:
    contact = await a_contact(world.db)
    await world.owe(contact, "first")
    await world.owe(contact, "second")
    other = world.a_sender("two")

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        if message.html.startswith("first"):
            assert await other.tick() == 0
        return SENT

    world.channel.answer = answer
    await world.sender.tick()
    assert [html for _, html, _ in world.channel.calls] == ["first en", "second en"]


# A crash


async def test_a_crash_after_the_claim_repeats_nothing(world: World) -> None:
    people = await contacts(world.db, 3)
    for contact in people:
        await world.owe(contact, f"for {contact}")

    async def dies_here(owed: Owed) -> None:
        raise Killed

    world.wishes.checked = dies_here
    await dies(world)
    assert set((await world.states()).values()) == {State.LEASED}
    world.wishes.checked = None
    await world.restart()
    await world.sender.tick()
    assert Counter(world.channel.texts) == {f"for {contact} en": 1 for contact in people}
    assert {(row.state, row.in_doubt, row.attempts) for row in await world.rows()} == {(State.SENT, False, 1)}


@pytest.mark.parametrize("dying", [killed_before_the_send, killed_after_the_send])
@pytest.mark.parametrize("kind", ["reminder", "offer"])
async def test_a_crash_around_the_send_repeats_once_or_never_by_policy(
    world: World, kind: str, dying: Callable[[World], None]
) -> None:
    arrived = 1 if dying is killed_after_the_send else 0
    await world.owe(await a_contact(world.db), kind=kind)
    dying(world)
    await dies(world)
    await world.restart()
    await world.sender.tick()
    assert len(world.channel.delivered) == arrived, "not before a minute is over"
    await world.later(seconds=60)
    row = await world.row()
    assert row.in_doubt
    assert row.state == (State.SENT if kind == "reminder" else State.UNCERTAIN)
    assert len(world.channel.delivered) == arrived + (kind == "reminder")


@pytest.mark.parametrize("dying", [killed_before_the_send, killed_after_the_send])
@pytest.mark.parametrize("kind", ["reminder", "offer"])
async def test_a_channel_that_knows_its_keys_gets_each_message_exactly_once(
    world: World, kind: str, dying: Callable[[World], None]
) -> None:
    world.channel.exactly_once = True
    await world.owe(await a_contact(world.db), kind=kind)
    for _ in range(4):
        dying(world)
        await dies(world)
        await world.restart()
        await world.sender.reap()
        world.clock.advance(timedelta(minutes=1))
    await world.sender.tick()
    row = await world.row()
    assert (row.state, row.in_doubt) == (State.SENT, False)
    assert len(world.channel.delivered) == 1


async def test_a_row_in_doubt_stays_with_the_chat_that_knows_its_key(world: World) -> None:
    contact = await a_contact(world.db)
    telegram = FakeChannel(bot_id=8)
    world.channel.exactly_once = True
    await world.owe(contact)
    killed_after_the_send(world)
    await dies(world)
    world.addresses.bots[contact] = telegram.bot_id
    await world.restart()
    await world.sender.tick()
    await world.later(minutes=1)
    assert (await world.row()).state == State.SENT
    assert len(world.channel.delivered) == 1


async def test_a_second_crash_parks_the_row_for_a_person_to_look_at(world: World) -> None:
    await world.owe(await a_contact(world.db))
    for _ in range(2):
        killed_after_the_send(world)
        await dies(world)
        await world.restart()
        await world.sender.reap()
        world.clock.advance(timedelta(minutes=1))
    await world.later(minutes=5)
    assert await world.states() == {"hello": State.UNCERTAIN}
    assert len(world.channel.delivered) == 2


async def test_a_row_in_doubt_that_expires_is_uncertain(world: World) -> None:
    await world.owe(await a_contact(world.db), life=timedelta(seconds=30))
    world.channel.outcomes = [IN_DOUBT]
    await world.sender.tick()
    await world.later(seconds=60)
    assert await world.states() == {"hello": State.UNCERTAIN}
    assert len(world.channel.calls) == 1


# A sender that loses its lease


async def test_a_sender_frozen_before_its_send_does_not_send_after_its_lease(world: World) -> None:
    await world.owe(await a_contact(world.db))
    other = world.a_sender("two")

    async def frozen(owed: Owed) -> None:
        world.wishes.checked = None
        await world.leases_run_out()
        assert await other.tick() == 1

    world.wishes.checked = frozen
    await world.sender.tick()
    assert world.channel.texts == ["hello en"]
    assert (await world.row()).in_doubt is False


async def test_a_lease_that_ran_out_starts_nothing_even_if_nobody_took_it(world: World) -> None:
    async def frozen(owed: Owed) -> None:
        await world.leases_run_out()

    world.wishes.checked = frozen
    await world.owe(await a_contact(world.db))
    await asyncio.wait_for(world.sender.tick(), 30)
    assert world.channel.calls == []
    world.wishes.checked = None
    await world.sender.tick()
    assert world.channel.texts == ["hello en"]


async def test_a_sender_frozen_before_its_send_leaves_the_row_to_who_claimed_it_since(world: World) -> None:
    await world.owe(await a_contact(world.db))
    other = Claims(world.db, world.clock, ["reminder"], "two", 60.0)

    async def frozen(owed: Owed) -> None:
        await world.leases_run_out()
        await world.a_sender("three").reap()
        assert len(await other.claim(1)) == 1

    world.wishes.checked = frozen
    await world.sender.tick()
    assert world.channel.calls == []
    assert await world.states() == {"hello": State.LEASED}


async def test_a_process_that_knows_itself_alone_need_not_wait_for_a_dead_ones_leases(world: World) -> None:
    await world.owe(await a_contact(world.db))
    dead = Claims(world.db, world.clock, ["reminder"], "dead", 60.0)
    assert len(await dead.claim(1)) == 1
    assert await world.sender.tick() == 0
    async with world.db.write() as tx:
        await void_leases(tx)
    await world.sender.reap()
    assert await world.sender.tick() == 1
    assert world.channel.texts == ["hello en"]


async def test_a_sender_frozen_during_its_send_marks_nothing_after_its_lease(world: World) -> None:
    await world.owe(await a_contact(world.db))
    other = world.a_sender("two")

    async def frozen(chat: ChatRef, message: Message) -> Outcome:
        world.channel.deliver(chat, message)
        world.channel.answer = None
        await world.leases_run_out()
        await other.reap()
        world.clock.advance(timedelta(seconds=60))
        await other.tick()
        return Outcome(Result.SENT, message_id=99)

    world.channel.answer = frozen
    await world.sender.tick()
    row = await world.row()
    assert (row.state, row.message_id, row.in_doubt) == (State.SENT, 1, True)
    assert len(world.channel.delivered) == 2


async def test_a_sender_frozen_during_its_send_does_not_mark_the_send_of_another(world: World) -> None:
    await world.owe(await a_contact(world.db))
    other, repeated, may_end = world.a_sender("two"), asyncio.Event(), asyncio.Event()

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        if len(world.channel.calls) == 2:
            repeated.set()
            await may_end.wait()
            return SENT
        await world.leases_run_out()
        await other.reap()
        world.clock.advance(timedelta(seconds=60))
        group.create_task(other.tick())
        await repeated.wait()
        return Outcome(Result.SENT, message_id=99)

    world.channel.answer = answer
    async with asyncio.TaskGroup() as group:
        first = group.create_task(world.sender.tick())
        await repeated.wait()
        await first
        assert await world.states() == {"hello": State.STARTED}
        may_end.set()
    assert (await world.row()).message_id == 1


async def test_a_sender_never_takes_back_what_it_is_sending_itself(world: World) -> None:
    """The clock under an embedded database may jump a day ahead."""
    await world.owe(await a_contact(world.db))

    async def clock_jumps(chat: ChatRef, message: Message) -> Outcome:
        world.channel.deliver(chat, message)
        await world.leases_run_out()
        assert await world.sender.reap() == 0
        return SENT

    world.channel.answer = clock_jumps
    await world.sender.tick()
    row = await world.row()
    assert (row.state, row.in_doubt) == (State.SENT, False)


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(days=1)])
async def test_a_clock_that_jumps_repeats_nothing(world: World, jump: timedelta) -> None:
    contact = await a_contact(world.db)
    await world.owe(contact, "first", life=timedelta(days=3))
    await world.sender.tick()
    await world.owe(contact, "second", life=timedelta(days=3))
    world.clock.advance(jump)
    await world.sender.tick()
    world.clock.advance(-jump)
    await world.sender.tick()
    assert Counter(world.channel.texts) == {"first en": 1, "second en": 1}


# What the other side answers


async def test_a_timeout_repeats_a_reminder_once_and_an_offer_never(world: World) -> None:
    for kind in ("reminder", "offer"):
        await world.owe(await a_contact(world.db), kind, kind=kind)
    world.channel.outcomes = [IN_DOUBT] * 9
    for _ in range(9):
        await world.later(seconds=60)
    assert Counter(world.channel.texts) == {"reminder en": 2, "offer en": 1}
    assert await world.states() == {"reminder": State.UNCERTAIN, "offer": State.UNCERTAIN}


async def test_a_send_that_never_returns_is_in_doubt(world: World) -> None:
    async def hangs(chat: ChatRef, message: Message) -> Outcome:
        await asyncio.Event().wait()
        return SENT

    world.channel.answer = hangs
    world.sender = world.a_sender(send_limit=0.01)
    await world.owe(await a_contact(world.db), kind="offer")
    await world.sender.tick()
    row = await world.row()
    assert (row.state, row.detail) == (State.UNCERTAIN, "no answer in time")


async def test_a_channel_that_raises_leaves_the_row_in_doubt(world: World) -> None:
    async def raises(chat: ChatRef, message: Message) -> Outcome:
        raise ZeroDivisionError

    world.channel.answer = raises
    await world.owe(await a_contact(world.db))
    await world.sender.tick()
    row = await world.row()
    assert (row.state, row.in_doubt) == (State.PENDING, True)


async def test_a_refused_connection_is_tried_again_ever_more_slowly(world: World) -> None:
    await world.owe(await a_contact(world.db), life=timedelta(days=1))
    world.channel.outcomes = [FAILED] * 10
    waits, seen = [], set()

    async def look(owed: Owed) -> None:
        seen.add(owed.due_at)

    world.wishes.checked = look
    while (row := await world.row()).state == State.PENDING:
        waits.append((row.due_at - world.clock.now()).total_seconds())
        world.clock.set(row.due_at)
        await world.sender.tick()
    assert waits == [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert (row.state, row.in_doubt, row.planned_at) == (State.SENT, False, START)
    assert len(world.channel.delivered) == 1
    assert seen == {START}, "a kind sees when its message was owed, not when it is tried again"


@pytest.mark.parametrize("outcome", [FAILED, UNPROVEN])
async def test_after_enough_failures_a_row_is_dead(world: World, outcome: Outcome) -> None:
    world.sender = world.a_sender(max_attempts=4)
    await world.owe(await a_contact(world.db))
    world.channel.outcomes = [outcome] * 9
    for _ in range(9):
        await world.later(minutes=5)
    row = await world.row()
    assert (row.state, row.attempts, row.detail) == (State.DEAD, 4, outcome.detail)
    assert len(world.channel.calls) == 4


async def test_a_broken_gateway_may_have_delivered_so_an_offer_is_not_repeated(world: World) -> None:
    await world.owe(await a_contact(world.db), kind="offer")
    world.channel.outcomes = [UNPROVEN]
    await world.sender.tick()
    await world.later(minutes=10)
    assert await world.states() == {"hello": State.UNCERTAIN}
    assert len(world.channel.calls) == 1


async def test_a_row_that_cannot_be_rendered_is_tried_again_and_then_dead(world: World) -> None:
    world.sender = world.a_sender(max_attempts=3)
    world.wishes.broken = True
    await world.owe(await a_contact(world.db))
    for _ in range(5):
        await world.later(minutes=5)
    row = await world.row()
    assert (row.state, row.attempts, row.in_doubt) == (State.DEAD, 3, False)
    assert row.detail == "cannot be rendered: ZeroDivisionError"


async def test_one_message_with_broken_markup_is_dead_at_once_and_the_others_go_on(
    world: World,
) -> None:
    async def answer(chat: ChatRef, message: Message) -> Outcome:
        return REJECTED if message.html.startswith("broken") else SENT

    world.channel.answer = answer
    contact = await a_contact(world.db)
    for text in ("broken", "fine"):
        await world.owe(contact, text)
    await world.sender.tick()
    await world.later(minutes=30)
    assert await world.states() == {"broken": State.DEAD, "fine": State.SENT}
    assert len(world.channel.calls) == 2


async def test_a_chat_that_asks_us_to_wait_is_left_alone_and_the_others_go_on(world: World) -> None:
    slow, quick = await a_contact(world.db), await a_contact(world.db)
    for contact in (slow, quick):
        await world.owe(contact, f"first for {contact}")
        await world.owe(contact, f"second for {contact}")
    called: list[tuple[int, float]] = []

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        called.append((chat.chat_id, (world.clock.now() - START).total_seconds()))
        first = [chat_id for chat_id, _ in called].count(slow) == 1
        return Outcome(Result.WAIT, retry_after=7) if chat.chat_id == slow and first else SENT

    world.channel.answer = answer
    await world.sender.tick()
    await world.owe(slow, "fresh")
    for _ in range(10):
        await world.later(seconds=1)
    assert [second for chat, second in called if chat == quick] == [0, 0]
    assert [second for chat, second in called if chat == slow] == [0, 7, 7, 7]
    assert [html for chat, html, _ in world.channel.calls if chat == slow] == [
        f"first for {slow} en",
        f"first for {slow} en",
        f"second for {slow} en",
        "fresh en",
    ]
    assert {row.attempts for row in await world.rows()} == {1}


async def test_when_every_tenth_call_has_to_wait_everything_is_sent_all_the_same(
    world: World,
) -> None:
    people = await contacts(world.db, 50)
    for contact in people:
        await world.owe(contact, f"for {contact}")
    world.sender = world.a_sender(max_attempts=1)

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        if len(world.channel.calls) % 10 == 0:
            return Outcome(Result.WAIT, retry_after=3)
        world.channel.deliver(chat, message)
        return SENT

    world.channel.answer = answer
    for _ in range(10):
        await world.later(seconds=4)
    assert sorted(world.channel.texts) == sorted(f"for {contact} en" for contact in people)
    assert {(row.state, row.attempts) for row in await world.rows()} == {(State.SENT, 1)}


async def test_whoever_blocked_us_is_not_called_again(world: World) -> None:
    people = await contacts(world.db, 10)
    gone = people[3]
    for contact in people:
        for text in ("first", "second"):
            await world.owe(contact, f"{text} for {contact}")
        await world.owe(contact, f"later for {contact}", due=timedelta(minutes=30))

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        return UNREACHABLE if chat.chat_id == gone else SENT

    world.channel.answer = answer
    await world.sender.tick()
    await world.later(minutes=30)
    assert [chat for chat, _, _ in world.channel.calls].count(gone) == 1
    assert world.addresses.blocked == {ChatRef(7, gone)}
    states = Counter((row.state, row.contact_id == gone) for row in await world.rows())
    assert states == {
        (State.SENT, False): 27,
        (State.UNDELIVERABLE, True): 1,
        (State.CANCELLED, True): 2,
    }


async def test_who_has_a_second_chat_is_reached_there(world: World) -> None:
    contact = await a_contact(world.db)
    world.addresses.others[contact] = ChatRef(7, 1000)
    for text in ("first", "second"):
        await world.owe(contact, text)

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        return UNREACHABLE if chat.chat_id == contact else SENT

    world.channel.answer = answer
    await world.sender.tick()
    assert [chat for chat, _, _ in world.channel.calls] == [contact, 1000, 1000]
    assert await world.states() == {"first": State.SENT, "second": State.SENT}


async def test_a_refused_token_stops_the_channel_and_leaves_its_rows(world: World) -> None:
    for number in range(3):
        await world.owe(await a_contact(world.db), str(number))
    world.sender = world.a_sender(in_flight=1)
    world.channel.outcomes = [STOPPED]
    await world.sender.tick()
    for _ in range(4):
        await world.later(minutes=1)
    assert len(world.channel.calls) == 1
    assert {(row.state, row.attempts) for row in await world.rows()} == {(State.PENDING, 0)}
    await world.later(minutes=1)
    assert set((await world.states()).values()) == {State.SENT}


async def test_a_stopped_channel_does_not_hold_up_the_others(world: World) -> None:
    stopped, well = await a_contact(world.db), await a_contact(world.db)
    world.addresses.bots[stopped] = 8
    await world.owe(stopped, *(str(number) for number in range(120)))
    await world.owe(well, "well", due=timedelta(seconds=1))
    await world.later(seconds=1)
    assert world.channel.texts == ["well en"]


# Replicas, the database, and the end


async def test_four_replicas_send_each_message_once(world: World, database_url: str, clock: MovableClock) -> None:
    people = await contacts(world.db, 40)
    for contact in people:
        await world.owe(contact, *(f"{number} for {contact}" for number in range(3)))
    databases = [Database(database_url) for _ in range(4)]
    senders = [world.a_sender(str(number), db) for number, db in enumerate(databases)]
    while any(await asyncio.gather(*(sender.tick() for sender in senders))):
        pass
    for db in databases:
        await db.close()
    assert len(world.channel.calls) == 120
    assert len(set(world.channel.calls)) == 120
    assert await OutboxReport(world.db, clock).counts() == {State.SENT: 120}
    for contact in people:
        mine = [html[0] for chat, html, _ in world.channel.calls if chat == contact]
        assert mine == ["0", "1", "2"]


async def test_a_mark_outlives_a_database_that_is_away_for_a_moment(world: World, database_url: str) -> None:
    flaky = FlakyDatabase(database_url)
    world.sender = world.a_sender(db=flaky)
    await world.owe(await a_contact(world.db))

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        flaky.failures = 2
        return SENT

    world.channel.answer = answer
    await world.sender.tick()
    await flaky.close()
    row = await world.row()
    assert (row.state, row.in_doubt, row.attempts) == (State.SENT, False, 1)
    assert len(world.channel.calls) == 1


async def test_a_mark_that_cannot_be_written_at_all_leaves_the_row_in_doubt(world: World, database_url: str) -> None:
    flaky = FlakyDatabase(database_url)
    world.sender = world.a_sender(db=flaky, lease=0.3)

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        flaky.failures = 9
        return SENT

    world.channel.answer = answer
    await world.owe(await a_contact(world.db), kind="offer")
    with pytest.raises(OSError, match="not there"):
        await world.sender.tick()  # the mark is given up; so is the next claim
    await flaky.close()
    assert await world.states() == {"hello": State.STARTED}
    await world.restart()
    await world.sender.tick()
    assert await world.states() == {"hello": State.UNCERTAIN}


async def running(world: World, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stopping = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(world.sender.run(stopping))
        await work(stopping)


async def test_a_shutdown_finishes_what_is_on_its_way_and_gives_back_the_rest(world: World) -> None:
    people = await contacts(world.db, 6)
    for contact in people:
        await world.owe(contact, f"for {contact}")
    on_its_way, may_end, slow = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        on_its_way.set()
        await may_end.wait()
        return SENT

    async def prepared_slowly(owed: Owed) -> None:
        if owed.contact_id != people[0]:
            await slow.wait()

    world.channel.answer, world.wishes.checked = answer, prepared_slowly
    world.sender = world.a_sender(in_flight=4)

    async def stop(stopping: asyncio.Event) -> None:
        await on_its_way.wait()
        stopping.set()
        slow.set()
        may_end.set()

    await running(world, stop)
    assert Counter((await world.states()).values()) == {State.SENT: 1, State.PENDING: 5}
    assert len(world.channel.calls) == 1
    world.sender = world.a_sender()
    await world.sender.tick()
    assert Counter((await world.states()).values()) == {State.SENT: 6}


async def test_a_second_signal_ends_at_once_and_leaves_the_row_in_doubt(world: World) -> None:
    await world.owe(await a_contact(world.db))
    on_its_way = asyncio.Event()

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        on_its_way.set()
        await asyncio.Event().wait()
        return SENT

    world.channel.answer = answer
    run = asyncio.ensure_future(world.sender.run(asyncio.Event()))
    await on_its_way.wait()
    run.cancel()
    await asyncio.wait([run])
    assert run.cancelled()
    assert await world.states() == {"hello": State.STARTED}
    await world.restart()
    await world.sender.tick()
    row = await world.row()
    assert (row.state, row.in_doubt) == (State.PENDING, True)


async def test_a_woken_sender_sends_at_once_and_a_slow_send_holds_nobody_up(world: World) -> None:
    slow, quick = await a_contact(world.db), await a_contact(world.db)
    under_way, may_end, quick_one_sent = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        if chat.chat_id == slow:
            under_way.set()
            await may_end.wait()
        else:
            quick_one_sent.set()
        world.channel.deliver(chat, message)
        return SENT

    world.channel.answer = answer
    world.sender = world.a_sender(in_flight=2)

    async def work(stopping: asyncio.Event) -> None:
        await world.owe(slow, "slow")
        world.sender.wake()
        await under_way.wait()
        await world.owe(quick, "quick")
        world.sender.wake()
        await quick_one_sent.wait()
        may_end.set()
        stopping.set()

    await running(world, work)
    assert world.channel.texts == ["quick en", "slow en"]


async def test_a_running_sender_survives_a_database_that_goes_away(world: World, database_url: str) -> None:
    flaky = FlakyDatabase(database_url)
    world.sender = world.a_sender(db=flaky)
    flaky.failures = 2
    sent = asyncio.Event()

    async def answer(chat: ChatRef, message: Message) -> Outcome:
        sent.set()
        return SENT

    world.channel.answer = answer
    await world.owe(await a_contact(world.db))

    async def work(stopping: asyncio.Event) -> None:
        while not sent.is_set():
            world.sender.wake()
            await asyncio.sleep(0.01)
        stopping.set()

    await running(world, work)
    await flaky.close()
    assert await world.states() == {"hello": State.SENT}


async def test_an_erased_contact_is_forgotten_in_mid_send(world: World) -> None:
    contact = await a_contact(world.db)
    await world.owe(contact)

    async def erased(chat: ChatRef, message: Message) -> Outcome:
        async with world.db.write() as tx:
            await tx.exec_driver_sql("DELETE FROM contact")
        return SENT

    world.channel.answer = erased
    await world.sender.tick()
    assert await world.rows() == []


async def test_an_idle_tick_writes_nothing(world: World, database_url: str) -> None:
    await world.owe(await a_contact(world.db), due=timedelta(days=1))
    flaky = FlakyDatabase(database_url)
    flaky.failures = 1
    assert await world.a_sender(db=flaky).tick() == 0
    assert flaky.failures == 1
    await flaky.close()


async def owed_next_month(world: World) -> None:
    contact, later = await a_contact(world.db), START + timedelta(days=30)
    rows = [NewRow("reminder", contact, "event:1", str(number), {}, later, later) for number in range(5000)]
    async with world.db.write() as tx:
        await world.outbox.enqueue(tx, rows)
        await tx.exec_driver_sql("ANALYZE")


async def plan_of(db: Database, statement: Select[Any]) -> str:
    """How the database would go about it without seeing the values, as it does for a prepared statement."""
    async with db.write() as tx:
        sql = statement.compile(dialect=tx.dialect, compile_kwargs={"render_postcompile": True})
        if db.is_sqlite:
            values = tuple(sql.construct_params()[name] for name in sql.positiontup or [])
            explained = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", tuple(map(str, values)))
        else:
            literals = ", ".join(f"'{sql.params[name]}'" for name in sql.positiontup or [])
            await tx.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
            await tx.exec_driver_sql(f"PREPARE due AS {sql}")
            explained = await tx.exec_driver_sql(f"EXPLAIN EXECUTE due({literals})")
            await tx.exec_driver_sql("DEALLOCATE due")
        return "\n".join(str(row) for row in explained)


async def test_the_search_for_due_rows_does_not_read_what_is_owed_later(world: World) -> None:
    await owed_next_month(world)
    claims = Claims(world.db, world.clock, ["reminder"], "one", 60.0)
    for statement in (claims.due_rows(40), claims.due_or_abandoned()):
        plan = await plan_of(world.db, statement)
        assert "ix_outbox_due" in plan, plan
        assert "ix_outbox_in_flight" in plan, plan
        assert "Seq Scan on outbox " not in plan, plan
        assert not re.search(r"SCAN outbox(_1)?(?! USING INDEX ix_outbox_in_flight)\b", plan), plan
