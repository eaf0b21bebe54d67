"""What the poller promises: nothing confirmed before it is kept, one poller a token, and no failure that ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from bot.channels.telegram import Poller
from bot.inbox import Accepted, InboxUpdate, Lane
from bot.outbox.models import OutboxRow
from bot.outbox.outbox import NewRow
from bot.outbox.port import Kind, Owed, Reader
from bot.people.models import Chat
from bot.settings import Settings
from bot.storage import Tx
from bot.texts import Message
from handlers.chat.dispatcher import ALLOWED_UPDATES
from run_bot import build, build_core
from tests.botapi import BotApi, Person
from tests.botapi.people import plain
from tests.conftest import MovableClock
from tests.machine import until

AWAY = OperationalError("INSERT", {}, Exception("the database is away"))
HELP, LANGUAGE = "Good to see you", "Which language shall I speak?"
BLOCKED = "Forbidden: bot was blocked by the user"


class Replica:
    """A process with Telegram on, without its web server; it ticks and sends when told to."""

    def __init__(self, settings: Settings, clock: MovableClock) -> None:
        self.core = build_core(settings, clock)
        self.core.kinds["note"] = NOTE  # type: ignore[index]  what the process is built from, not yet built
        self.app = build(self.core)
        bot = self.app.telegram_bot
        assert bot is not None
        self.lane = Lane(bot.id, 0)
        self.poller = Poller(bot, self.core.db, self.core.inbox, ALLOWED_UPDATES, self._lease, clock)
        self.stopping = asyncio.Event()

    async def _lease(self) -> bool:
        return await self.core.inbox.hold(self.lane)

    def starts(self) -> None:
        self.polling = self.core.background.start(self.poller.run(self.stopping), "polling")

    def stands(self) -> str | None:
        return self.poller.health()["polling"]

    async def stops(self) -> None:
        """In the order of the shipped process."""
        self.stopping.set()
        self.core.inbox.pause()
        await self.core.in_flight.drained(60)
        await self.polling
        await self.core.inbox.stop()

    async def dies(self) -> None:
        """Without a last word."""
        await self.core.background.close()

    async def gone(self) -> None:
        await self.core.background.close()
        assert self.app.telegram_bot is not None
        await self.app.telegram_bot.session.close()
        await self.core.close()


async def _wanted(tx: Tx, owed: Owed, now: datetime) -> bool:
    return True


async def _note(tx: Tx, owed: Owed, reader: Reader) -> Message:
    return Message(f"Note {owed.payload['number']}")


NOTE = Kind("note", "at_least_once", _wanted, _note)

Found = Callable[[], Replica]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.channels.telegram.LONGEST_PAUSE", 0.01)


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def found(api: BotApi, database_url: str, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Found]:
    """Makes one more replica on the same database and token."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=database_url,
        telegram_token=api.token,
        telegram_api_url=api.url,
        fitting=False,
    )
    made: list[Replica] = []

    def one_more() -> Replica:
        made.append(Replica(settings, clock))
        return made[-1]

    yield one_more
    for replica in made:
        await replica.gone()


@pytest.fixture
def replica(found: Found) -> Replica:
    return found()


@pytest.fixture
async def ann(api: BotApi) -> Person:
    return await api.person()


@asynccontextmanager
async def failing(owner: Any, name: str, *errors: BaseException) -> AsyncIterator[None]:
    """The next calls of a method raise these errors."""
    left, method = list(errors), getattr(owner, name)

    async def call(*arguments: Any) -> Any:
        if left:
            raise left.pop(0)
        return await method(*arguments)

    setattr(owner, name, call)
    yield
    await until(lambda: not left, f"{name} to have failed")
    setattr(owner, name, method)


async def heard(person: Person) -> list[str]:
    return [plain(message) for message in await person.messages() if message["from"] == "bot"]


async def handled(api: BotApi, *replicas: Replica) -> None:
    await until(lambda: not api.updates.pending() and not any(r.core.inbox.busy for r in replicas), "the updates")


