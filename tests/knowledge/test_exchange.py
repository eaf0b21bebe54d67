"""Entries in files: what is exported reads back the same, and nothing hostile gets in."""

import codecs
import csv
import io
import string
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from knowledge import exchange, reading
from knowledge.check import form_faults
from knowledge.exchange import COLUMNS, FaultyFileError, Format, exported, imported
from knowledge.library import CATEGORIES, SHIPPED, Glossary, load, parse, written
from tests.knowledge.conftest import ENTRY

FORMATS: tuple[Format, ...] = ("yaml", "xlsx", "csv")

# Texts as `written` gives them: no white space around, lists of single lines.
characters = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp", "Zs"), include_characters=" ")
nasty = st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "'=1", "''=1", '"=1', "＝1", "'tis", "true", "null", "2026-01-01", "1.0", "0x1F", "~",
     "# no comment", "a: b", "- a", "_x0041_", "_x000D_", "*alias", "&anchor", "!tag", "{{ x }}", "%d", "NaN", "1e5",
     "yes", "a | b", "a | -", "a | https://x.org", "|", ">", "?", "[a]", "{a}", "，", "1:30", "0o7"]
)  # fmt: skip
lines = st.one_of(st.text(characters, min_size=1, max_size=60), nasty).map(lambda t: " ".join(t.split())).filter(bool)
answers = st.lists(st.one_of(lines, st.just("")), min_size=1, max_size=6).map("\n".join).map(str.strip).filter(bool)
days = st.dates(date(2000, 1, 1), date(2100, 1, 1)).map(date.isoformat)
lists = st.lists(lines, max_size=4, unique=True)
texts = st.fixed_dictionaries({"question": lines, "phrasings": lists, "answer": answers})
urls = st.text(string.ascii_lowercase + "/-_?=&%", min_size=1, max_size=20).map(lambda path: f"https://x.org/{path}")
sources = st.fixed_dictionaries({"name": lines, "url": st.none() | urls})
entries = st.fixed_dictionaries(
    {
        "category": st.sampled_from([category.id for category in CATEGORIES]),
        "id": st.from_regex(r"[a-z][a-z0-9]{0,6}-[0-9]{1,3}", fullmatch=True),
        "basis": st.sampled_from(["sourced", "operator", "editorial"]),
        "jurisdictions": st.lists(st.sampled_from(["CN", "HK", "INT"]), min_size=1, unique=True),
        "as_of": days,
        "review_by": days,
        "valid_from": st.none() | days,
        "valid_to": st.none() | days,
        "sources": st.lists(sources, max_size=3),
        "related": st.lists(st.just("cipo-01"), max_size=1),
        "tags": lists,
        "en": texts,
        "zh-Hans": texts,
        "zh-Hant": st.none() | texts,
    }
)


def read_back(folder: Path, data: bytes, form: str) -> list[dict[str, Any]]:
    file = folder / f"entries.{form}"
    file.write_bytes(data)
    return [written(parse(raw, Glossary())) for raw in imported(file)]


