"""Entries in files that people edit: YAML, and tables (XLSX, CSV) with one row an entry.

What is exported reads back the same, and what others publish meanwhile stays. Files come from outside: they are limited
in size before anything is unpacked or parsed, and every fault is told with file, row and field, all at once. Tables
hold texts alone: no formulas, no links.
"""

import csv
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Literal
from xml.parsers import expat

import yaml

from knowledge.changes import Content, merge
from knowledge.check import Finding
from knowledge.library import DAYS, LOCALES, Glossary, Written, parse, stored, written
from knowledge.reading import MOST_VALUES, LibraryError, Raw, Step, read_text

Format = Literal["yaml", "xlsx", "csv"]

MAX_BYTES: Final = 20_000_000
"""Some 3,500 entries as long as those shipped, in three languages."""
MAX_UNPACKED: Final = 50_000_000
MAX_SPREAD: Final = 200_000_000
"""Characters of the texts that cells share, counted once for each cell."""
MAX_PARTS: Final = 200
MAX_ROWS: Final = 5000
MAX_COLUMNS: Final = 50
MAX_CELL: Final = 32_767
"""Characters; what a spreadsheet can hold."""
MOST_FAULTS: Final = 100

LISTS: Final = ("jurisdictions", "related", "tags")
TEXTS: Final = ("question", "phrasings", "answer")
COLUMNS: Final = (
    "category",
    "id",
    *(f"{locale}.{part}" for locale in LOCALES for part in TEXTS),
    "basis",
    "jurisdictions",
    *DAYS,
    "sources",
    "related",
    "tags",
    "revision",
)
NEEDED: Final = ("category", "id")
SHEET: Final = "entries"
NO_ADDRESS: Final = "-"


