"""`knowledge check|ask|explain|evaluate`: the knowledge base from the command line, without a database."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from bot.texts import LOCALES
from knowledge import library
from knowledge.check import check
from knowledge.engine import Decision, Engine
from knowledge.engine.evaluate import Case, Report, evaluate

REGRESSION = Path(library.__file__).parent / "regression.yaml"


def run(options: argparse.Namespace) -> int:
    return {"check": _check, "ask": _ask, "explain": _explain, "evaluate": _evaluate}[options.knowledge](options)


def _check(options: argparse.Namespace) -> int:
    findings = check(library.SHIPPED, _today())
    for finding in findings:
        print(f"{finding.level}: {finding.place}: {finding.message}")
    errors = sum(finding.level == "error" for finding in findings)
    print(f"{errors} errors, {len(findings) - errors} warnings")
    return 1 if errors else 0


def _ask(options: argparse.Namespace) -> int:
    engine = _engine()
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


def _explain(options: argparse.Namespace) -> int:
    engine = _engine()
    for line in _lines(options):
        print(_as_text(engine.decide(line, options.locale)))
        for candidate in engine.search(line, options.locale):
            why = candidate.why
            print(
                f"  {candidate.entry_id:<18} {candidate.confidence:.2f}  cosine {why.cosine:.2f}  bm25 {why.bm25:.2f}  "
                f"coverage {why.coverage:.2f}  unknown {why.unknown:.2f}  margin {why.margin:+.2f}  {why.phrasing}"
            )
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    cases = list(_cases())
    report = evaluate(_engine(), cases)
    for line in _report_lines(report):
        print(line)
    if options.misses:
        for miss in report.misses:
            print(f"{miss.case.entry or 'off-topic':<18} {_as_text(miss.decision):<60} {miss.case.text}")
    return 0


def _cases() -> Iterator[Case]:
    for case in yaml.safe_load(REGRESSION.read_text(encoding="utf-8")):
        yield Case(case["text"], case["locale"], case["entry"])


def _report_lines(report: Report) -> Iterator[str]:
    yield f"questions with an entry: {report.questions}, off-topic: {report.off_topic}"
    yield f"entry@1 {report.right_at_1:.1%}   entry@3 {report.right_at_3:.1%}"
    yield (
        f"answered right {report.answered_right:.1%}, wrong {report.answered_wrong:.1%}; "
        f"offered right {report.offered_right:.1%}, wrong {report.offered_wrong:.1%}; declined {report.declined:.1%}"
    )
    yield f"off-topic: answered {report.off_topic_answered:.1%}, offered {report.off_topic_offered:.1%}"


def _engine() -> Engine:
    base = library.load()
    return Engine.fit(base.documents(_today()), base.glossary.synonyms())


def _today() -> Any:
    return datetime.now(UTC).date()
