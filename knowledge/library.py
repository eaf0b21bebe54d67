"""The curated entries: read from YAML or from what the database holds, checked while reading, given out by id,
category and day.

A fault is one `LibraryError` that names file, line and entry and says what to write instead.
Traditional Chinese is written by hand where it matters and rendered otherwise: terms of the
glossary first, the rest by OpenCC.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from knowledge.engine.model import Document
from knowledge.reading import LibraryError, Raw, Step, Stored, read_folder, text_of

__all__ = [
    "Category",
    "Entry",
    "EntryText",
    "Glossary",
    "Library",
    "LibraryError",
    "Source",
    "in_order",
    "load",
    "written",
]

SHIPPED: Final = Path(__file__).parent / "entries"
LOCALES: Final = ("en", "zh-Hans", "zh-Hant")
WRITTEN: Final = ("en", "zh-Hans")
BASES: Final = ("sourced", "operator", "editorial")
SMALL_TALK: Final = "smalltalk"
DAYS: Final = ("as_of", "review_by", "valid_from", "valid_to")

Written = Mapping[str, Any]
"""An entry as JSON holds it: the form of the YAML, days as text, and its category."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer comes from; only the programme page has no address."""

    name: str
    url: str | None


@dataclass(frozen=True, slots=True)
class EntryText:
    """An entry in one language. `answer_markdown` may hold `{{ operator.x }}`."""

    question: str
    phrasings: tuple[str, ...]
    answer_markdown: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One curated answer. `valid_from` is the first day it holds, `valid_to` the last."""

    id: str
    category: str
    basis: str
    jurisdictions: tuple[str, ...]
    as_of: date
    review_by: date
    valid_from: date | None
    valid_to: date | None
    sources: tuple[Source, ...]
    related: tuple[str, ...]
    tags: tuple[str, ...]
    texts: Mapping[str, EntryText]

    def holds_on(self, day: date) -> bool:
        started = self.valid_from is None or self.valid_from <= day
        return started and (self.valid_to is None or day <= self.valid_to)

    def overdue_on(self, day: date) -> bool:
        """Past its review date: still answered, with a caution."""
        return self.review_by < day


@dataclass(frozen=True, slots=True)
class Category:
    """A heading to browse by; `names` has every locale."""

    id: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Term:
    """One row of the glossary; only `render` rows write Traditional Chinese.

    `synonyms` are understood when they are asked with; of them, what stands in `avoid` is not to be said.
    """

    english: str
    simplified: str
    traditional: str
    render: bool
    synonyms: tuple[str, ...]
    avoid: tuple[str, ...] = ()


class Glossary:
    """The field's terms: how Hong Kong writes them, and which words mean the same."""

    def __init__(self, terms: Sequence[Term] = ()) -> None:
        self.terms = tuple(terms)
        self._written = {t.simplified: t.traditional for t in terms if _can_render(t)}

    def synonyms(self) -> list[tuple[str, ...]]:
        """Groups of words, in all languages, that mean the same: for the engine."""
        return [tuple(dict.fromkeys(_spellings(term))) for term in self.terms]

    def avoided(self) -> dict[str, Term]:
        """What is not to be said, with the term to say instead."""
        return {word: term for term in self.terms for word in term.avoid}

    def to_traditional(self, text: str) -> str:
        """As Hong Kong writes it: the longest terms first, then everything else by OpenCC, and its quotation marks."""
        pieces = self._terms.split(text) if self._written else [text]
        written = "".join(self._written.get(piece) or self._converted(piece) for piece in pieces)
        return written.translate(_QUOTATION_MARKS)

    def _converted(self, text: str) -> str:
        return str(self._converter.convert(text)) if text else ""

    @cached_property
    def _terms(self) -> re.Pattern[str]:
        longest_first = sorted(self._written, key=lambda term: (-len(term), term))
        return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    @cached_property
    def _converter(self) -> Any:
        import opencc  # needed only once a text is rendered

        return opencc.OpenCC("s2hk")


_QUOTATION_MARKS: Final = str.maketrans("“”‘’", "「」『』")