class FaultyFileError(Exception):
    """A file that cannot be taken; `findings` are all its faults."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(findings[0].message)
        self.findings = tuple(findings)


def exported(entries: Iterable[Written], form: Format, revisions: Mapping[str, str] | None = None) -> bytes:
    """The entries as a file; FaultyFileError for what a table cannot hold, as it would not come back whole.

    `revisions` names, by entry id, the published texts that these are: by them an import sees what was edited there.
    """
    names = revisions or {}
    named = [_with_name(entry, names) for entry in entries]
    data = {"yaml": _as_yaml, "xlsx": _as_xlsx, "csv": _as_csv}[form](named)
    _see_that_it_comes_back(named, data, form)
    return data


def _see_that_it_comes_back(entries: Sequence[Written], data: bytes, form: Format) -> None:
    if len(data) > MAX_BYTES:
        raise _fault("export", "larger than {most} bytes, so that it could not be imported", most=f"{MAX_BYTES:,}")
    if form == "yaml" and 1 + sum(map(_values, entries)) > MOST_VALUES:
        told = "more than {most} values, so that it could not be imported; export as csv"
        raise _fault("export", told, most=f"{MOST_VALUES:,}")
    if form == "xlsx":
        _unpacked(data, "export")


def _values(value: Any) -> int:
    """How many nodes of YAML it is, names included."""
    if isinstance(value, Mapping):
        return 1 + sum(1 + _values(part) for part in value.values())
    return 1 + sum(map(_values, value)) if isinstance(value, list) else 1


def _with_name(entry: Written, names: Mapping[str, str]) -> Written:
    name = names.get(entry["id"])
    head = {part: entry[part] for part in NEEDED}
    return {**head, "revision": name, **entry} if name else entry


def imported(file: Path) -> list[Raw]:
    """The entries of a file, by the ending of its name; FaultyFileError when one cannot be read."""
    read = {".yaml": _from_yaml, ".yml": _from_yaml, ".xlsx": _from_xlsx, ".csv": _from_csv}.get(file.suffix.lower())
    if read is None:
        raise _fault(file.name, "the name must end in .yaml, .xlsx or .csv")
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _fault(file.name, "cannot be read: {reason}", reason=error.strerror) from error
    if len(data) > MAX_BYTES:
        raise _fault(file.name, "larger than {most} bytes; split the file", most=f"{MAX_BYTES:,}")
    return read(data, file)


def _fault(place: str, template: str, **values: object) -> FaultyFileError:
    return FaultyFileError([_complaint(place, template, **values)])


def _complaint(place: str, template: str, **values: object) -> Finding:
    return Finding("error", place, None, template, values)


def since_export(raws: Sequence[Raw], base: Content, live: Content) -> tuple[list[Raw], list[Finding]]:
    """The text of one entry in a file, with what was published since its export taken over.

    `base` is the text that was exported, `live` the one published now. Fields that both changed are findings.
    """
    ours = [written(parse(raw, Glossary())) for raw in raws]
    merged = merge(base, ours, live)
    if merged.clashes:
        return list(raws), [_clash(raws, ours, live, field) for field in merged.clashes]
    if len(merged.content) != len(raws):
        return [stored(version) for version in merged.content], []
    return [_rewritten(*each) for each in zip(raws, merged.content, strict=True)], []


def _rewritten(raw: Raw, version: Written) -> Raw:
    text = stored(version)
    return Raw(raw.origin, text.category, text.value, raw.revision)


def _clash(raws: Sequence[Raw], ours: Content, live: Content, field: str) -> Finding:
    path = tuple(field.split("."))
    versions = zip(raws, ours, live, strict=False)
    raw = next((raw for raw, mine, theirs in versions if _at(mine, path) != _at(theirs, path)), raws[0])
    told = {"field": field, "revision": raw.revision}
    if not live:
        return Finding("error", raw.place(), raw.id, "was changed in this file, and retired since {revision}", told)
    both = (
        "{field} was changed in this file, and by others since {revision}: "
        "write what is published now, or nothing under revision to replace all that others wrote"
    )
    return Finding("error", raw.place(*path), raw.id, both, told)


def _at(version: Written, path: Sequence[str]) -> Any:
    value: Any = version
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


# YAML


def _as_yaml(entries: Iterable[Written]) -> bytes:
    with_days = [{**entry, **{day: _day(entry.get(day)) for day in DAYS}} for entry in entries]
    text = yaml.dump(with_days, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    return text.encode()


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they read; short lists on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _from_yaml(data: bytes, file: Path) -> list[Raw]:
    try:
        raws = list(read_text(_decoded(data, file.name, ":1"), file.name, file.stem))
    except LibraryError as fault:
        place, _, message = str(fault).partition(": ")
        raise _fault(place, "{fault}", fault=message) from fault
    return [_with_own_category(raw) for raw in raws]


def _with_own_category(raw: Raw) -> Raw:
    """An entry may name its category, as those of all categories may stand in one file, and its revision."""
    value = {name: part for name, part in raw.value.items() if name not in ("category", "revision")}
    revision = raw.value.get("revision")
    return Raw(raw.origin, str(raw.value.get("category", raw.category)), value, str(revision or ""))


def _decoded(data: bytes, name: str, where: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:1000]:
        raise _fault(f"{name}{where}", "is UTF-16 or no text at all; save the file as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(data[: error.start].split(b"\n"))
        raise _fault(f"{name}:{line}", "not UTF-8 at byte {at}; save the file as UTF-8", at=error.start) from error


# Tables


@dataclass(frozen=True, slots=True)
class InTable:
    """The row of a table; each field has a column."""

    file: str
    row: int

    def place(self, path: tuple[Step, ...]) -> str:
        column = _column_of(path)
        return f"{self.file}: row {self.row}, {column}" if column else f"{self.file}: row {self.row}"


def _column_of(path: tuple[Step, ...]) -> str | None:
    names = [step for step in path if isinstance(step, str)]
    return next((column for column in (".".join(names[:2]), *names[:1]) if column in COLUMNS), None)


def _tabled(entries: Iterable[Written]) -> list[dict[str, str]]:
    """The cells of each entry; FaultyFileError when some hold more than a spreadsheet can."""
    rows = [_cells(entry) for entry in entries]
    told = "{column} has {count} characters, a cell of a table holds {most}; export as yaml"
    faults = [
        _complaint(row["id"], told, column=column, count=f"{count:,}", most=f"{MAX_CELL:,}")
        for row in rows
        for column, cell in row.items()
        if (count := len(_escaped(cell))) > MAX_CELL
    ]
    if len(rows) > MAX_ROWS:
        faults.append(_complaint("export", "more than {most} entries; export as yaml", most=MAX_ROWS))
    if faults:
        raise FaultyFileError(faults[:MOST_FAULTS])
    return rows


def _cells(entry: Written) -> dict[str, str]:
    cells = {name: str(entry.get(name) or "") for name in ("category", "id", "basis", *DAYS, "revision")}
    cells.update({name: "\n".join(map(str, entry.get(name) or ())) for name in LISTS})
    cells["sources"] = "\n".join(source_line(source) for source in entry.get("sources") or ())
    for locale in LOCALES:
        text = entry.get(locale) or {}
        cells[f"{locale}.question"] = text.get("question", "")
        cells[f"{locale}.phrasings"] = "\n".join(text.get("phrasings") or ())
        cells[f"{locale}.answer"] = text.get("answer", "")
    return cells


def source_line(source: Mapping[str, Any]) -> str:
    return f"{source['name']} | {source['url'] or NO_ADDRESS}"


Row = tuple[int, Mapping[str, str]]
"""The number of a row, the head being 1, and its cells by column."""


def _read_rows(rows: Iterable[Row], name: str) -> list[Raw]:
    filled = [(number, cells) for number, cells in rows if any(cells.values())]
    faults = [
        _complaint(
            f"{name}: row {number}, {column}",
            "{id}: has {count} characters; at most {most}",
            id=cells["id"],
            count=len(cell),
            most=f"{MAX_CELL:,}",
        )
        for number, cells in filled
        for column, cell in cells.items()
        if len(cell) > MAX_CELL
    ]
    if faults:
        raise FaultyFileError(faults[:MOST_FAULTS])
    return [_raw(number, cells, name) for number, cells in filled]


def _raw(number: int, cells: Mapping[str, str], name: str) -> Raw:
    """The entry of a row, days as text where they are none: the checks tell."""
    value: dict[str, Any] = {"id": cells["id"], "basis": cells.get("basis", "")}
    value.update({day: _read_day(cells.get(day, "")) for day in DAYS})
    value.update({listed: _lines(cells.get(listed, "")) for listed in LISTS})
    value["sources"] = [read_source(line) for line in _lines(cells.get("sources", ""))]
    for locale in LOCALES:
        parts = {part: cells.get(f"{locale}.{part}", "") for part in TEXTS}
        value[locale] = {**parts, "phrasings": _lines(parts["phrasings"])} if any(parts.values()) else None
    return Raw(InTable(name, number), cells["category"], value, cells.get("revision", "").strip())


def _lines(cell: str) -> list[str]:
    return [line.strip() for line in cell.split("\n") if line.strip()]


def _read_day(cell: str) -> date | str | None:
    try:
        return _day(cell)
    except ValueError:
        return cell


def read_source(line: str) -> dict[str, str | None]:
    name, separator, url = line.rpartition(" | ")
    if not separator:
        return {"name": line, "url": None}
    return {"name": name.strip(), "url": None if url.strip() == NO_ADDRESS else url.strip()}


def _by_column(header: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> Iterator[Row]:
    columns = [cell.strip() for cell in header]
    place = f"{name}: row 1"
    unknown = [column for column in columns if column not in {*COLUMNS, ""}]
    faults = [_complaint(place, "there is no column '{column}'", column=column[:60]) for column in unknown]
    missing = [column for column in NEEDED if column not in columns]
    faults += [_complaint(place, "column '{column}' is missing", column=column) for column in missing]
    twice = [column for column in COLUMNS if columns.count(column) > 1]
    faults += [_complaint(place, "column '{column}' is there twice", column=column) for column in twice]
    if faults:
        raise FaultyFileError(faults)
    for number, row in enumerate(rows, start=2):
        if number > MAX_ROWS + 1:
            raise _fault(f"{name}: row {number}", "more than {most} rows; split the file", most=MAX_ROWS)
        beyond = [cell for cell in row[len(columns) :] if cell.strip()]
        if beyond:
            raise _fault(f"{name}: row {number}", "has more cells than there are columns: {cell}", cell=beyond[0][:60])
        yield (
            number,
            {column: cell for column, cell in zip_longest(columns, row[: len(columns)], fillvalue="") if column},
        )


# CSV

_FORMULA: Final = re.compile(r"[\s'\"]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet may take for a formula, behind white space and quotes too, and in full width."""