async def test_what_could_not_be_kept_is_not_confirmed_and_comes_again(
    api: BotApi, replica: Replica, ann: Person
) -> None:
    await ann.say("/help")
    (waiting,) = api.updates.pending()
    async with failing(replica.core.inbox, "accept", AWAY, OSError("no route"), ValueError("a mistake")):
        replica.starts()
    offsets = [int(call.get("offset", 0)) for call in api.made("getUpdates")]
    assert len(offsets) >= 3
    assert max(offsets) <= waiting["update_id"]
    await ann.hears(HELP)
    await handled(api, replica)
    assert len(await heard(ann)) == 1
    assert api.updates.pending() == []


async def test_polling_outlives_a_database_that_is_away_and_says_how_it_stands(
    replica: Replica, ann: Person, clock: MovableClock
) -> None:
    assert replica.poller.health() == {"polling": "starting", "last_success": None}
    hold = replica.core.inbox.hold
    back = asyncio.Event()

    async def away(lane: Lane) -> bool:
        if not back.is_set():
            raise AWAY
        return await hold(lane)

    replica.core.inbox.hold = away  # type: ignore[method-assign]
    replica.starts()
    await until(lambda: replica.stands() == "failing", "a failure")
    back.set()
    await ann.say("/help")
    await ann.hears(HELP)
    assert replica.poller.health() == {"polling": "working", "last_success": clock.now().isoformat()}


@pytest.mark.parametrize(
    ("code", "refusal", "advice"),
    [
        (409, "Conflict: terminated by other getUpdates request", "another program polls this bot"),
        (401, "Unauthorized", "CIPO_TELEGRAM_TOKEN"),
        (502, "Bad Gateway", "polling failed"),
    ],
)
async def test_a_refused_poll_is_explained_and_tried_again(
    api: BotApi, replica: Replica, ann: Person, logged: list[Any], code: int, refusal: str, advice: str
) -> None:
    api.fail(code, refusal, method="getUpdates", times=2)
    await ann.say("/help")
    replica.starts()
    await ann.hears(HELP)
    assert sum(advice in entry["event"] for entry in logged) == 2


async def test_a_broken_line_does_not_end_polling(api: BotApi, replica: Replica, ann: Person) -> None:
    for how in ("reset", "garbage", "lost_reply"):
        api.break_line(how, "getUpdates")  # type: ignore[arg-type]
    replica.starts()
    await ann.say("/help")
    await ann.hears(HELP)


async def test_an_answer_gets_through_a_flood(api: BotApi, replica: Replica, ann: Person) -> None:
    api.flood(1, method="sendMessage")
    replica.starts()
    await ann.say("/help")
    await ann.hears(HELP)
    await handled(api, replica)
    assert len(await heard(ann)) == 1


async def test_stopping_finishes_what_is_begun_keeps_the_rest_and_confirms_both(
    api: BotApi, found: Found, ann: Person
) -> None:
    first, begun, go_on = found(), asyncio.Event(), asyncio.Event()
    handle = first.core.inbox.handle

    async def slowly(accepted: Accepted) -> None:
        begun.set()
        await go_on.wait()
        await handle(accepted)

    first.core.inbox.handle = slowly
    for command in ("/help", "/language"):
        await ann.say(command)
    first.starts()
    await begun.wait()
    stopping = asyncio.ensure_future(first.stops())
    await first.stopping.wait()
    go_on.set()
    await stopping
    assert [HELP in text for text in await heard(ann)] == [True]
    assert api.updates.pending() == []
    second = found()
    second.starts()
    await second.core.inbox.tick()
    await ann.hears(LANGUAGE)
    assert [HELP in text for text in await heard(ann)] == [True, False]


async def test_the_token_is_handed_over_when_its_poller_stops(
    api: BotApi, found: Found, ann: Person, logged: list[Any]
) -> None:
    first, second = found(), found()
    first.starts()
    await until(api.updates.is_waiting.is_set, "the first poll")
    second.starts()
    await until(lambda: second.stands() == "elsewhere", "the second to stand by")
    await ann.say("/help")
    await ann.hears(HELP)
    await handled(api, first)
    await first.stops()
    await ann.say("/language")
    await ann.hears(LANGUAGE)
    assert second.stands() == "working"
    assert len(await heard(ann)) == 2
    assert [entry["event"] for entry in logged if entry["log_level"] in ("warning", "error")] == []


