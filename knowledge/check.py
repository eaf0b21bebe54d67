"""What is wrong with a knowledge base, so that it can be mended before anyone reads it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Literal

from jinja2 import TemplateError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from bot.settings import OperatorFacts
from bot.texts.markdown import plain, to_html
from knowledge.engine.analysis import Analyzer
from knowledge.library import LOCALES, WRITTEN, Entry, Library, load_glossary_beside, parse
from knowledge.reading import LibraryError, Raw, Step, read_file

Level = Literal["error", "warning"]

MOST_CHARACTERS: Final = 900
FEWEST_PHRASINGS: Final = 6
JURISDICTION: Final = re.compile(r"[A-Z]{2,3}")
FORBIDDEN: Final = re.compile(r"Hong Kong Stock Exchange|\bHKEX\b|香港交易所|联交所|聯交所", re.IGNORECASE)

# What is left of markup that was not understood, once a reader sees it.
_LEFTOVER: Final = re.compile(r"\*\*|~~|\]\(|(?m:^#{1,6} )|</?[a-z]+[^>\n]*>|\{[{%]|[%}]\}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. `place` is `file:line`; an error must not be published."""

    level: Level
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry that could be read, with where it was written."""

    raw: Raw
    entry: Entry


def check(folder: Path, on: date) -> list[Finding]:
    """Everything wrong with the entries of a folder on a day, in the order of files and lines."""
    try:
        glossary = load_glossary_beside(folder)
    except LibraryError as fault:
        return [_from_error(fault)]
    findings: list[Finding] = []
    found: list[_Found] = []
    for raw in _read(folder, findings):
        faults = list(_schema_faults(raw))
        findings += faults
        if not faults:
            found.append(_Found(raw, parse(raw, glossary)))
    library = Library([one.entry for one in found], glossary)
    for one in found:
        findings += _entry_faults(one, library, on)
    findings += _twins(found)
    findings += _overlaps(found)
    return sorted(findings, key=lambda finding: _in_file_order(finding.place))


def _read(folder: Path, findings: list[Finding]) -> Iterator[Raw]:
    files = sorted(folder.glob("*.yaml"))
    if not files:
        findings.append(Finding("error", f"{folder}:1", "no *.yaml files here"))
    for file in files:
        try:
            yield from read_file(file)
        except LibraryError as fault:
            findings.append(_from_error(fault))


def _from_error(fault: LibraryError) -> Finding:
    file, line, message = str(fault).split(":", 2)
    return Finding("error", f"{file}:{line}", message.strip())


def _in_file_order(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(line)


def _schema_faults(raw: Raw) -> Iterator[Finding]:
    written = _with_days_as_text(raw.value)
    for fault in sorted(_schema().iter_errors(written), key=lambda f: list(map(str, f.path))):
        path = tuple(fault.absolute_path)
        yield Finding("error", raw.place(*path), f"{raw.id}: {_explained(fault, path)}")


def _schema() -> Draft202012Validator:
    file = Path(__file__).parent / "entries" / "schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    entry = {"$ref": "#/$defs/entry", "$defs": schema["$defs"]}
    return Draft202012Validator(entry, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _with_days_as_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_days_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_days_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _explained(fault: ValidationError, path: Sequence[Step]) -> str:
    where = ".".join(str(step + 1) if isinstance(step, int) else step for step in path)
    reason = fault.message if len(fault.message) < 160 else f"{fault.message[:160]} ..."
    return f"{where}: {reason}" if where else reason


def _entry_faults(one: _Found, library: Library, on: date) -> Iterator[Finding]:
    raw, entry = one.raw, one.entry
    yield from _dates(raw, entry, on)
    yield from _origins(raw, entry)
    known = {other.id for other in library.entries}
    for at, other in enumerate(entry.related):
        if other not in known:
            yield _error(raw, f"related {other} does not exist", "related", at)
        if other == entry.id:
            yield _error(raw, "is related to itself", "related", at)
    for locale in LOCALES:
        if raw.value.get(locale):
            yield from _text_faults(raw, entry, locale)


def _dates(raw: Raw, entry: Entry, on: date) -> Iterator[Finding]:
    if entry.as_of > on:
        yield _error(raw, f"as_of {entry.as_of} is in the future", "as_of")
    if entry.review_by < entry.as_of:
        yield _error(raw, f"review_by {entry.review_by} lies before as_of", "review_by")
    elif entry.overdue_on(on):
        yield _warning(raw, f"was to be reviewed by {entry.review_by}", "review_by")
    if entry.valid_from and entry.valid_to and entry.valid_to < entry.valid_from:
        yield _error(raw, "valid_to lies before valid_from", "valid_to")


def _origins(raw: Raw, entry: Entry) -> Iterator[Finding]:
    if entry.basis == "sourced" and not entry.sources:
        yield _error(raw, "basis is sourced, but no source is named", "basis")
    for at, source in enumerate(entry.sources):
        if source.url is None and "programme page" not in source.name.lower():
            yield _error(raw, f"source {source.name!r} has no address", "sources", at)
    for at, name in enumerate(entry.jurisdictions):
        if not JURISDICTION.fullmatch(name):
            wanted = "write a code such as CN, HK, INT, US or EU"
            yield _warning(raw, f"jurisdiction {name!r}: {wanted}", "jurisdictions", at)


def _text_faults(raw: Raw, entry: Entry, locale: str) -> Iterator[Finding]:
    text = entry.texts[locale]
    if locale in WRITTEN and len(text.phrasings) < FEWEST_PHRASINGS:
        few = f"{locale} has {len(text.phrasings)} phrasings; write at least {FEWEST_PHRASINGS}"
        yield _error(raw, few, locale, "phrasings")
    for value in (text.question, *text.phrasings, text.answer_markdown):
        for name in FORBIDDEN.findall(value):
            yield _error(raw, f"{locale}: {name!r} must not be said; it is HKIPX", locale)
    for fault in _answer_faults(text.answer_markdown):
        yield _error(raw, f"{locale}.answer {fault}", locale, "answer")


def _answer_faults(markdown: str) -> Iterator[str]:
    faults = list(_template_faults(markdown))
    yield from faults
    if faults:
        return
    for facts in (_NoFacts(), _AllFacts()):
        shown = plain(to_html(_environment().from_string(markdown).render(operator=facts)))
        leftover = _LEFTOVER.search(shown)
        if leftover:
            yield f"shows markup to the reader: {_around(shown, leftover)!r}"
            return
        if len(shown) > MOST_CHARACTERS:
            yield f"has {len(shown)} characters; at most {MOST_CHARACTERS}"
            return


def _around(shown: str, leftover: re.Match[str]) -> str:
    return shown[max(0, leftover.start() - 12) : leftover.end() + 12].replace("\n", " ")


class _NoFacts:
    """An operator who has told nothing yet."""

    def __getattr__(self, name: str) -> None:
        return None


class _AllFacts:
    """An operator who has told everything."""

    def __getattr__(self, name: str) -> str:
        return "as agreed"


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(autoescape=True)


def _template_faults(markdown: str) -> Iterator[str]:
    """Jinja that cannot be parsed or that asks for more than the operator's facts."""
    try:
        tree = _environment().parse(markdown)
    except TemplateError as fault:
        yield f"has a template fault: {fault}"
        return
    for name in sorted(meta.find_undeclared_variables(tree) - {"operator"}):
        yield f"uses {name!r}; only operator.<fact> is known"
    known = set(OperatorFacts.model_fields)
    for fact in sorted({fact for fact in _facts(tree) if fact not in known}):
        yield f"uses operator.{fact}; known are {', '.join(sorted(known))}"