def _as_csv(entries: Iterable[Written]) -> bytes:
    """With a byte order mark, as spreadsheets take UTF-8 for something else without it."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, quoting=csv.QUOTE_ALL)
    rows.writerow(COLUMNS)
    for cells in _tabled(entries):
        rows.writerow([_harmless(cells[column]) for column in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def _harmless(cell: str) -> str:
    """A quote in front makes any spreadsheet take it for text."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _meant(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def _from_csv(data: bytes, file: Path) -> list[Raw]:
    text = _decoded(data, file.name, ": row 1")
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [[_meant(cell.replace("\r\n", "\n")) for cell in row] for row in lines]
    except csv.Error as error:
        raise _fault(f"{file.name}:{lines.line_num}", "not valid CSV: {fault}", fault=str(error)) from error
    if not rows:
        raise _fault(f"{file.name}: row 1", "is empty")
    return _read_rows(_by_column(rows[0], rows[1:], file.name), file.name)


# XLSX


def _as_xlsx(entries: Iterable[Written]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font

    rows = _tabled(entries)
    book = Workbook(write_only=True)
    sheet = book.create_sheet(SHEET)
    sheet.freeze_panes = "C2"
    for at, column in enumerate(COLUMNS):
        sheet.column_dimensions[_letters(at)].width = 60 if column.endswith(("answer", "phrasings")) else 24

    def cell(text: str, bold: bool = False) -> WriteOnlyCell:
        made = WriteOnlyCell(sheet, value=text or None)
        if text:
            made.data_type = "s"  # a text stays one, whatever it begins with
            made.quotePrefix = True
        made.alignment = Alignment(wrap_text=True, vertical="top")
        made.font = Font(bold=bold)
        return made

    sheet.append([cell(column, bold=True) for column in COLUMNS])
    for cells in rows:
        sheet.append([cell(_escaped(cells[column])) for column in COLUMNS])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _escaped(cell: str) -> str:
    """`_x0041_` would be read as the letter it names."""
    return re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", cell)


def _from_xlsx(data: bytes, file: Path) -> list[Raw]:
    from python_calamine import CalamineError, load_workbook

    try:
        book = load_workbook(io.BytesIO(_unpacked(data, file.name)))
        rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, ValueError, OSError, IndexError) as error:
        told = "not a workbook that can be read ({reason}); save it anew from a spreadsheet program"
        raise _fault(file.name, told, reason=str(error)) from error
    if not rows:
        raise _fault(f"{file.name}: row 1", "is empty")
    texts = [[_text(cell) for cell in row] for row in rows]
    return _read_rows(_by_column(texts[0], texts[1:], file.name), file.name)


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else str(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, date) else str(cell).replace("\r\n", "\n")


