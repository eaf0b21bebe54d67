"""The verbs that need the core. Each returns the exit code."""

import argparse
import fcntl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING

import structlog

from bot.clock import day_in
from bot.settings import OperatorError
from bot.storage.migrate import is_current, migrate
from bot.texts import catalogue
from handlers.cli import COMMAND
from handlers.cli.experts import experts
from handlers.services import Core
from knowledge import library, regression
from knowledge.check import check as check_knowledge
from knowledge.shipped import Merged, merge_shipped

if TYPE_CHECKING:
    from handlers.app import App

log = structlog.get_logger(__name__)

Verb = Callable[[Core, argparse.Namespace], Awaitable[int]]


class NotReadyError(OperatorError):
    """The installation is not fit to do that; the text says what to do first."""


async def serve(core: Core, build: "Callable[[Core], App]") -> int:
    await _fit_to_serve(core)
    with _only_process(core) as alone:
        if alone:
            await core.recover()
        merged = await merge_shipped(core.db, core.clock.now())
        for line in _merged_lines(merged) if merged is not None else ():
            log.info(line)
        app = build(core)
        return await app.run()


async def need_present_schema(core: Core) -> None:
    if not await is_current(core.db):
        raise NotReadyError(f"the database is not at the present schema; run: {COMMAND} migrate")


async def _fit_to_serve(core: Core) -> None:
    await need_present_schema(core)
    if core.settings.is_public and await core.services.sample.exists():
        raise NotReadyError(
            f"sample experts or events are loaded, but a token or public address is set; run: {COMMAND} sample purge"
        )


@contextmanager
def _only_process(core: Core) -> Iterator[bool]:
    """The embedded database serves one process; holding the lock proves that no other's work is under way."""
    if not core.db.is_sqlite:
        yield False
        return
    with _lock_file(Path(f"{core.db.url.database}.lock")) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotReadyError(
                f"another process serves {core.db.url.database}; stop it, or set CIPO_DATABASE_URL to a PostgreSQL"
            ) from None
        yield True


def _lock_file(path: Path) -> IO[str]:
    try:
        return path.open("w")
    except OSError as error:
        raise NotReadyError(f"{path}: cannot be written ({error.strerror}); see whose the folder is") from None


async def bring_up_to_date(core: Core, options: argparse.Namespace) -> int:
    await migrate(core.db)
    print(f"database is at the present schema: {core.db.address}")
    merged = await merge_shipped(core.db, core.clock.now())
    if merged is not None:
        print("\n".join(_merged_lines(merged)))
    return 0


def _merged_lines(merged: Merged) -> Iterator[str]:
    yield f"shipped entries: {len(merged.published)} taken over, {len(merged.retired)} retired"
    if merged.combined:
        yield f"put together with your edits: {', '.join(merged.combined)}"
    if merged.conflicts:
        yield f"edited here and changed in the shipped files as well: {', '.join(merged.conflicts)}"
    if merged.unfit:
        yield f"at odds with what was edited here in other entries: {', '.join(merged.unfit)}"
    if merged.conflicts or merged.unfit:
        yield f"your texts stay; decide with /knowledge in the chat, or see: {COMMAND} knowledge conflicts"


async def invite(core: Core, options: argparse.Namespace) -> int:
    invitations = core.services.invitations
    if options.list:
        for each in await invitations.still_open():
            expert = f" {each.expert_id}" if each.expert_id is not None else ""
            print(f"{each.id}  {each.role}{expert}, until {each.expires_at:%Y-%m-%d %H:%M} UTC")
        return 0
    if options.revoke is not None:
        if not await invitations.revoke(options.revoke):
            raise NotReadyError(f"no open invitation {options.revoke}; run: {COMMAND} invite --list")
        print("nobody can follow that link any more")
        return 0
    return await _invited(core, options)


async def _invited(core: Core, options: argparse.Namespace) -> int:
    expert = options.expert
    if (options.role == "expert") != (expert is not None):
        raise NotReadyError(f"--role expert goes with --expert N; run: {COMMAND} experts list")
    if expert is not None and await core.services.appointments.expert(expert) is None:
        raise NotReadyError(f"there is no expert number {expert}; run: {COMMAND} experts list")
    token = await core.services.invitations.create(options.role, expert)
    settings = core.settings
    address = settings.public_url or settings.local_address()
    print(f"{address}/?start={token}")
    if settings.telegram_token is not None:
        print(f"or, to the bot in Telegram: /start {token}")
    return 0


async def sample(core: Core, options: argparse.Namespace) -> int:
    if options.sample == "purge":
        await core.services.sample.purge()
        print("sample experts and events are gone")
    elif core.settings.is_public:
        print("no sample data: a token or public address is set, so real people are expected")
    else:
        await core.services.sample.load()
        print("sample experts and events are loaded; they are marked as such in the chat")
    return 0


async def check(core: Core, options: argparse.Namespace) -> int:
    """Settings were read or we would not be here; the rest is looked at in turn."""
    today = day_in(core.settings.default_zone, core.clock)
    problems = [*await _database_problems(core), *_knowledge_problems(today), *catalogue.problems()]
    print("\n".join(problems) or "all is well")
    if not problems:
        print("\n".join(await _outbox_lines(core)))
    return 1 if problems else 0


async def _outbox_lines(core: Core) -> list[str]:
    """What became of the messages owed. A few that failed do not make the installation unfit."""
    counts = await core.services.outbox_report.counts()
    return [
        f"messages owed: {', '.join(f'{number} {state}' for state, number in counts.items()) or 'none yet'}",
        *(
            f"{trouble.kind}, last 30 days: {trouble.dead} not delivered, {trouble.uncertain} perhaps delivered; "
            "the log says why at “outbox row needs a look”"
            for trouble in await core.services.outbox_report.troubles()
        ),
    ]


async def _database_problems(core: Core) -> list[str]:
    try:
        await core.db.open()
        await _fit_to_serve(core)
    except OperatorError as problem:
        return [str(problem)]
    return []


def _knowledge_problems(today: date) -> list[str]:
    found = check_knowledge(library.SHIPPED, today)
    errors = (f"{finding.place}: {finding.message}" for finding in found if finding.level == "error")
    return [*errors, *regression.problems()]


VERBS: Mapping[str, Verb] = {
    "migrate": bring_up_to_date,
    "invite": invite,
    "sample": sample,
    "experts": experts,
    "check": check,
}