def _facts(tree: nodes.Template) -> Iterator[str]:
    for found in tree.find_all(nodes.Getattr):
        if isinstance(found.node, nodes.Name) and found.node.name == "operator":
            yield found.attr


def _twins(found: Iterable[_Found]) -> Iterator[Finding]:
    """The same question in two entries: the engine could not choose."""
    analyzer = Analyzer()
    first: dict[str, str] = {}
    for one in found:
        for locale, path, text in _questions(one.raw):
            owner = first.setdefault(analyzer.analyse(text).key, one.entry.id)
            if owner != one.entry.id:
                yield _error(one.raw, f"{locale}: {text!r} also belongs to {owner}", *path)


def _questions(raw: Raw) -> Iterator[tuple[str, tuple[Step, ...], str]]:
    for locale in LOCALES:
        text = raw.value.get(locale) or {}
        if text:
            yield locale, (locale, "question"), text["question"]
        for at, phrasing in enumerate(text.get("phrasings") or ()):
            yield locale, (locale, "phrasings", at), str(phrasing)


def _overlaps(found: Iterable[_Found]) -> Iterator[Finding]:
    versions: dict[str, list[_Found]] = {}
    for one in found:
        versions.setdefault(one.entry.id, []).append(one)
    for same in versions.values():
        for earlier, later in combinations(same, 2):
            if _overlap(earlier.entry, later.entry):
                where = earlier.raw.place("id")
                yield _error(later.raw, f"holds on the same days as the entry at {where}", "id")


def _overlap(a: Entry, b: Entry) -> bool:
    starts = max(a.valid_from or date.min, b.valid_from or date.min)
    return starts <= min(a.valid_to or date.max, b.valid_to or date.max)


def _error(raw: Raw, message: str, *path: Step) -> Finding:
    return Finding("error", raw.place(*path), f"{raw.id}: {message}")


def _warning(raw: Raw, message: str, *path: Step) -> Finding:
    return Finding("warning", raw.place(*path), f"{raw.id}: {message}")
