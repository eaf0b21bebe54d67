"""What is wrong with a knowledge base, so that it can be mended before anyone reads it."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from zlib import crc32

from jinja2 import TemplateError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from bot.settings import OperatorFacts
from bot.texts import N_
from bot.texts.markdown import plain, to_html
from knowledge.engine.analysis import Analyzer, fold, other_script
from knowledge.library import (
    CATEGORIES,
    DAYS,
    LOCALES,
    SMALL_TALK,
    WRITTEN,
    Entry,
    Glossary,
    Term,
    load_glossary_beside,
    parse,
)
from knowledge.reading import LibraryError, Raw, Step, Stored, read_file

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

Level = Literal["error", "warning"]

MOST_CHARACTERS: Final = 900
FEWEST_PHRASINGS: Final = 6
MOST_SHOWN: Final = 60
JURISDICTION: Final = re.compile(r"[A-Z]{2,3}")
FORBIDDEN: Final = re.compile(r"Hong Kong Stock Exchange|\bHKEX\b|香港交易所|联交所|聯交所", re.IGNORECASE)

# What is left of markup that was not understood, once a reader sees it.
_LEFTOVER: Final = re.compile(r"\*\*|~~|\]\(|(?m:^#{1,6} )|</?[a-z]+[^>\n]*>|\{[{%]|[%}]\}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend; an error must not be published. `place` is `file:line`, or the entry where there is no file.

    `template`, with `values` in its braces, is a message of the catalogues.
    """

    level: Level
    place: str
    entry_id: str | None
    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """In English, with the entry it is about."""
        text = self.template.format(**self.values)
        return f"{self.entry_id}: {text}" if self.entry_id else text


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
    raws = list(_read(folder, findings))
    return in_file_order([*findings, *check_entries(raws, glossary, on)])


def check_entries(
    raws: Iterable[Raw], glossary: Glossary, on: date, about: Collection[str] | None = None
) -> list[Finding]:
    """Everything wrong with the entries; with `about`, only what concerns those ids."""
    findings: list[Finding] = []
    found: list[_Found] = []
    for raw in raws:
        faults = list(form_faults(raw)) if about is None or raw.id in about else []
        findings += faults
        if not faults:
            found.append(_Found(raw, parse(raw, glossary)))
    known = {one.entry.id for one in found}
    concerned = [one for one in found if about is None or one.entry.id in about]
    avoided = glossary.avoided()
    for one in concerned:
        findings += _entry_faults(one, known, on)
        findings += _wording(one, avoided)
    findings += _twins(found, about)
    findings += _echoes(found, about)
    findings += _overlaps(concerned)
    return findings


def in_file_order(findings: Iterable[Finding]) -> list[Finding]:
    """By file and line; numbers in places count as numbers."""
    return sorted(findings, key=lambda finding: [(part.isdigit() and int(part), part) for part in _parts(finding)])


def _parts(finding: Finding) -> list[str]:
    return re.split(r"([0-9]+)", finding.place)


def _read(folder: Path, findings: list[Finding]) -> Iterator[Raw]:
    files = sorted(folder.glob("*.yaml"))
    if not files:
        findings.append(Finding("error", f"{folder}:1", None, "no *.yaml files here"))
    for file in files:
        try:
            yield from read_file(file)
        except LibraryError as fault:
            findings.append(_from_error(fault))


def _from_error(fault: LibraryError) -> Finding:
    file, line, message = str(fault).split(":", 2)
    return Finding("error", f"{file}:{line}", None, "{fault}", {"fault": message.strip()})


def form_faults(raw: Raw) -> Iterator[Finding]:
    """What does not fit the JSON Schema of an entry, so that `parse` could not read it."""
    if raw.category != SMALL_TALK and raw.category not in {category.id for category in CATEGORIES}:
        yield _error(raw, N_("there is no category {name}"), "category", name=raw.category)
    told: set[str] = set()
    for fault in sorted(_schema().iter_errors(_with_days_as_text(raw.value)), key=lambda f: list(map(str, f.path))):
        for finding in _form_fault(raw, fault):
            if finding.message not in told:  # a day that is none fits neither the pattern nor the format
                told.add(finding.message)
                yield finding

    for path, text in _texts_in(raw.value, ()):
        if _UNSEEN.search(text):
            yield _error(raw, N_("{field} holds a character that cannot be shown"), *path, field=_dotted(path))