@pytest.mark.parametrize("form", FORMATS)
@given(some=st.lists(entries, min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_what_is_exported_reads_back_the_same(tmp_path: Path, form: Format, some: list[dict[str, Any]]) -> None:
    assert read_back(tmp_path, exported(some, form), form) == some


@pytest.mark.parametrize("form", FORMATS)
def test_the_shipped_entries_read_back_the_same(tmp_path: Path, form: Format) -> None:
    shipped = [written(entry) for entry in load().entries]
    assert read_back(tmp_path, exported(shipped, form), form) == shipped
    assert [fault for raw in imported(tmp_path / f"entries.{form}") for fault in form_faults(raw)] == []


@pytest.fixture
def entry(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "cipo.yaml").write_text(ENTRY, encoding="utf-8")
    return written(load(tmp_path).entries[0])


def test_exported_yaml_reads_like_the_shipped_files(entry: dict[str, Any]) -> None:
    text = exported([entry], "yaml").decode()
    assert "as_of: 2026-11-01\n" in text
    assert "question: 首席知识产权官做什么？\n" in text


@pytest.mark.parametrize("begins", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "'=1", '"=1', "＝1", "＠x"])
def test_no_spreadsheet_takes_a_text_for_a_formula(entry: dict[str, Any], begins: str) -> None:
    entry["en"]["question"] = begins
    at = COLUMNS.index("en.question")
    row = list(csv.reader(io.StringIO(exported([entry], "csv").decode("utf-8-sig"))))[1]
    assert row[at] == f"'{begins}"
    cell = load_workbook(io.BytesIO(exported([entry], "xlsx"))).active.cell(2, at + 1)  # type: ignore[union-attr]
    assert (cell.data_type, cell.value) == ("s", begins)


@pytest.mark.parametrize("form", FORMATS)
def test_hundreds_of_ways_to_ask_come_back(tmp_path: Path, entry: dict[str, Any], form: Format) -> None:
    entry["en"]["phrasings"] = [
        f"{n:04} {'how do I ask for this in a sentence that goes on and on ' * 2}" for n in range(270)
    ]
    entry["en"]["phrasings"] = [" ".join(each.split()) for each in entry["en"]["phrasings"]]
    assert read_back(tmp_path, exported([entry], form), form) == [entry]


def many(count: int) -> list[dict[str, Any]]:
    """Entries as long as the shipped ones, all three languages written by hand."""
    text = {
        "question": "问" * 20,
        "phrasings": [f"{n:02} {'how' * 10}" for n in range(22)],
        "answer": "very long " * 45,
    }
    shared = {**written(load(SHIPPED).entries[0]), **dict.fromkeys(("en", "zh-Hans", "zh-Hant"), text)}
    return [{**shared, "id": f"cipo-{number}"} for number in range(count)]


def test_two_thousand_entries_in_three_languages_come_back_from_a_table(tmp_path: Path) -> None:
    data = exported(many(2000), "csv")
    assert len(data) > 5_000_000
    (tmp_path / "entries.csv").write_bytes(data)
    assert [raw.id for raw in imported(tmp_path / "entries.csv")] == [f"cipo-{number}" for number in range(2000)]


def test_yaml_of_two_thousand_entries_stays_within_what_is_read() -> None:
    """One of a hundred is written, as the emitter takes its time; the limits are those of the reader."""
    some = many(20)
    assert 100 * len(exported(some, "yaml")) < exchange.MAX_BYTES
    assert 100 * sum(map(exchange._values, some)) < reading.MOST_VALUES


@pytest.mark.parametrize(
    ("limit", "form", "told"),
    [
        ("MAX_BYTES", "yaml", "export: larger than 10 bytes, so that it could not be imported"),
        ("MAX_BYTES", "csv", "export: larger than 10 bytes, so that it could not be imported"),
        ("MOST_VALUES", "yaml", "export: more than 10 values, so that it could not be imported; export as csv"),
        ("MAX_UNPACKED", "xlsx", "export: unpacks to more than 10 bytes"),
    ],
)
def test_what_could_not_be_imported_is_not_exported(
    entry: dict[str, Any], limit: str, form: Format, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, limit, 10)
    with pytest.raises(FaultyFileError) as refused:
        exported([entry], form)
    assert [f"{fault.place}: {fault.message}" for fault in refused.value.findings] == [told]


def test_values_are_counted_as_the_reader_counts_them(
    tmp_path: Path, entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = exported([entry], "yaml")
    monkeypatch.setattr(reading, "MOST_VALUES", 1 + exchange._values(entry))
    assert len(read_back(tmp_path, data, "yaml")) == 1
    monkeypatch.setattr(reading, "MOST_VALUES", exchange._values(entry))
    (tmp_path / "entries.yaml").write_bytes(data)
    assert "values; split the file" in faults(tmp_path / "entries.yaml")[0]


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_what_no_cell_can_hold_is_told_at_export(entry: dict[str, Any], form: Format) -> None:
    entry["en"]["phrasings"] = [f"{n:03} {'x' * 96}" for n in range(350)]
    with pytest.raises(FaultyFileError) as refused:
        exported([entry], form)
    [fault] = refused.value.findings
    assert fault.place == "cipo-01"
    assert fault.message == "en.phrasings has 35,349 characters, a cell of a table holds 32,767; export as yaml"


def test_a_workbook_may_hold_what_spreadsheets_add(tmp_path: Path) -> None:
    extra = [
        "xl/media/image1.png",
        "xl/printerSettings/printerSettings1.bin",
        "xl/comments1.xml",
        "customXml/item1.xml",
    ]
    data = sharing(b"<si><t>cipo</t></si>", *[b"0"] * 300)
    (tmp_path / "entries.xlsx").write_bytes(repacked(data, lambda parts: parts.update(dict.fromkeys(extra, b"<!x>"))))
    raws = imported(tmp_path / "entries.xlsx")
    assert len(raws) == 301
    assert {raw.category for raw in raws} == {"cipo"}


# Faults


def faults(file: Path) -> list[str]:
    """What is told of a file that is refused, with the places."""
    with pytest.raises(FaultyFileError) as refused:
        imported(file)
    return [f"{fault.place}: {fault.message}" for fault in refused.value.findings]


def table(rows: Iterable[Iterable[object]], encoding: str = "utf-8", separator: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "entries.csv: row 1: is empty"),
        (table([["id"], ["a-1"]]), "row 1: column 'category' is missing"),
        (table([["id", "category", "cheese"]]), "row 1: there is no column 'cheese'"),
        (table([["id", "category", "id"]]), "row 1: column 'id' is there twice"),
        (table([["id", "category"], ["a-1", "cipo", "more"]]), "row 2: has more cells than there are columns: more"),
        (b'"id","category"\n"a-1,cipo', "entries.csv:2: not valid CSV"),
        (table([["id", "category"]], "utf-16"), "row 1: is UTF-16 or no text at all; save the file as UTF-8"),
        (codecs.BOM_UTF16_BE + b"x", "is UTF-16"),
        (b"id,category\na-1,\xff", "entries.csv:2: not UTF-8 at byte 16"),
        (b"id,category\na-1,cipo\0", "is UTF-16 or no text at all"),
        (table([["id", "category"], *[["a-1", "cipo"]] * 5001]), "row 5002: more than 5000 rows"),
        (table([["id", "category", "en.answer"], ["a-1", "cipo", "x" * 32_768]]), "row 2, en.answer: a-1: has 32768"),
        (b"x" * 20_000_001, "entries.csv: larger than 20,000,000 bytes; split the file"),
        (table([["id", "category", "en.answer"], ["a-1", "cipo", "x" * 200_000]]), "field larger than field limit"),
    ],
)
def test_a_table_that_is_none_is_refused_with_the_place(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "entries.csv").write_bytes(data)
    assert told in "\n".join(faults(tmp_path / "entries.csv"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_of_other_programs_are_read(tmp_path: Path, separator: str, encoding: str) -> None:
    file = tmp_path / "entries.csv"
    file.write_bytes(table([["id", "category"], ["a-1", "cipo"], ["", ""]], encoding, separator))
    assert [(raw.id, raw.category) for raw in imported(file)] == [("a-1", "cipo")]


def test_faults_of_the_form_name_row_and_field(tmp_path: Path, entry: dict[str, Any]) -> None:
    file = tmp_path / "entries.csv"
    second = {**entry, "id": "cipo-02", "as_of": "soon", "sources": [{"name": "A page", "url": "javascript:x"}]}
    file.write_bytes(exported([entry, second], "csv"))
    told = [f"{fault.place}: {fault.message}" for raw in imported(file) for fault in form_faults(raw)]
    assert [fault.partition(": cipo-02")[0] for fault in told] == [
        "entries.csv: row 3, as_of",
        "entries.csv: row 3, sources",
    ]


def test_a_file_of_another_sort_is_refused(tmp_path: Path) -> None:
    assert faults(tmp_path / "entries.pdf") == ["entries.pdf: the name must end in .yaml, .xlsx or .csv"]
    assert faults(tmp_path / "nowhere.csv") == ["nowhere.csv: cannot be read: No such file or directory"]


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]"
LAUGHS = "".join(f"  ? &k{n} [{', '.join([f'*k{n - 1}'] * 9) if n else 'ha'}]\n  : x\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- !!python/name:os.system ''", ":1: tags ('tag:yaml.org,2002:python/name:os.system') are not allowed"),
        ("- !!python/object/apply:os.system ['true']", ":1: tags ("),
        ("- id: x\n  as_of: !!timestamp x", ":2: tags ("),
        ("- id: x\n  tags: [!!bool maybe]", ":2: tags ("),
        ("- id: !!int ''", ":1: tags ("),
        ("- id: x\n  ? [a, b]\n  : y", ":2: a list or mapping cannot be the name of a field"),
        (f"- id: x\n{LAUGHS}", ":4: aliases (*name) are not allowed"),
        ("- id: 1:1:1.5", ":1: '1:1:1.5' would be read as a number; put it in quotes"),
        ("- id: x\n  tags: [" + "1:" * 80_000 + "1]", ":2: '1:1:1"),
        ("- id: 0x" + "f" * 100_000, "would be read as a number; put it in quotes"),
        ("- tags: [" + "a," * 600_000 + "a]", ":1: more than 600,000 values; split the file"),
        (f"- {{{BOMB}}}".replace("\n", ", "), "aliases (*name) are not allowed"),
        ("- &a {id: *a}", "aliases (*name) are not allowed"),
        ("- id: x\n  id: y", ":2: 'id' is written twice"),
        ("a: b", ":1: must be a list of entries"),
        ("- [x]", ":1: must be a mapping"),
        ("[" * 100_000, ":1: not valid YAML: "),
        ("\n" + "- " * 100_000, ":2: not valid YAML: nested too deeply"),
        ("- id: 2026-13-01", ":1: '2026-13-01' cannot be read"),
    ],
)
def test_hostile_yaml_is_refused_with_the_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "cipo.yaml").write_text(text, encoding="utf-8")
    assert told in faults(tmp_path / "cipo.yaml")[0]


