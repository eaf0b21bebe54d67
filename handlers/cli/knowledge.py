"""`knowledge check|ask|explain|evaluate|export|import|conflicts`: the knowledge base from the command line.

What is asked and exported is the database's, where there is one that has been migrated; else the shipped YAML.
"""

import argparse
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from bot.clock import Clock, SystemClock, day_in
from bot.settings import OperatorError, Settings
from bot.storage.migrate import is_current
from bot.texts import LOCALES
from handlers.cli import COMMAND, logs
from handlers.services import Core
from knowledge import library
from knowledge.changes import Change, Content
from knowledge.check import Finding, check, check_entries
from knowledge.curation import Plan, Planned, Published
from knowledge.engine import Bands, Decision, Engine
from knowledge.engine.evaluate import Report, Share, evaluate
from knowledge.exchange import FaultyFileError, exported, imported
from knowledge.library import Library, stored, written
from knowledge.regression import Difference, Effect, cases, problems
from knowledge.revisions import published_contents, published_names, state

MOST_LISTED = 20
"""Questions of the regression set that are listed one by one."""

FEW_RETIRED: Final = 4
SMALL_PART: Final = 0.1
"""As many, or such a part of the entries, an import may retire without being told how many are meant."""


class NoDatabaseError(OperatorError):
    """There is no database to write to."""


@dataclass(frozen=True, slots=True)
class Base:
    """What the commands work on; `core` is there when it comes from the database."""

    settings: Settings
    clock: Clock
    core: Core | None

    @property
    def today(self) -> date:
        return day_in(self.settings.default_zone, self.clock)

    async def library(self) -> Library:
        if self.core is None:
            return library.load()
        await self.core.live.look()
        return (await self.core.live.view()).library

    async def library_with_names(self) -> tuple[Library, Mapping[str, str]]:
        """The library, and what the published revisions of just its texts are called."""
        while self.core is not None:
            await self.core.live.look()
            view = await self.core.live.view()
            async with self.core.db.read() as tx:
                if (await state(tx)).version == view.version:
                    return view.library, await published_names(tx)
        return library.load(), {}

    async def engine(self) -> Engine:
        if self.core is None:
            shipped = library.load()
            make = Engine.fit if self.settings.fitting else Engine
            bands = Bands(self.settings.answer_from, self.settings.suggest_from)
            return make(shipped.documents(self.today), shipped.synonyms(), bands=bands)
        return (await self.core.live.whole_view()).engine

    def database(self) -> Core:
        if self.core is None:
            raise NoDatabaseError(f"the database is not at the present schema; run: {COMMAND} migrate")
        return self.core


async def run(options: argparse.Namespace, settings: Settings, build_core: Callable[[Settings, Clock], Core]) -> int:
    logs.configure(settings.model_copy(update={"log_level": "WARNING"}))
    verb, clock = VERBS[options.knowledge], SystemClock()
    if settings.database_file is not None and not settings.database_file.exists():
        return await verb(Base(settings, clock, None), options)
    core = build_core(settings, clock)
    try:
        await core.db.open()
        return await verb(Base(settings, clock, core if await _has_knowledge(core) else None), options)
    finally:
        await core.close()


async def _has_knowledge(core: Core) -> bool:
    if not await is_current(core.db):
        return False
    async with core.db.read() as tx:
        return (await state(tx)).version > 0


async def _check(base: Base, options: argparse.Namespace) -> int:
    """The shipped files; where there is a database, what is published in it, and the conflicts."""
    findings = check(library.SHIPPED, base.today)
    waiting: list[str] = []
    if base.core is not None:
        async with base.core.db.read() as tx:
            whole = await published_contents(tx)
        raws = [stored(version) for content in whole.values() for version in content]
        told = {finding.message for finding in findings}
        published = check_entries(raws, (await base.library()).glossary, base.today)
        findings += [finding for finding in published if finding.message not in told]
        waiting = [line async for line in _conflict_lines(base.core)]
    unreadable = [f"error: {problem}" for problem in problems()]
    for line in [*map(_finding, findings), *unreadable, *waiting]:
        print(line)
    errors = sum(finding.level == "error" for finding in findings) + len(unreadable)
    print(f"{errors} errors, {len(findings) + len(unreadable) - errors} warnings")
    return 1 if errors else 0