_READ: Final = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|xl/_rels/workbook\.xml\.rels"
    r"|xl/(workbook|styles|sharedStrings|worksheets/\w+)\.xml",
    re.ASCII,
)
"""The parts that the reader gets; it looks for others by itself, so all of these are looked at alike."""

_FOREIGN: Final = (
    (re.compile(r"xl/(externalLinks/|connections|queryTables)", re.IGNORECASE), "links to other files: {part}"),
    (re.compile(r".*vbaProject\.bin$", re.IGNORECASE), "holds macros: {part}"),
)


def _unpacked(data: bytes, name: str) -> bytes:
    """The workbook packed anew from the parts that were looked at, as sizes and sums in an archive can lie."""
    parts: dict[str, bytes] = {}
    left = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_PARTS:
                raise _fault(name, "has more than {most} parts", most=MAX_PARTS)
            for info in archive.infolist():
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise _fault(name, "is packed as no spreadsheet packs; save it anew as .xlsx")
                with archive.open(info) as part:
                    parts[info.filename] = content = part.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise _fault(name, "unpacks to more than {most} bytes", most=f"{MAX_UNPACKED:,}")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise _fault(name, "not a workbook that can be read: {reason}", reason=str(error)) from error
    read = {part: content for part, content in parts.items() if _READ.fullmatch(part)}
    _refuse_foreign(parts, read, name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for part_name, content in read.items():
            archive.writestr(part_name, content)
    return packed.getvalue()


def _refuse_foreign(parts: Iterable[str], read: Mapping[str, bytes], name: str) -> None:
    """Formulas, links to other workbooks, macros and document types: nothing that a text needs."""
    look = _Look(name)
    for part in parts:
        for foreign, told in _FOREIGN:
            if foreign.match(part):
                look.complain(name, told, part=part)
    for part, content in read.items():
        look.into(content, part)
    if look.spread > MAX_SPREAD:
        look.complain(name, "unpacks to more than {most} bytes", most=f"{MAX_SPREAD:,}")
    if look.faults:
        raise FaultyFileError(look.faults[:MOST_FAULTS])


class _Look:
    """What stands in the XML of a workbook that a table has no need of, and how much its cells will hold.

    A cell far away makes a table of millions, and one long text may stand in every cell.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._row = self._column = 0
        self._text: list[str] = []
        self._cell_shares = self._has_shared = self._in_shared = False
        self._lengths: list[int] = []
        self._shares: Counter[int] = Counter()
        self.faults: list[Finding] = []

    @property
    def spread(self) -> int:
        """Characters of shared texts in all cells."""
        held = ((self._lengths[number], times) for number, times in self._shares.items() if number < len(self._lengths))
        return sum(length * times for length, times in held)

    def complain(self, place: str, template: str, **values: object) -> None:
        self.faults.append(_complaint(place, template, **values))

    def into(self, content: bytes, part: str) -> None:
        self._row = self._column = 0
        self._in_shared = False
        self._has_shared = part == "xl/sharedStrings.xml"
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._begins
        parser.EndElementHandler = self._ends
        parser.CharacterDataHandler = self._text.append
        parser.CommentHandler = parser.ProcessingInstructionHandler = self._splits
        parser.StartCdataSectionHandler = self._splits
        try:
            parser.Parse(content, True)
        except FaultyFileError as fault:
            self.faults += fault.findings
        except expat.ExpatError as error:
            self.complain(self._name, "{part} is no XML: {reason}", part=part, reason=str(error))

    def _doctype(self, *_: Any) -> None:
        raise _fault(self._name, "declares a document type, which no workbook does")

    def _splits(self, *_: Any) -> None:
        """A text with something in it is a text of several pieces."""
        self._text.append("")

    def _begins(self, tag: str, attributes: Mapping[str, str]) -> None:
        kind = tag.rpartition(":")[2]
        if kind == "si":
            if self._in_shared:
                raise _fault(self._name, "has a text within a text")
            self._in_shared = True
            self._text.clear()
        elif kind == "v":
            self._text.clear()
        elif kind == "row":
            self._row, self._column = int(attributes.get("r", self._row + 1)), 0
        elif kind == "c":
            self._cell_shares = attributes.get("t") == "s"
            self._row, self._column = self._reference(attributes.get("r"))
        elif kind == "f":
            self.complain(self._place, "holds a formula; put in the text itself")
        else:
            self._splits()
        if self._row > MAX_ROWS + 1 or self._column > MAX_COLUMNS:
            raise _fault(self._place, "a cell this far away makes the table too large")

    def _ends(self, tag: str) -> None:
        kind = tag.rpartition(":")[2]
        if kind == "si":
            self._in_shared = False
            if self._has_shared:
                self._lengths.append(sum(map(len, self._text)))
        elif kind == "v" and self._cell_shares:
            self._shares[self._number()] += 1

    def _number(self) -> int:
        """Which of the shared texts a cell holds; readers differ on anything but plain digits."""
        if len(self._text) != 1 or not re.fullmatch("[0-9]{1,7}", self._text[0], re.ASCII):
            raise _fault(self._place, "does not say which of the shared texts it holds")
        return int(self._text[0])

    def _reference(self, cell: str | None) -> tuple[int, int]:
        """Row and column, from 1, of a cell such as "B7"; one without a name is the next."""
        if cell is None:
            return max(self._row, 1), self._column + 1
        found = re.fullmatch(r"([A-Z]{1,3})([0-9]{1,7})", cell, re.ASCII)
        if found is None:
            raise _fault(self._place, "'{cell}' is the name of no cell", cell=cell[:60])
        column = 0
        for letter in found[1]:
            column = column * 26 + ord(letter) - 64
        return int(found[2]), column

    @property
    def _place(self) -> str:
        return f"{self._name}: row {self._row}, column {_letters(max(self._column, 1) - 1)}"