def workbook(change: Callable[[Any], None] = lambda sheet: None) -> bytes:
    book = Workbook()
    book.active.append(["category", "id", "en.question"])  # type: ignore[union-attr]
    book.active.append(["cipo", "cipo-01", "What?"])  # type: ignore[union-attr]
    change(book.active)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def repacked(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def in_sheet(old: bytes, new: bytes) -> bytes:
    def change(parts: dict[str, bytes]) -> None:
        assert old in parts[SHEET]
        parts[SHEET] = parts[SHEET].replace(old, new, 1)

    return repacked(workbook(), change)


def with_part(name: str, content: bytes) -> bytes:
    return repacked(workbook(), lambda parts: parts.update({name: content}))


def lying(data: bytes) -> bytes:
    """The archive says that the sheet is small; what is packed is not."""
    large = bytearray(repacked(data, lambda parts: parts.update({SHEET: parts[SHEET] + b" " * 3_000_000})))
    for at in range(len(large) - 4):
        if large[at : at + 4] == b"PK\x01\x02" and large[at + 46 : at + 46 + len(SHEET)] == SHEET.encode():
            large[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    return bytes(large)


def elsewhere(part: str, sheet: bytes) -> bytes:
    """The relationships lead the reader to a sheet where none is looked for."""

    def change(parts: dict[str, bytes]) -> None:
        parts[part] = parts.pop(SHEET).replace(b'<row r="2"', sheet + b'<row r="2"', 1)
        for name in ("xl/_rels/workbook.xml.rels", "[Content_Types].xml"):
            parts[name] = parts[name].replace(b"/" + SHEET.encode(), b"/" + part.encode())

    return repacked(workbook(), change)


def packed_by(method: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(workbook())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def sharing(strings: bytes, *cells: bytes) -> bytes:
    """A sheet whose further rows hold one cell each, of a shared text."""
    rows = b"".join(b'<row><c t="s"><v>%s</v></c></row>' % cell for cell in cells)

    def change(parts: dict[str, bytes]) -> None:
        parts[SHEET] = parts[SHEET].replace(b"</sheetData>", rows + b"</sheetData>")
        parts["xl/sharedStrings.xml"] = (
            b"<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'>%s</sst>" % strings
        )

    return repacked(workbook(), change)


DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
FORMULA = b'<row r="2"><c r="A2"><f>1+1</f></c></row>'
FAR = b'<row r="2"><c r="XFD3000" t="inlineStr"><is><t>x</t></is></c></row>'
PLACES = ("xl/sheets/s.xml", "xl/Worksheets/sheet1.xml", "xl/worksheets/sheet1.dat")
LONG = b"<si><t>" + b"x" * 1_000_000 + b"</t></si>"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"no archive", "not a workbook that can be read"),
        (workbook()[:-40], "not a workbook that can be read"),
        (workbook(lambda sheet: sheet.append(["cipo", "=1+1"])), "row 3, column B: holds a formula"),
        (workbook(lambda sheet: sheet.cell(1_000_000, 1, "x")), "row 1000000, column A: a cell this far away"),
        (workbook(lambda sheet: sheet.cell(1, 16_000, "x")), "row 1, column WQJ: a cell this far away"),
        (in_sheet(b'<row r="2"', b'<row r="1048576"'), "a cell this far away"),
        (in_sheet(b"<worksheet", DOCTYPE + b"<worksheet"), "declares a document type"),
        (in_sheet(b"</sheetData>", b""), "is no XML"),
        (with_part("xl/externalLinks/externalLink1.xml", b"<a/>"), "links to other files: xl/externalLinks"),
        (with_part("xl/vbaProject.bin", b"x"), "holds macros: xl/vbaProject.bin"),
        (with_part("xl/media/bomb.png", b"\0" * 60_000_000), "unpacks to more than 50,000,000 bytes"),
        (sharing(LONG, *[b"0"] * 250), "unpacks to more than 200,000,000 bytes"),
        (sharing(b"<si/>" + LONG, *[b"0<!-- -->1"] * 250), "does not say which of the shared texts it holds"),
        (sharing(b"<si><si/></si>" + LONG, *[b"1"] * 250), "has a text within a text"),
        *((elsewhere(part, sheet), "not a workbook that can be read") for part in PLACES for sheet in (FORMULA, FAR)),
        (in_sheet(b'r="A2"', b'r="xfd3000"'), "'xfd3000' is the name of no cell"),
        (packed_by(zipfile.ZIP_LZMA), "is packed as no spreadsheet packs; save it anew"),
        (packed_by(zipfile.ZIP_BZIP2), "is packed as no spreadsheet packs; save it anew"),
        (repacked(workbook(), lambda parts: parts.update({f"x/{n}": b"" for n in range(300)})), "more than 200 parts"),
        (lying(workbook()), "not a workbook that can be read"),
        (repacked(workbook(), lambda parts: parts.pop(SHEET)), "not a workbook that can be read"),
    ],
)
def test_a_hostile_workbook_is_refused(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "entries.xlsx").write_bytes(data)
    assert told in "\n".join(faults(tmp_path / "entries.xlsx"))


def test_typed_cells_are_taken_as_they_read(tmp_path: Path) -> None:
    def change(sheet: Any) -> None:
        sheet.append(["cipo", "cipo-02", 5, 2.5, date(2026, 11, 1), True])
        for at, column in enumerate(["en.answer", "as_of", "basis"], start=4):
            sheet.cell(1, at, column)

    (tmp_path / "entries.xlsx").write_bytes(workbook(change))
    [_, raw] = imported(tmp_path / "entries.xlsx")
    assert raw.value["en"] == {"question": "5", "phrasings": [], "answer": "2.5"}
    assert (raw.value["as_of"], raw.value["basis"]) == (date(2026, 11, 1), "true")


WORKBOOK = exported([written(entry) for entry in load(SHIPPED).entries[:2]], "xlsx")
TABLE = exported([written(entry) for entry in load(SHIPPED).entries[:2]], "csv")


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_whatever_is_in_a_file_it_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    form, original = data.draw(st.sampled_from([("xlsx", WORKBOOK), ("csv", TABLE), ("yaml", ENTRY.encode())]))
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(0, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / f"entries.{form}"
    file.write_bytes(bytes(damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged))
    with suppress(FaultyFileError):
        for raw in imported(file):
            list(form_faults(raw))