def _finding(finding: Finding) -> str:
    return f"{finding.level}: {finding.place}: {finding.message}"


async def _conflicts(base: Base, options: argparse.Namespace) -> int:
    lines = [line async for line in _conflict_lines(base.database())]
    print("\n".join(lines) or "no conflicts")
    return 0


async def _conflict_lines(core: Core) -> AsyncIterator[str]:
    curation = core.services.curation
    waiting = await curation.conflicts()
    async with core.db.read() as tx:
        whole = await published_contents(tx)
    for conflict in waiting:
        content = await curation.content(conflict.id) or ()
        faults = await _faults(core, {**whole, conflict.entry_id: content}, conflict.entry_id)
        what = "is no longer shipped" if conflict.retired else "changed in the shipped files as well"
        why = f"{conflict.entry_id} was edited here and {what}"
        if faults:
            why = f"the shipped text of {conflict.entry_id} is at odds with what is published here"
        yield f"conflict: {why}; decide with /knowledge in the chat"
        for line in faults:
            yield line
        for change in await curation.diff(conflict.id) or ():
            for line in _change_lines(change):
                yield line


async def _faults(core: Core, whole: Mapping[str, Content], entry_id: str) -> list[str]:
    """Why a text could not be published beside the others."""
    await core.live.look()
    glossary = (await core.live.view()).library.glossary
    raws = [stored(version) for content in whole.values() for version in content]
    found = check_entries(raws, glossary, core.live.today(), {entry_id})
    return [f"  {finding.message}" for finding in found if finding.level == "error"]


# Asking


async def _ask(base: Base, options: argparse.Namespace) -> int:
    engine = await base.engine()
    failed = False
    for line in _lines(options):
        try:
            question = _question(line, options)
        except (ValueError, RecursionError) as error:
            print(json.dumps({"error": str(error)}, ensure_ascii=False), flush=True)
            failed = True
            continue
        decision = engine.decide(question["text"], question.get("locale"), question.get("context"))
        print(_as_json(decision) if options.jsonl else _as_text(decision), flush=True)
    return 1 if failed else 0


def _lines(options: argparse.Namespace) -> Iterable[str]:
    if options.question is not None:
        return [json.dumps({"text": options.question}) if options.jsonl else options.question]
    return (line.rstrip("\n") for line in sys.stdin)


def _question(line: str, options: argparse.Namespace) -> dict[str, Any]:
    """A line as text or, with --jsonl, as an object; ValueError says what is wrong with it."""
    if not options.jsonl:
        return {"text": line, "locale": options.locale}
    question = json.loads(line)
    if not isinstance(question, dict) or not isinstance(question.get("text"), str):
        raise ValueError('a line must be an object with "text", a string')  # noqa: TRY004  the caller reports it as bad input
    if question.get("locale") not in (None, *LOCALES):
        raise ValueError(f'"locale" must be one of {", ".join(LOCALES)}')
    if not isinstance(question.get("context"), str | None):
        raise ValueError('"context" must be the id of an entry')  # noqa: TRY004
    return {"locale": options.locale, **question}


def _as_json(decision: Decision) -> str:
    entries = [{"id": c.entry_id, "confidence": round(c.confidence, 4)} for c in decision.candidates]
    told = {"decision": decision.kind, "entries": entries, "locale": decision.locale, "model": decision.model}
    return json.dumps(told, ensure_ascii=False)


def _as_text(decision: Decision) -> str:
    entries = ", ".join(f"{c.entry_id} ({c.confidence:.2f})" for c in decision.candidates)
    return f"{decision.kind}: {entries or '-'} [{decision.locale}]"


async def _explain(base: Base, options: argparse.Namespace) -> int:
    engine = await base.engine()
    for line in _lines(options):
        decision = engine.decide(line, options.locale)
        print(f"{_as_text(decision)} {decision.model}")
        print(f"  {_evidence(decision.features)}")
        for candidate in engine.search(line, options.locale):
            print(f"  {candidate.entry_id:<18} {candidate.confidence:.2f}  {_evidence(asdict(candidate.why))}")
    return 0