def _form_fault(raw: Raw, fault: "ValidationError") -> Iterator[Finding]:
    """In words of our own, which can be translated; the library's repeat the value, however long it is."""
    path, wanted, value = tuple(fault.absolute_path), cast(Any, fault.validator_value), cast(Any, fault.instance)
    if fault.validator == "oneOf":  # a value, or nothing: what is wrong with it as a value
        for inner in fault.context or ():
            if inner.schema_path[0] == 0:
                yield from _form_fault(raw, inner)
    elif fault.validator == "required":
        for name in wanted:
            if name not in value:
                yield _error(raw, N_("{field} is missing"), *path, field=_dotted((*path, name)))
    elif fault.validator == "additionalProperties":
        for name in value:
            if name not in cast(Any, fault.schema)["properties"]:
                yield _error(raw, N_("there is no field {field}"), *path, field=_dotted((*path, name))[:MOST_SHOWN])
    else:
        template, told = _form_wording(str(fault.validator), wanted, value, path)
        yield _error(raw, template, *path, field=_dotted(path), **told)


def _form_wording(validator: str, wanted: Any, value: Any, path: Sequence[Step]) -> tuple[str, dict[str, object]]:
    match validator:
        case "maxLength":
            return N_("{field} has {count} characters; at most {most}"), {"count": len(value), "most": wanted}
        case "minLength":
            return N_("{field} has {count} characters; at least {fewest}"), {"count": len(value), "fewest": wanted}
        case "maxItems":
            return N_("{field} lists {count}; at most {most}"), {"count": len(value), "most": wanted}
        case "minItems":
            return N_("{field} lists {count}; at least {fewest}"), {"count": len(value), "fewest": wanted}
        case "uniqueItems":
            return N_("{field} lists the same twice"), {}
        case "enum":
            return N_("{field} must be one of {known}"), {"known": ", ".join(wanted)}
        case "type" if wanted == "array":
            return N_("{field} must be a list"), {}
        case "type" if wanted == "object":
            return N_("{field} must have fields of its own"), {}
    return _wanted_texts().get(str(path[-1]) if path else "", N_("{field} must be a text")), {}


def _wanted_texts() -> Mapping[str, str]:
    """What is wanted of the fields that have a form of their own."""
    day = N_("{field} must be a day such as 2026-11-01")
    return {
        **dict.fromkeys(DAYS, day),
        "id": N_("{field} must be lower-case letters, digits and hyphens, such as pat-04"),
        "url": N_("{field} must be an address that begins with https://"),
    }


_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def _texts_in(value: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts_in(item, (*path, str(key)))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _texts_in(item, (*path, at))


@cache
def _schema() -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # a tenth of a second, which a start need not wait for

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


def _dotted(path: Sequence[Step]) -> str:
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in path)


def _entry_faults(one: _Found, known: Collection[str], on: date) -> Iterator[Finding]:
    raw, entry = one.raw, one.entry
    yield from _dates(raw, entry, on)
    yield from _origins(raw, entry)
    for at, other in enumerate(entry.related):
        if other not in known:
            # readers skip it: where an entry can be retired by itself, those that name it must stay editable
            level: Level = "warning" if isinstance(raw.origin, Stored) else "error"
            dangling = N_("related {other} does not exist")
            yield Finding(level, raw.place("related", at), raw.id, dangling, {"other": other})
        if other == entry.id:
            yield _error(raw, N_("is related to itself"), "related", at)
    for locale in LOCALES:
        if raw.value.get(locale):
            yield from _text_faults(raw, entry, locale)


def _dates(raw: Raw, entry: Entry, on: date) -> Iterator[Finding]:
    if entry.as_of > on:
        yield _error(raw, N_("as_of {day} is in the future"), "as_of", day=entry.as_of)
    if entry.review_by < entry.as_of:
        yield _error(raw, N_("review_by {day} lies before as_of"), "review_by", day=entry.review_by)
    elif entry.overdue_on(on):
        yield _warning(raw, N_("was to be reviewed by {day}"), "review_by", day=entry.review_by)
    if entry.valid_from and entry.valid_to and entry.valid_to < entry.valid_from:
        yield _error(raw, N_("valid_to lies before valid_from"), "valid_to")


def _origins(raw: Raw, entry: Entry) -> Iterator[Finding]:
    if entry.basis == "sourced" and not entry.sources:
        yield _error(raw, N_("basis is sourced, but no source is named"), "basis")
    for at, source in enumerate(entry.sources):
        if source.url is None and "programme page" not in source.name.lower():
            yield _error(raw, N_("source '{source}' has no address"), "sources", at, source=source.name)
    for at, name in enumerate(entry.jurisdictions):
        if not JURISDICTION.fullmatch(name):
            wanted = N_("jurisdiction '{name}': write a code such as CN, HK, INT, US or EU")
            yield _warning(raw, wanted, "jurisdictions", at, name=name)


