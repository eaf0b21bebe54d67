from datetime import date
from pathlib import Path

import pytest

from bot.texts import Texts
from knowledge.check import Finding, check, check_entries
from knowledge.library import SHIPPED, Glossary, load, stored, written
from knowledge.reading import read_text
from tests.knowledge.conftest import ENTRY, TODAY

FIRST = ENTRY.split("- id: cipo-02")[0]


def findings(folder: Path, old: str = "", new: str = "", on: date = TODAY) -> list[Finding]:
    file = folder / "cipo.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return check(folder, on)


def test_a_sound_folder_has_nothing_to_mend(folder: Path) -> None:
    assert check(folder, TODAY) == []


def test_the_shipped_knowledge_base_has_no_error() -> None:
    assert [f for f in check(SHIPPED, TODAY) if f.level == "error"] == []


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("  basis: sourced\n", "", 1, "basis is missing"),
        ("  as_of: 2026-11-01\n", "", 1, "as_of is missing"),
        ("as_of: 2026-11-01", "as_of: soon", 4, "as_of must be a day such as"),
        ("as_of: 2026-11-01", "as_of: 2026-12-01", 4, "is in the future"),
        ("review_by: 2027-05-01", "review_by: 2026-10-01", 5, "lies before as_of"),
        ("tags: [role]", "tgas: [role]", 1, "there is no field tgas"),
        ("tags: [role]", "valid_from: 2027-02-01\n  valid_to: 2027-01-01", 10, "before valid_from"),
        (
            "  zh-Hans:\n    question: 首",
            "  zh-Hant:\n    question: 首",
            1,
            "zh-Hans is missing",
        ),
        ("one a, one b, ", "", 12, "en has 4 phrasings"),
        ("甲一", "乙一", 32, "'乙一' also belongs to cipo-01"),
        ("one b", "TWO A!", 28, "'two a' also belongs to cipo-01"),
        ("related: [cipo-02]", "related: [cipo-77]", 8, "related cipo-77 does not exist"),
        ("related: [cipo-02]", "related: [cipo-01]", 8, "is related to itself"),
        ("one a", "Is this the HKEX?", 10, "'HKEX' must not be said"),
        ("负责知识产权的", "香港交易所的", 15, "'香港交易所' must not be said"),
        ("**runs**", "**runs", 13, "shows markup to the reader"),
        ("**runs**", "<b>runs</b>", 13, "shows markup to the reader"),
        ("**runs**", "{{ operator.name", 13, "has a template fault"),
        ("**runs**", "{{ settings.token }}", 13, "uses 'settings'; only operator.<fact>"),
        ("**runs**", "{{ operator.fee_of_yore }}", 13, "uses operator.fee_of_yore; known are"),
        ("**runs**", "{% for a in operator.name %}a{% endfor %}", 13, "uses 'for'; only facts"),
        ("**runs**", "{{ operator.name * 99999 }}", 13, "uses 'mul'"),
        ("**runs**", "{{ operator.name.__class__ }}", 13, "uses 'getattr'"),
        ("**runs**", "{{ '' }}", 13, "uses 'const'"),
        ("**runs**", "very " * 200, 13, "at most 900"),
        ("one a", "🙂", 12, "en: '🙂' holds no word to find the entry by"),
        ("one a", "one " * 60, 12, "en.phrasings.1 has 239 characters; at most 200"),
        ("question: What does a CIPO do?", "question: ''", 11, "en.question has 0 characters; at least 1"),
        ("jurisdictions: [INT]", "jurisdictions: []", 3, "jurisdictions lists 0; at least 1"),
        ("jurisdictions: [INT]", "jurisdictions: [CN, CN]", 3, "jurisdictions lists the same twice"),
        ("jurisdictions: [INT]", "jurisdictions: INT", 3, "jurisdictions must be a list"),
        ("related: [cipo-02]", "related: [a, b, c, d, e, f, g, h, i]", 8, "related lists 9; at most 8"),
        ("basis: sourced", "basis: hearsay", 2, "basis must be one of sourced, operator, editorial"),
        ("id: cipo-01", "id: CIPO 1", 1, "id must be lower-case letters, digits and hyphens, such as pat-04"),
        ("tags: [role]", "tags: [2.5]", 9, "tags.1 must be a text"),
        ("tags: [role]", "valid_from: soon", 9, "valid_from must be a day such as 2026-11-01"),
        ("tags: [role]", "zh-Hant: {question: 問}", 9, "zh-Hant.answer is missing"),
        ("tags: [role]", "zh-Hant: x", 9, "zh-Hant must have fields of its own"),
        ("HKIPX programme page, url: null", "A page, url: null", 7, "has no address"),
        ("page, url: null", "page, url: 'javascript:x'", 7, "sources.1.url must be an address that begins"),
        (
            "  sources:\n    - {name: HKIPX programme page, url: null}\n",
            "",
            2,
            "no source is named",
        ),
    ],
)
def test_a_fault_is_found_where_it_is(folder: Path, old: str, new: str, line: int, says: str) -> None:
    found = findings(folder, old, new)
    assert any(says in f.message for f in found), found
    fault = next(f for f in found if says in f.message)
    assert fault.level == "error"
    assert fault.place.endswith(f"cipo.yaml:{line}")


def test_a_past_review_date_is_a_warning(folder: Path) -> None:
    found = findings(folder, on=date(2027, 5, 2))
    assert [(f.level, f.message) for f in found] == [
        ("warning", "cipo-01: was to be reviewed by 2027-05-01"),
        ("warning", "cipo-02: was to be reviewed by 2027-05-01"),
    ]