def _evidence(measures: Mapping[str, object]) -> str:
    """Whatever the engine tells of itself, by its own names."""
    return "  ".join(f"{name} {_measure(value)}" for name, value in measures.items())


def _measure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, tuple):
        return ", ".join("→".join(part) if isinstance(part, tuple) else str(part) for part in value) or "-"
    return "-" if value is None else str(value)


async def _evaluate(base: Base, options: argparse.Namespace) -> int:
    asked = cases()  # before the engine, which takes a while, as it may not be readable
    report = evaluate(await base.engine(), asked)
    for line in report_lines(report):
        print(line)
    if options.misses:
        for miss in report.misses:
            print(f"{miss.case.entry or 'off-topic':<18} {_as_text(miss.decision):<60} {miss.case.text}")
    return 0


def report_lines(report: Report) -> Iterator[str]:
    """What `knowledge evaluate` prints; intervals hold 95 % of bootstrap resamples."""
    yield f"questions with an entry: {report.questions}, off-topic: {report.off_topic}"
    yield f"entry@1 {report.right_at_1:.1%}   entry@3 {report.right_at_3:.1%}   category@1 {report.category_at_1:.1%}"
    yield (
        f"answered right {report.answered_right:.1%}, wrong {report.answered_wrong:.1%}; "
        f"offered right {report.offered_right:.1%}, wrong {report.offered_wrong:.1%}; declined {report.declined:.1%}"
    )
    yield f"off-topic: answered {report.off_topic_answered:.1%}, offered {report.off_topic_offered:.1%}"
    yield f"calibration error {report.calibration_error:.3f}"
    going_on = report.follow_ups
    yield (
        f"going on from an answer: {going_on.clear} with an entry, answered right {going_on.answered_right:.1%}, "
        f"answered or offered right {going_on.reached:.1%}; {going_on.open} without; "
        f"answered wrong {going_on.answered_wrong:.1%} of all"
    )
    for locale, own in report.by_locale.items():
        yield (
            f"{locale}: {own.questions} questions, "
            f"entry@1 {_within(own.right_at_1)}, entry@3 {_within(own.right_at_3)}, "
            f"answered or offered right {_within(own.reached)}; "
            f"{own.off_topic} off-topic, answered {_within(own.off_topic_answered)}"
        )


def _within(share: Share) -> str:
    return f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"


# Files


async def _export(base: Base, options: argparse.Namespace) -> int:
    whole, names = await base.library_with_names()
    entries = [written(entry) for entry in whole.entries]
    try:
        data = exported(entries, options.format, names)
    except FaultyFileError as fault:
        return _refused(fault.findings)
    if options.out is None:
        left = memoryview(data)
        while left:  # an unbuffered pipe takes a part at a time
            left = left[sys.stdout.buffer.write(left) :]
        return 0
    try:
        options.out.write_bytes(data)
    except OSError as error:
        raise OperatorError(f"{options.out}: cannot be written ({error.strerror})") from None
    print(f"{options.out}: {len(entries)} entries")
    return 0


async def _import(base: Base, options: argparse.Namespace) -> int:
    """Show what a file would change, and write it as drafts; with --publish, publish them."""
    core = base.database()
    curation = core.services.curation
    try:
        raws = imported(options.file)
    except FaultyFileError as fault:
        return _refused(fault.findings)
    if options.whole and not raws:
        raise OperatorError(
            f"{options.file}: holds no entries; with --whole that would retire the whole knowledge base"
        )
    await core.live.look()
    plan = await curation.plan(raws, options.whole)
    if plan.preview.errors:
        return _refused(plan.preview.errors)
    print("\n".join(_plan_lines(plan)))
    retired = [one.entry_id for one in plan.entries if one.fate == "retired"]
    is_meant = options.retire == len(retired) or not _is_much(plan, len(retired))
    if not is_meant:
        print(f"{_much(plan, len(retired))}; if that is meant, add: --retire {len(retired)}", file=sys.stderr)
    if options.dry_run or not is_meant:
        print("nothing was written")
        return 0 if is_meant else 1
    if not plan.texts:
        return 0
    drafted = await curation.draft_all(None, plan.texts, options.file.name)
    assert isinstance(drafted, list), drafted
    numbers = [draft.revision.id for draft in drafted]
    if any(draft.revision.based_on != plan.based_on.get(draft.revision.entry_id) for draft in drafted):
        for number in numbers:
            await curation.discard(None, number)
        raise OperatorError("somebody published something else meanwhile; nothing was written, import again")
    if not options.publish:
        print(f"{len(numbers)} drafts written; publish them with /knowledge in the chat, or import with --publish")
        return 0
    outcome = await curation.publish_together(None, numbers)
    if not isinstance(outcome, Published):
        print("somebody published something else meanwhile; the drafts stay, import again", file=sys.stderr)
        return 1
    print(f"{len(outcome.revisions)} entries published")
    return 0