class Texts(Mapping[str, EntryText]):
    """An entry in every locale; a missing Traditional text is rendered when first wanted."""

    def __init__(self, by_hand: Mapping[str, EntryText], glossary: Glossary) -> None:
        self.by_hand = frozenset(by_hand)
        self._texts = dict(by_hand)
        self._glossary = glossary

    def __getitem__(self, locale: str) -> EntryText:
        if locale == "zh-Hant" and locale not in self._texts:
            self._texts[locale] = self._rendered(self._texts["zh-Hans"])
        return self._texts[locale]

    def __iter__(self) -> Iterator[str]:
        return iter(LOCALES)

    def __len__(self) -> int:
        return len(LOCALES)

    def _rendered(self, text: EntryText) -> EntryText:
        render = self._glossary.to_traditional
        phrasings = tuple(render(phrasing) for phrasing in text.phrasings)
        return EntryText(render(text.question), phrasings, render(text.answer_markdown))


class Library:
    """All entries, valid or not; every question about one is asked for a day."""

    def __init__(self, entries: Sequence[Entry], glossary: Glossary) -> None:
        self.entries = tuple(entries)
        self.glossary = glossary
        self._by_id: dict[str, list[Entry]] = {}
        for entry in entries:
            self._by_id.setdefault(entry.id, []).append(entry)

    def get(self, entry_id: str, on: date) -> Entry | None:
        """The version of an entry that holds on a day."""
        versions = self._by_id.get(entry_id, [])
        return next((entry for entry in versions if entry.holds_on(on)), None)

    def valid(self, on: date) -> list[Entry]:
        """All entries that hold on a day."""
        return [entry for entry in self.entries if entry.holds_on(on)]

    def categories(self, on: date | None = None) -> list[Category]:
        """What can be browsed, in order: categories with entries, small talk left out."""
        entries = self.entries if on is None else self.valid(on)
        used = {entry.category for entry in entries}
        return [category for category in CATEGORIES if category.id in used]

    def in_category(self, category: str, on: date) -> list[Entry]:
        """The entries of a category that hold on a day, as written down."""
        return [entry for entry in self.valid(on) if entry.category == category]

    def related(self, entry_id: str, on: date) -> list[Entry]:
        """What a reader of the entry may want next, nearest first."""
        entry = self.get(entry_id, on)
        found = [self.get(other, on) for other in entry.related] if entry else []
        return [other for other in found if other is not None]

    def documents(self, on: date) -> list[Document]:
        """What the engine is fit on, in every locale."""
        return [_document(entry, locale) for entry in self.valid(on) for locale in LOCALES]

    def synonyms(self) -> list[tuple[str, ...]]:
        """What else the engine is fit on."""
        return self.glossary.synonyms()


def load(folder: Path | None = None) -> Library:
    """Read a knowledge base, by default the shipped one. Its `glossary.csv` is in the folder or beside it."""
    folder = folder or SHIPPED
    terms = load_glossary_beside(folder)
    return Library([parse(raw, terms) for raw in read_folder(folder)], terms)


def load_glossary_beside(folder: Path) -> Glossary:
    """The glossary that belongs to a folder of entries; an empty one if there is none."""
    file = glossary_beside(folder)
    return load_glossary(file) if file else Glossary()


def glossary_beside(folder: Path) -> Path | None:
    places = (folder / "glossary.csv", folder.parent / "glossary.csv")
    return next((path for path in places if path.exists()), None)


def load_glossary(file: Path) -> Glossary:
    """Read the glossary: columns term_en, zh_hans, zh_hant_hk, render, synonyms and avoid (by `|`)."""
    rows = csv.DictReader(io.StringIO(text_of(file, file.name), newline=""), strict=True)
    try:
        missing = {"term_en", "zh_hans", "zh_hant_hk"} - set(rows.fieldnames or ())
        if missing:
            raise LibraryError(f"{file.name}:1: column {', '.join(sorted(missing))} is missing")
        return Glossary([_term(row, f"{file.name}:{rows.line_num}") for row in rows])
    except csv.Error as fault:
        raise LibraryError(f"{file.name}:{rows.reader.line_num}: not valid CSV: {fault}") from fault


def parse(raw: Raw, glossary: Glossary) -> Entry:
    """One entry as written, or a `LibraryError` that says what is wrong with it."""
    form = _Form(raw)
    return Entry(
        id=form.line("id", hint="id: <category>-01"),
        category=raw.category,
        basis=form.choice("basis", BASES),
        jurisdictions=form.texts("jurisdictions"),
        as_of=form.day("as_of"),
        review_by=form.day("review_by"),
        valid_from=form.day_or_none("valid_from"),
        valid_to=form.day_or_none("valid_to"),
        sources=form.sources(),
        related=form.texts("related"),
        tags=form.texts("tags"),
        texts=Texts(form.languages(), glossary),
    )