def _text_faults(raw: Raw, entry: Entry, locale: str) -> Iterator[Finding]:
    text = entry.texts[locale]
    if locale in WRITTEN and len(text.phrasings) < FEWEST_PHRASINGS:
        few = N_("{locale} has {count} phrasings; write at least {fewest}")
        counts = {"count": len(text.phrasings), "fewest": FEWEST_PHRASINGS}
        yield _error(raw, few, locale, "phrasings", locale=locale, **counts)
    for name, value in (("question", text.question), ("answer", text.answer_markdown)):
        if not any(character.isalnum() for character in value):
            yield _error(raw, N_("{locale}.{name} is not written yet"), locale, name, locale=locale, name=name)
    for at, phrasing in enumerate(text.phrasings):
        if not _key(phrasing):
            told = {"locale": locale, "text": phrasing}
            yield _error(
                raw, N_("{locale}: '{text}' holds no word to find the entry by"), locale, "phrasings", at, **told
            )
    for value in (text.question, *text.phrasings, text.answer_markdown):
        for name in FORBIDDEN.findall(value):
            yield _error(raw, N_("{locale}: '{name}' must not be said; it is HKIPX"), locale, locale=locale, name=name)
    for fault, values in _answer_faults(text.answer_markdown):
        yield _error(raw, fault, locale, "answer", locale=locale, **values)


_Fault = tuple[str, Mapping[str, object]]


@lru_cache(maxsize=2**12)
def _answer_faults(markdown: str) -> tuple[_Fault, ...]:
    """Kept, as a publication looks at the same answers several times."""
    return tuple(_faults_shown(markdown))


def _faults_shown(markdown: str) -> Iterator[_Fault]:
    faults = list(_template_faults(markdown))
    yield from faults
    if faults:
        return
    for facts in (_NoFacts(), _AllFacts()) if "{" in markdown else (_NoFacts(),):
        shown = plain(to_html(_environment().from_string(markdown).render(operator=facts)))
        leftover = _LEFTOVER.search(shown)
        if leftover:
            yield N_("{locale}.answer shows markup to the reader: {shown}"), {"shown": _around(shown, leftover)}
            return
        if len(shown) > MOST_CHARACTERS:
            counts = {"count": len(shown), "most": MOST_CHARACTERS}
            yield N_("{locale}.answer has {count} characters; at most {most}"), counts
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


@cache
def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(autoescape=True)


def _template_faults(markdown: str) -> Iterator[_Fault]:
    """Jinja that cannot be parsed or that does more than show the operator's facts."""
    try:
        tree = _environment().parse(markdown)
    except (TemplateError, RecursionError) as fault:
        yield N_("{locale}.answer has a template fault: {fault}"), {"fault": str(fault)}
        return
    for node in sorted({type(node).__name__.lower() for node in tree.find_all(nodes.Node) if not _is_plain(node)}):
        yield N_("{locale}.answer uses '{name}'; only facts of the operator and 'if' are known"), {"name": node}
    for name in sorted(meta.find_undeclared_variables(tree) - {"operator"}):
        yield N_("{locale}.answer uses '{name}'; only operator.<fact> is known"), {"name": name}
    known = set(OperatorFacts.model_fields)
    for fact in sorted({fact for fact in _facts(tree) if fact not in known}):
        told = {"fact": fact, "known": ", ".join(sorted(known))}
        yield N_("{locale}.answer uses operator.{fact}; known are {known}"), told


def _is_plain(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Getattr):
        return isinstance(node.node, nodes.Name)
    known = (nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.Not, nodes.And, nodes.Or)
    return isinstance(node, known)


def _facts(tree: nodes.Template) -> Iterator[str]:
    for found in tree.find_all(nodes.Getattr):
        if isinstance(found.node, nodes.Name) and found.node.name == "operator":
            yield found.attr


def _twins(found: Iterable[_Found], about: Collection[str] | None) -> Iterator[Finding]:
    """The same question in two entries: the engine could not choose."""
    first: dict[str, str] = {}
    for one in sorted(found, key=lambda one: about is not None and one.entry.id in about):
        for locale, path, text in _questions(one.raw):
            key = _key(text)
            owner = first.setdefault(key, one.entry.id)
            if key and owner != one.entry.id and (about is None or one.entry.id in about):
                told = {"locale": locale, "text": text, "owner": owner}
                yield _error(one.raw, N_("{locale}: '{text}' also belongs to {owner}"), *path, **told)