def test_a_jurisdiction_is_a_code(folder: Path) -> None:
    found = findings(folder, "[INT]", "[International]")
    assert [f.level for f in found] == ["warning"]
    assert "write a code" in found[0].message


def test_versions_of_an_entry_must_not_hold_on_the_same_days(folder: Path) -> None:
    later = FIRST.replace("as_of:", "valid_from: 2027-01-01\n  as_of:", 1)
    (folder / "strategy.yaml").write_text(later, encoding="utf-8")
    assert "holds on the same days" in check(folder, TODAY)[0].message
    assert findings(folder, "  as_of:", "  valid_to: 2026-12-31\n  as_of:") == []


def test_a_file_is_named_after_a_category(folder: Path) -> None:
    (folder / "cipo.yaml").rename(folder / "cheese.yaml")
    assert {f.message for f in check(folder, TODAY) if "category" in f.message} == {
        "cipo-01: there is no category cheese",
        "cipo-02: there is no category cheese",
    }


def test_only_what_concerns_an_entry_can_be_asked_for(folder: Path) -> None:
    faulty = ENTRY.replace("乙一", "甲一").replace("two a", "one a").replace("related: []", "related: [cipo-88]")
    raws = list(read_text(faulty, "cipo.yaml", "cipo"))
    for one, other in (("cipo-01", "cipo-02"), ("cipo-02", "cipo-01")):
        found = check_entries(raws, Glossary(), TODAY, about={one})
        assert {f.entry_id for f in found} == {one}
        assert sum(f"also belongs to {other}" in f.message for f in found) == 2
    assert check_entries(raws, Glossary(), TODAY, about={"cipo-03"}) == []


def test_a_fault_of_the_form_is_told_once_and_never_repeats_the_text(folder: Path) -> None:
    (day,) = findings(folder, "as_of: 2026-11-01", "as_of: soon")
    assert day.message == "cipo-01: as_of must be a day such as 2026-11-01"
    long = [f.message for f in findings(folder, "as_of: soon", f"as_of: 2026-11-01\n  {'x' * 5000}: 1")]
    assert max(map(len, long)) < 120


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        ("zh-Hans", "en.phrasings.1 有 239 个字符；最多 200 个"),
        ("zh-Hant", "en.phrasings.1 有 239 個字元；最多 200 個"),
    ],
)
def test_curators_read_of_a_fault_in_their_language(folder: Path, locale: str, told: str) -> None:
    (fault,) = findings(folder, "one a", "one " * 60)
    assert Texts().translator(locale).plain(fault.template, **fault.values) == told


def test_texts_without_words_are_not_twins(folder: Path) -> None:
    findings(folder, "one a", "🙂")
    assert [f.message for f in findings(folder, "two a", "🙃")] == [
        "cipo-01: en: '🙂' holds no word to find the entry by",
        "cipo-02: en: '🙃' holds no word to find the entry by",
    ]


def test_what_is_related_to_a_retired_entry_stays_editable_in_the_database(folder: Path) -> None:
    findings(folder, "related: [cipo-02]", "related: [cipo-77]")
    entries = [stored(written(entry)) for entry in load(folder).entries]
    assert [(f.level, f.place, f.message) for f in check_entries(entries, Glossary(), TODAY)] == [
        ("warning", "cipo-01", "cipo-01: related cipo-77 does not exist")
    ]


def test_a_broken_file_does_not_hide_the_faults_of_others(folder: Path) -> None:
    (folder / "broken.yaml").write_text("- id: ]", encoding="utf-8")
    found = findings(folder, "basis: sourced", "basis: rumour")
    assert [f.place.rpartition("/")[2] for f in found] == ["broken.yaml:1", "cipo.yaml:2"]


def test_a_folder_without_entries_is_an_error(tmp_path: Path) -> None:
    assert [f.level for f in check(tmp_path, TODAY)] == ["error"]


def test_answers_do_not_say_what_the_glossary_avoids_but_people_may_ask_with_it(folder: Path) -> None:
    head = "term_en,zh_hans,zh_hant_hk,note,render,synonyms,avoid"
    (folder / "glossary.csv").write_text(f"{head}\nsoftware,软件,軟件,,yes,软体,软体|軟體\n", encoding="utf-8")
    assert findings(folder, "甲一", "什么是软体") == []
    (finding,) = findings(folder, "授权与软件", "授权与软体")
    assert "zh-Hans.answer says '软体'; the glossary says '软件'" in finding.message


@pytest.mark.parametrize(
    ("old", "new", "strange"),
    [("授权与软件", "授權与软件", "權"), ("首席知识产权官做什么？", "首席知识产權官做什么？", "權")],
)
def test_one_script_in_one_text(folder: Path, old: str, new: str, strange: str) -> None:
    (finding,) = findings(folder, old, new)
    assert f"holds characters of the other script: {strange}" in finding.message


def test_a_language_is_named_in_its_own_script(folder: Path) -> None:
    assert findings(folder, "授权与软件", "授权与软件，也说繁體中文") == []


def test_two_entries_with_nearly_the_same_answer_are_named(folder: Path) -> None:
    text = "The first filing keeps your date for twelve months, and each further country is decided within that time. "
    findings(folder, "A CIPO **runs** intellectual property.", f"{text}So begin early.")
    (finding,) = findings(folder, "Nobody knows better than {{ operator.name }}.", f"{text}So start in good time.")
    assert finding.message == "cipo-02: en.answer says nearly the same as cipo-01"
