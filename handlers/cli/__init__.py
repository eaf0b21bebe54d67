"""The command line: `python run_bot.py [verb]`. Wrong settings, knowledge or addresses end it with one line.

Nothing heavy is imported before the arguments are read.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bot.clock import Clock
    from bot.settings import Settings
    from handlers.app import App
    from handlers.services import Core

    BuildCore = Callable[[Settings, Clock], Core]
    Build = Callable[[Core], App]
    Verb = Callable[[Core, argparse.Namespace], Awaitable[int]]

COMMAND: Final = ".venv/bin/python run_bot.py"
"""What hints tell people to run: outside .venv the requirements are missing, and there may be no `python` at all."""


def run(arguments: list[str] | None, build_core: "BuildCore", build: "Build") -> int:
    try:
        return _told_in_a_line(arguments, build_core, build)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141


def _told_in_a_line(arguments: list[str] | None, build_core: "BuildCore", build: "Build") -> int:
    """BrokenPipeError once nobody reads what is printed."""
    try:
        options = _parser().parse_args(arguments)
        from bot.settings import OperatorError

        try:
            return _run(options, build_core, build)
        except OperatorError as error:
            print(error, file=sys.stderr)
            return 1
    finally:
        _flush()


def _flush() -> None:
    """Now, as the interpreter at its end complains of a reader who went away."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _run(options: argparse.Namespace, build_core: "BuildCore", build: "Build") -> int:
    from bot.clock import SystemClock
    from bot.settings import env_example, load
    from handlers.cli import logs

    if options.verb == "check" and options.env_example:
        print(env_example(), end="")
        return 0
    settings = load()
    if options.verb == "knowledge":
        from handlers.cli import knowledge

        return asyncio.run(knowledge.run(options, settings, build_core))
    logs.configure(settings)
    return asyncio.run(_with_core(options, build_core(settings, SystemClock()), build))


async def _with_core(options: argparse.Namespace, core: "Core", build: "Build") -> int:
    from sqlalchemy.exc import DBAPIError

    from bot.settings import OperatorError
    from bot.storage.outage import is_outage
    from handlers.cli import verbs

    try:
        if options.verb != "check":  # which tells of everything that is wrong
            await core.db.open()
        if options.verb == "serve":
            return await verbs.serve(core, build)
        if options.verb not in ("check", "migrate"):
            await verbs.need_present_schema(core)
        return await verbs.VERBS[options.verb](core, options)
    except DBAPIError as error:
        if not is_outage(error):
            raise
        raise OperatorError(core.db.cannot_be_used(error)) from error
    finally:
        await core.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_bot.py",
        description="CIPO Advisor: answers, appointments and reminders, in Telegram and on the web.",
    )
    parser.set_defaults(verb="serve")
    verbs = parser.add_subparsers(title="verbs", metavar="verb")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.set_defaults(verb=name)
        return made

    verb("serve", "serve everything the settings switch on (default)")
    check = verb("check", "say what is wrong with settings, database, knowledge or texts, and how to mend it")
    check.add_argument("--env-example", action="store_true", help="print .env.example instead")
    verb("migrate", "bring the database to the present schema")
    invite = verb("invite", "print a one-time link that makes whoever follows it a member of staff")
    what = invite.add_mutually_exclusive_group(required=True)
    what.add_argument("--role", choices=["admin", "expert", "curator"])
    what.add_argument("--list", action="store_true", help="the links that nobody has followed yet")
    what.add_argument("--revoke", metavar="ID", help="let nobody follow that one any more")
    invite.add_argument("--expert", type=int, help="with --role expert: the number of the expert they are")
    _add_experts(verb("experts", "list, load or retire the experts who can be booked"))
    sample = verb("sample", "load or purge the sample experts and events")
    sample.add_argument("sample", choices=["load", "purge"])
    _add_knowledge(verb("knowledge", "check, ask, measure, export and import the knowledge base"))
    return parser


def _add_experts(parser: argparse.ArgumentParser) -> None:
    actions: Any = parser.add_subparsers(dest="experts", metavar="action", required=True)
    actions.add_parser("list", help="who can be booked, with their numbers")
    actions.add_parser("load", help="add the experts of a YAML file").add_argument("file", type=Path)
    actions.add_parser("retire", help="take one off the list").add_argument("number", type=int)


def _add_knowledge(parser: argparse.ArgumentParser) -> None:
    actions: Any = parser.add_subparsers(dest="knowledge", metavar="action", required=True)
    actions.add_parser("check", help="say what is wrong with the entries")
    for name, text in (("ask", "decide on questions"), ("explain", "show why a question is decided so")):
        action = actions.add_parser(name, help=text)
        action.add_argument("question", nargs="?", help="the question; without it, lines of standard input")
        action.add_argument("--locale", choices=["en", "zh-Hans", "zh-Hant"])
        action.set_defaults(jsonl=False)
        if name == "ask":
            action.add_argument("--jsonl", action="store_true", help="one JSON object a line, in and out")
    evaluate = actions.add_parser("evaluate", help="ask the regression questions and count")
    evaluate.add_argument("--misses", action="store_true", help="list what went wrong")
    export = actions.add_parser("export", help="write what is published to a file for people to edit")
    export.add_argument("--format", choices=["yaml", "xlsx", "csv"], default="yaml")
    export.add_argument("--out", type=Path, help="the file; without it, standard output")
    take = actions.add_parser("import", help="show what the entries of a file would change, and write them as drafts")
    take.add_argument("file", type=Path, help="a .yaml, .xlsx or .csv file as export writes them")
    take.add_argument("--dry-run", action="store_true", help="show it only; write nothing")
    take.add_argument("--publish", action="store_true", help="publish the drafts at once")
    take.add_argument("--whole", action="store_true", help="the file is the whole knowledge base: retire what it lacks")
    take.add_argument("--retire", type=int, metavar="N", help="with --whole: that many entries are to be retired")
    actions.add_parser("conflicts", help="entries edited here that changed in the shipped files as well")
