"""Every transcript of tests/conversations: in the web chat's process on both databases, and through Telegram's HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bot.settings import Settings
from handlers.app import App, listen
from handlers.services import Core
from run_bot import build, build_core
from tests.botapi import BotApi, Person, running_bot_api
from tests.conftest import MovableClock
from tests.machine import Machine, Seen, machine, nothing_owed, seen, take_up_knowledge, until
from tests.transcripts import Play, Stage, Talker, transcripts

each_transcript = pytest.mark.parametrize("transcript", transcripts(), ids=lambda path: path.stem)


@each_transcript
async def test_a_conversation_goes_as_written_in_the_web_chat(
    transcript: Path, database_url: str, tmp_path: Path, clock: MovableClock
) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=database_url)
    async with machine(settings, clock) as town:
        await town.core.services.sample.load()
        await Play(on_the_web(town, clock)).run(transcript)


@each_transcript
async def test_a_conversation_goes_as_written_in_telegram(
    transcript: Path, database_url: str, tmp_path: Path, clock: MovableClock
) -> None:
    async with running_bot_api(tmp_path / "telegram", clock) as api:
        settings = Settings(
            _env_file=None,
            data_dir=tmp_path,
            database_url=database_url,
            telegram_token=api.token,
            telegram_api_url=api.url,
            fitting=False,
        )
        async with serving(settings, clock) as app:
            await app.core.services.sample.load()
            await Play(in_telegram(app, api, clock)).run(transcript)


async def look_at_knowledge(core: Core) -> None:
    """What ticks do every few seconds."""
    await core.live.look()
    await core.services.wishes.look()


def on_the_web(town: Machine, clock: MovableClock) -> Stage:
    async def enter(name: str, locale: str) -> Talker:
        return await town.visitor(locale, name)

    async def appoint(name: str, role: str) -> Talker:
        return await town.staff(role)

    async def advance(by: timedelta) -> None:
        clock.advance(by)
        await look_at_knowledge(town.core)
        await town.settled()

    return Stage(enter, appoint, advance)


@asynccontextmanager
async def serving(settings: Settings, clock: MovableClock) -> AsyncIterator[App]:
    """The machine as `serve` runs it: web server, poller, sender and ticks."""
    app = build(build_core(settings, clock))
    await take_up_knowledge(app.core)
    await app.start(listen("127.0.0.1", 0))
    try:
        yield app
    finally:
        await app.close()


@dataclass
class InTelegram:
    """A person of the pretended Telegram as transcripts speak of one."""

    person: Person
    app: App
    api: BotApi
    toasts: list[str] = field(default_factory=list)

    async def says(self, text: str) -> None:
        await self.person.say(text)
        await settled(self.app, self.api)

    async def presses(self, label: str) -> None:
        before = len(self.api.made("answerCallbackQuery"))
        for message in reversed(await self.person.messages()):
            buttons = [button for row in message["inline_keyboard"] or [] for button in row]
            if data := next((b["data"] for b in buttons if label in b["text"] and "data" in b), None):
                await self.person.press_data(message["message_id"], data)
                break
        else:
            raise AssertionError(f"no button {label!r} on the screen:\n{await self.person.transcript()}")
        await settled(self.app, self.api)
        answers = self.api.made("answerCallbackQuery")[before:]
        self.toasts += [answer["text"] for answer in answers if answer.get("text")]

    async def page(self) -> list[Seen]:
        return [seen(message) for message in await self.person.messages()]


async def settled(app: App, api: BotApi) -> None:
    """Telegram has handed over everything, it is handled and known, and what is owed by now is sent."""
    await until(lambda: not api.updates.pending() and not app.core.inbox.busy, "updates to be handled")
    await app.core.live.look()
    app.sender.wake()
    await until(lambda: nothing_owed(app.core), "messages to be sent")


def in_telegram(app: App, api: BotApi, clock: MovableClock) -> Stage:
    async def enter(name: str, locale: str) -> Talker:
        return InTelegram(await api.person(name, locale.lower()), app, api)

    async def appoint(name: str, role: str) -> Talker:
        token = await app.core.services.invitations.create(role)  # type: ignore[arg-type]
        member = InTelegram(await api.person(name), app, api)
        await member.says(f"/start {token}")
        return member

    async def advance(by: timedelta) -> None:
        clock.advance(by)
        await look_at_knowledge(app.core)
        await settled(app, api)

    return Stage(enter, appoint, advance)