@lru_cache(maxsize=2**16)
def _key(text: str) -> str:
    """What texts that ask the same have in common."""
    return _analyzer().analyse(text).key


@cache
def _analyzer() -> Analyzer:
    return Analyzer()


def _questions(raw: Raw) -> Iterator[tuple[str, tuple[Step, ...], str]]:
    for locale in LOCALES:
        text = raw.value.get(locale) or {}
        if text:
            yield locale, (locale, "question"), text["question"]
        for at, phrasing in enumerate(text.get("phrasings") or ()):
            yield locale, (locale, "phrasings", at), str(phrasing)


def _wording(one: _Found, avoided: Mapping[str, Term]) -> Iterator[Finding]:
    """Words that the glossary avoids, and characters of the other script, in what is said; people may ask with both."""
    for locale in LOCALES:
        if not one.raw.value.get(locale):
            continue
        text = one.entry.texts[locale]
        for field_name, value in (("question", text.question), ("answer", text.answer_markdown)):
            for word in sorted(word for word in avoided if word in value):
                told = {"field": f"{locale}.{field_name}", "word": word, "term": _as_said(avoided[word], locale)}
                yield _error(
                    one.raw, N_("{field} says '{word}'; the glossary says '{term}'"), locale, field_name, **told
                )
            if strange := other_script(value, locale):
                told = {"field": f"{locale}.{field_name}", "characters": strange}
                foreign = N_("{field} holds characters of the other script: {characters}")
                yield _error(one.raw, foreign, locale, field_name, **told)


def _as_said(term: Term, locale: str) -> str:
    return {"en": term.english, "zh-Hans": term.simplified, "zh-Hant": term.traditional}[locale]


SHINGLE: Final = 6
ECHO: Final = 0.5
"""The share of common shingles from which two answers say nearly the same."""


def _echoes(found: Sequence[_Found], about: Collection[str] | None) -> Iterator[Finding]:
    """Two entries with nearly the same answer: they should be one, or say what sets them apart."""
    for locale in WRITTEN:
        users: dict[str, list[int]] = {}
        shingles = [_shingles(one.entry.texts[locale].answer_markdown) for one in found]
        for number, own in enumerate(shingles):
            common = Counter(other for shingle in own for other in users.get(shingle, ()))
            for other, shared in sorted(common.items()):
                one, earlier = found[number], found[other]
                if one.entry.id == earlier.entry.id or shared < ECHO * len(own | shingles[other]):
                    continue
                if about is None or one.entry.id in about or earlier.entry.id in about:
                    told = {"locale": locale, "other": earlier.entry.id}
                    yield _error(
                        one.raw, N_("{locale}.answer says nearly the same as {other}"), locale, "answer", **told
                    )
            for shingle in own:
                users.setdefault(shingle, []).append(number)


@lru_cache(maxsize=2**12)
def _shingles(text: str) -> frozenset[str]:
    """One in four of a text's runs of characters, the same ones in every text: they tell as much as all."""
    letters = "".join(fold(text).split())
    runs = {letters[at : at + SHINGLE] for at in range(len(letters) - SHINGLE + 1)}
    return frozenset(run for run in runs if crc32(run.encode()) % 4 == 0)


def _overlaps(found: Iterable[_Found]) -> Iterator[Finding]:
    versions: dict[str, list[_Found]] = {}
    for one in found:
        versions.setdefault(one.entry.id, []).append(one)
    for same in versions.values():
        for earlier, later in combinations(same, 2):
            if _overlap(earlier.entry, later.entry):
                told = {"place": earlier.raw.place("id")}
                yield _error(later.raw, N_("holds on the same days as the entry at {place}"), "id", **told)


def _overlap(a: Entry, b: Entry) -> bool:
    starts = max(a.valid_from or date.min, b.valid_from or date.min)
    return starts <= min(a.valid_to or date.max, b.valid_to or date.max)


def _error(raw: Raw, template: str, *path: Step, **values: object) -> Finding:
    return Finding("error", raw.place(*path), raw.id, template, values)


def _warning(raw: Raw, template: str, *path: Step, **values: object) -> Finding:
    return Finding("warning", raw.place(*path), raw.id, template, values)