def _is_much(plan: Plan, retired: int) -> bool:
    """Whether a slip is likelier than a wish."""
    held = sum(one.fate != "added" for one in plan.entries)
    return bool(plan.newer) or (retired > FEW_RETIRED and retired > SMALL_PART * held)


def _much(plan: Plan, retired: int) -> str:
    held = sum(one.fate != "added" for one in plan.entries)
    newer = f", of which after the file was exported others published {', '.join(plan.newer)}" if plan.newer else ""
    return f"this would retire {retired} of {held} entries{newer}"


def _refused(findings: Sequence[Finding]) -> int:
    for finding in findings:
        print(_finding(finding), file=sys.stderr)
    print(f"{len(findings)} errors; nothing was written", file=sys.stderr)
    return 1


def _plan_lines(plan: Plan) -> Iterator[str]:
    counts = {
        fate: sum(one.fate == fate for one in plan.entries) for fate in ("added", "changed", "unchanged", "retired")
    }
    yield ", ".join(f"{count} {fate}" for fate, count in counts.items())
    if lost := ", ".join(_lost(plan)):
        yield f"would be lost: {lost}"
    for one in plan.entries:
        if one.fate != "unchanged":
            yield from _entry_lines(one)
    yield from map(_finding, plan.preview.findings)
    if plan.texts:
        yield from _effect_lines(plan.preview.effect)


def _lost(plan: Plan) -> Iterator[str]:
    """What people read today and would read no more."""
    retired = [one.entry_id for one in plan.entries if one.fate == "retired"]
    gone = [change for one in plan.entries if one.fate == "changed" for change in one.changes if change.removed]
    phrasings = sum(len(change.removed) for change in gone if change.field.endswith(".phrasings"))
    texts = sum(change.field.endswith((".question", ".answer")) for change in gone)
    if retired:
        yield f"{len(retired)} entries ({', '.join(retired)})"
    if phrasings:
        yield f"{phrasings} ways to ask"
    if texts:
        yield f"lines of {texts} questions or answers"


def _entry_lines(one: Planned) -> Iterator[str]:
    yield f"{one.fate}: {one.entry_id}"
    if one.fate == "changed":
        for change in one.changes:
            yield from _change_lines(change)


def _change_lines(change: Change) -> Iterator[str]:
    since = f" (from {change.valid_from})" if change.valid_from else ""
    yield f"  {change.field}{since}"
    yield from (f"  - {line}" for line in change.removed)
    yield from (f"  + {line}" for line in change.added)


def _effect_lines(effect: Effect) -> Iterator[str]:
    right = f"{effect.right_before} of {effect.questions} right, {effect.right_after} after"
    yield f"regression questions: {right}; {len(effect.gained)} gained, {len(effect.lost)} lost"
    for name, some in (("gained", effect.gained), ("lost", effect.lost)):
        yield from (f"  {name}: {_difference(each)}" for each in some[:MOST_LISTED])
        if len(some) > MOST_LISTED:
            yield f"  {name}: and {len(some) - MOST_LISTED} more"


def _difference(each: Difference) -> str:
    meant = each.case.entry or "off-topic"
    return f"{each.case.text} ({meant}): {_as_text(each.before)} -> {_as_text(each.after)}"


VERBS: Mapping[str, Callable[[Base, argparse.Namespace], Awaitable[int]]] = {
    "check": _check,
    "ask": _ask,
    "explain": _explain,
    "evaluate": _evaluate,
    "export": _export,
    "import": _import,
    "conflicts": _conflicts,
}