def written(entry: Entry) -> dict[str, Any]:
    """The entry as JSON holds it, every field in the order of the YAML form: what `stored` reads back."""
    by_hand = entry.texts.by_hand if isinstance(entry.texts, Texts) else frozenset(entry.texts)
    return {
        "category": entry.category,
        "id": entry.id,
        "basis": entry.basis,
        "jurisdictions": list(entry.jurisdictions),
        **{name: _as_text(getattr(entry, name)) for name in DAYS},
        "sources": [{"name": source.name, "url": source.url} for source in entry.sources],
        "related": list(entry.related),
        "tags": list(entry.tags),
        **{locale: _written_text(entry.texts[locale]) if locale in by_hand else None for locale in LOCALES},
    }


def stored(value: Written) -> Raw:
    """What `written` gave, for `parse` and the checks; its place in complaints is the entry."""
    raw = {name: part for name, part in value.items() if name != "category"}
    for name in DAYS:
        with suppress(ValueError):  # which the checks complain of
            raw[name] = date.fromisoformat(raw[name]) if isinstance(raw.get(name), str) else raw.get(name)
    return Raw(Stored(str(value.get("id"))), str(value.get("category")), raw)


def to_simplified(text: str) -> str:
    import opencc  # needed only where a person adds a text

    return str(opencc.OpenCC("t2s").convert(text))


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """By category and number, as the files are written; versions of an entry by the day they begin."""
    places = {category.id: place for place, category in enumerate(CATEGORIES)}

    def place(entry: Entry) -> tuple[Any, ...]:
        numbered = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", entry.id)]
        return places.get(entry.category, len(places)), numbered, entry.valid_from or date.min

    return sorted(entries, key=place)


def _as_text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _written_text(text: EntryText) -> dict[str, Any]:
    return {"question": text.question, "phrasings": list(text.phrasings), "answer": text.answer_markdown}