async def test_another_takes_over_when_the_poller_dies_with_an_update_begun(
    api: BotApi, found: Found, ann: Person
) -> None:
    first, second, begun = found(), found(), asyncio.Event()

    async def never(accepted: Accepted) -> None:
        begun.set()
        await first.stopping.wait()

    first.core.inbox.handle = never
    first.starts()
    await ann.say("/help")
    await begun.wait()
    await ann.say("/language")
    await until(lambda: kept(first, 2), "both to be kept")
    await first.dies()
    second.starts()
    await second.core.inbox.recover()  # as the leases of the dead one lapse
    await second.core.inbox.tick()
    await ann.hears(LANGUAGE)
    assert [HELP in text for text in await heard(ann)] == [True, False]


async def kept(replica: Replica, number: int) -> bool:
    async with replica.core.db.read() as tx:
        return len((await tx.execute(select(InboxUpdate.id))).all()) == number


async def blocked_at(replica: Replica, person: Person) -> datetime | None:
    async with replica.core.db.read() as tx:
        found = await tx.execute(select(Chat.blocked_at).where(Chat.chat_id == person.chat_id))
        return found.scalar_one()


async def owes(replica: Replica, person: Person, number: int) -> None:
    core = replica.core
    async with core.db.write() as tx:
        contact_id = (await tx.execute(select(Chat.contact_id).where(Chat.chat_id == person.chat_id))).scalar_one()
        now = core.clock.now()
        row = NewRow("note", contact_id, "note", f"note {number}", {"number": number}, now, now + timedelta(days=1))
        await core.outbox.enqueue(tx, [row])


async def fates(replica: Replica) -> list[str]:
    async with replica.core.db.read() as tx:
        return list((await tx.execute(select(OutboxRow.state).order_by(OutboxRow.id))).scalars())


async def test_nothing_is_sent_to_who_blocked_the_bot_until_they_come_back(
    api: BotApi, replica: Replica, ann: Person, clock: MovableClock
) -> None:
    replica.starts()
    await ann.say("/help")
    await ann.hears(HELP)
    clock.advance(timedelta(minutes=1))
    await ann.block()
    await handled(api, replica)
    assert await blocked_at(replica, ann) == clock.now()
    await owes(replica, ann, 1)
    sends = len(api.made("sendMessage"))
    await replica.app.sender.tick()
    assert len(api.made("sendMessage")) == sends
    clock.advance(timedelta(minutes=1))
    await ann.unblock()
    await handled(api, replica)
    assert await blocked_at(replica, ann) is None
    await owes(replica, ann, 2)
    await replica.app.sender.tick()
    assert await fates(replica) == ["undeliverable", "sent"]
    await ann.hears("Note 2")


async def test_a_refused_send_says_who_blocked_the_bot_and_their_next_word_that_they_are_back(
    api: BotApi, replica: Replica, ann: Person, clock: MovableClock
) -> None:
    replica.starts()
    await ann.say("/help")
    await ann.hears(HELP)
    await handled(api, replica)
    clock.advance(timedelta(minutes=1))
    api.fail(403, BLOCKED, method="sendMessage", contains="Note 1")
    await owes(replica, ann, 1)
    await replica.app.sender.tick()
    assert await blocked_at(replica, ann) == clock.now()
    clock.advance(timedelta(minutes=1))
    await ann.say("/language")
    await ann.hears(LANGUAGE)
    assert await blocked_at(replica, ann) is None
    await owes(replica, ann, 2)
    await replica.app.sender.tick()
    assert await fates(replica) == ["undeliverable", "sent"]


async def test_a_traditional_reader_gets_that_menu_with_the_first_answer(api: BotApi, replica: Replica) -> None:
    people = [await api.person("Ann", "zh-hant"), await api.person("Bo", "zh-hans")]
    replica.starts()
    for person in people:
        for command in ("/help", "/language"):
            await person.say(command)
    await handled(api, replica)
    scopes = [call["scope"] for call in api.made("setMyCommands")]
    assert len(scopes) == 1
    assert str(people[0].chat_id) in scopes[0]