class _Form:
    """Takes the fields of one written entry and complains with file and line."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def text(self, *path: Step, hint: str | None = None) -> str:
        value = self._at(path)
        if type(value) is int:
            return str(value)
        if value is None:
            add = hint or f"{path[-1]}: ..."
            raise self._raw.error(f"{_dotted(path)} is missing; add '{add}'", *path)
        if not isinstance(value, str) or not value.strip():
            raise self._raw.error(f"{_dotted(path)} must be a text; put it in quotes", *path)
        return value.strip().replace("\r\n", "\n").replace("\r", "\n")

    def line(self, *path: Step, hint: str | None = None) -> str:
        """A text of one line, each gap in it one space."""
        return " ".join(self.text(*path, hint=hint).split())

    def texts(self, *path: Step) -> tuple[str, ...]:
        value = self._at(path) or []
        if not isinstance(value, list):
            raise self._raw.error(f"{_dotted(path)} must be a list, like [one, two]", *path)
        return tuple(dict.fromkeys(self.line(*path, at) for at in range(len(value))))

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        value = self.line(name, hint=f"{name}: {allowed[0]}")
        if value not in allowed:
            raise self._raw.error(f"{name} is {value!r}; use one of {', '.join(allowed)}", name)
        return value

    def day(self, name: str) -> date:
        value = self.day_or_none(name)
        if value is None:
            raise self._raw.error(f"{name} is missing; add '{name}: 2026-11-01'", name)
        return value

    def day_or_none(self, name: str) -> date | None:
        value = self._at((name,))
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        raise self._raw.error(f"{name} must be a day like 2026-11-01, without quotes", name)

    def sources(self) -> tuple[Source, ...]:
        value = self._at(("sources",)) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._raw.error("sources must be a list of {name: ..., url: ...}", "sources")
        return tuple(self._source(at) for at in range(len(value)))

    def languages(self) -> dict[str, EntryText]:
        by_hand = {"en": self._language("en"), "zh-Hans": self._language("zh-Hans")}
        if self._at(("zh-Hant",)) is not None:
            by_hand["zh-Hant"] = self._language("zh-Hant")
        return by_hand

    def _language(self, locale: str) -> EntryText:
        if not isinstance(self._at((locale,)), dict):
            parts = "question, phrasings and answer"
            raise self._raw.error(f"{locale} is missing; add '{locale}:' with {parts}", locale)
        phrasings = self.texts(locale, "phrasings")
        return EntryText(self.line(locale, "question"), phrasings, self.text(locale, "answer"))

    def _source(self, at: int) -> Source:
        url = self._at(("sources", at, "url"))
        link = None if url is None else self.line("sources", at, "url")
        return Source(self.line("sources", at, "name"), link)

    def _at(self, path: tuple[Step, ...]) -> Any:
        value: Any = self._raw.value
        for step in path:
            value = _step(value, step)
        return value


def _step(value: Any, step: Step) -> Any:
    if isinstance(step, int):
        return value[step]
    return value.get(step) if isinstance(value, Mapping) else None


def _dotted(path: Iterable[Step]) -> str:
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in path)


def _document(entry: Entry, locale: str) -> Document:
    text = entry.texts[locale]
    return Document(
        entry_id=entry.id,
        locale=locale,
        texts=(text.question, *text.phrasings),
        tags=entry.tags,
        body=text.answer_markdown,
        kin=entry.related,
        browsable=entry.category != SMALL_TALK,
    )


def _term(row: Mapping[str | None, Any], place: str) -> Term:
    if None in row:
        raise LibraryError(f"{place}: has more cells than there are columns; put a cell with a comma in quotes")
    cells = {name: (value or "").strip() for name, value in row.items() if name}
    return Term(
        english=cells["term_en"],
        simplified=cells["zh_hans"],
        traditional=cells["zh_hant_hk"],
        render=cells.get("render", "").lower() == "yes",
        synonyms=_listed(cells.get("synonyms", "")),
        avoid=_listed(cells.get("avoid", "")),
    )


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|") if part.strip())


def _can_render(term: Term) -> bool:
    written = term.simplified + term.traditional
    return term.render and bool(term.simplified and term.traditional) and "/" not in written


def _spellings(term: Term) -> Iterator[str]:
    """Every way to write the term; "officer (CIPO)" is both "officer" and "CIPO"."""
    for cell in (term.english, term.simplified, term.traditional, *term.synonyms):
        for part in cell.split("/"):
            yield re.sub(r"\s*[(（][^)）]*[)）]", "", part).strip()
            yield from re.findall(r"[(（]([A-Z][A-Za-z&-]+|[一-鿿]+)[)）]", part)


def _category(category_id: str, english: str, simplified: str, traditional: str) -> Category:
    names = {"en": english, "zh-Hans": simplified, "zh-Hant": traditional}
    return Category(category_id, names)


CATEGORIES: Final = (
    _category("cipo", "CIPO role and programme", "CIPO 职能与项目", "CIPO 職能與項目"),
    _category(
        "strategy",
        "IP strategy and value growth",
        "知识产权战略与价值增长",
        "知識產權策略與價值增長",
    ),
    _category(
        "patents",
        "Patents: Mainland, Hong Kong, international routes",
        "专利：内地、香港与国际途径",
        "專利：內地、香港與國際途徑",
    ),
    _category("trademarks", "Trade marks", "商标", "商標"),
    _category("designs", "Designs and the Hague system", "外观设计与海牙体系", "外觀設計與海牙體系"),
    _category(
        "copyright_software",
        "Copyright and software registration",
        "著作权与软件登记",
        "版權與軟件登記",
    ),
    _category("secrets_opensource", "Trade secrets and open source", "商业秘密与开源", "商業秘密與開源"),
    _category(
        "licensing_sep",
        "Licensing, SEP and trading",
        "许可、标准必要专利与交易",
        "特許、標準必要專利與交易",
    ),
    _category("finance_tax", "Financing, valuation and tax", "融资、评估与税务", "融資、估值與稅務"),
    _category(
        "overseas",
        "Overseas market access and defence",
        "海外市场准入与应对",
        "海外市場准入與應對",
    ),
    _category("enforcement", "Enforcement and invalidity at home", "境内维权与无效", "境內維權與無效"),
    _category("employees_university", "Employees and universities", "员工发明与产学研", "僱員發明與產學研"),
    _category("data_ai", "Data, AI and IP", "数据、人工智能与知识产权", "數據、人工智能與知識產權"),
    _category("due_diligence_ipo", "Due diligence and IPO", "尽职调查与上市", "盡職審查與上市"),
    _category(
        "standards_compliance",
        "Standards, subsidies and compliance",
        "标准、资助与合规",
        "標準、資助與合規",
    ),
    _category("events_training", "Forums and training", "论坛与培训", "論壇與培訓"),
    _category("appointments", "One-on-one expert service", "一对一专家服务", "一對一專家服務"),
    _category("bot_privacy", "Using the bot and privacy", "使用机器人与隐私", "使用機械人與私隱"),
)
