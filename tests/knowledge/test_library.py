from datetime import date
from pathlib import Path

import pytest

from knowledge.library import CATEGORIES, LOCALES, LibraryError, load
from tests.knowledge.conftest import ENTRY, TODAY

ANSWER = "    answer: |\n      A CIPO **runs** intellectual property.\n"
SOURCE = "{name: HKIPX programme page, url: null}"
GLOSSARY = """\
term_en,zh_hans,zh_hant_hk,note,render,synonyms
grant,授权,批予,,yes,
rights (IP),知识产权,知識產權,,yes,IPR|智慧財產權
way,途径,途徑/路徑,,yes,
software,软件,軟體,,no,
"""


def rewrite(folder: Path, old: str, new: str) -> Path:
    file = folder / "cipo.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def complaint(folder: Path) -> str:
    with pytest.raises(LibraryError) as caught:
        load(folder)
    return str(caught.value)


def test_an_entry_is_read_with_all_its_fields(folder: Path) -> None:
    entry = load(folder).get("cipo-01", TODAY)
    assert entry is not None
    assert (entry.category, entry.basis, entry.jurisdictions) == ("cipo", "sourced", ("INT",))
    assert (entry.as_of, entry.review_by) == (date(2026, 11, 1), date(2027, 5, 1))
    assert entry.sources[0].url is None
    assert entry.texts["en"].phrasings[0] == "one a"
    assert entry.texts["en"].answer_markdown == "A CIPO **runs** intellectual property."


def test_traditional_chinese_follows_the_glossary_and_then_the_characters(folder: Path) -> None:
    (folder / "glossary.csv").write_text(GLOSSARY, encoding="utf-8")
    entry = load(folder).get("cipo-01", TODAY)
    assert entry is not None
    assert entry.texts["zh-Hant"].answer_markdown == "負責知識產權的批予與軟件。"
    assert entry.texts["zh-Hant"] is entry.texts["zh-Hant"]


def test_a_term_with_alternatives_is_not_used_for_rendering(folder: Path) -> None:
    (folder / "glossary.csv").write_text(GLOSSARY, encoding="utf-8")
    assert load(folder).glossary.to_traditional("途径") == "途徑"


def test_the_longest_term_wins(tmp_path: Path) -> None:
    rows = "term_en,zh_hans,zh_hant_hk,render\na,专利,甲,yes\nb,专利权人,乙,yes\n"
    (tmp_path / "glossary.csv").write_text(rows, encoding="utf-8")
    assert load(tmp_path).glossary.to_traditional("专利权人有专利") == "乙有甲"


def test_synonyms_are_the_spellings_of_a_row(folder: Path) -> None:
    (folder / "glossary.csv").write_text(GLOSSARY, encoding="utf-8")
    groups = load(folder).synonyms()
    assert groups[1] == ("rights", "IP", "知识产权", "知識產權", "IPR", "智慧財產權")
    assert groups[2] == ("way", "途径", "途徑", "路徑")


def test_a_text_written_by_hand_is_not_rendered(folder: Path) -> None:
    by_hand = "  zh-Hant:\n    question: 問\n    answer: 答\n- id: cipo-02"
    rewrite(folder, "- id: cipo-02", by_hand)
    entry = load(folder).get("cipo-01", TODAY)
    assert entry is not None
    assert entry.texts["zh-Hant"].answer_markdown == "答"


def test_the_version_that_holds_on_the_day_is_given(folder: Path) -> None:
    ending = "review_by: 2027-05-01\n  valid_to: 2026-12-31"
    starting = "review_by: 2027-05-01\n  valid_from: 2027-01-01"
    rewrite(folder, "review_by: 2027-05-01", ending)
    second = ENTRY.split("- id: cipo-02")[0].replace("review_by: 2027-05-01", starting)
    (folder / "strategy.yaml").write_text(second, encoding="utf-8")
    library = load(folder)
    old, new = library.get("cipo-01", date(2026, 12, 31)), library.get("cipo-01", date(2027, 1, 1))
    assert old is not None
    assert new is not None
    assert (old.category, new.category) == ("cipo", "strategy")
    assert library.in_category("strategy", TODAY) == []
    assert [c.id for c in library.categories(TODAY)] == ["cipo"]
    assert [c.id for c in library.categories()] == ["cipo", "strategy"]


def test_related_entries_come_in_order_and_only_if_they_hold(folder: Path) -> None:
    library = load(folder)
    assert [entry.id for entry in library.related("cipo-01", TODAY)] == ["cipo-02"]
    rewrite(folder, "related: []", "related: []\n  valid_to: 2020-01-01")
    assert load(folder).related("cipo-01", TODAY) == []
    assert library.related("nothing", TODAY) == []


def test_all_eighteen_categories_have_a_name_in_every_language() -> None:
    assert len(CATEGORIES) == 18
    assert all(set(category.names) == set(LOCALES) for category in CATEGORIES)


def test_small_talk_answers_but_is_not_browsed(folder: Path) -> None:
    hello = ENTRY.split("- id: cipo-02")[0].replace("cipo-01", "smalltalk-hello")
    (folder / "smalltalk.yaml").write_text(hello, encoding="utf-8")
    library = load(folder)
    assert [category.id for category in library.categories()] == ["cipo"]
    browsable = {d.entry_id: d.browsable for d in library.documents(TODAY)}
    assert browsable == {"cipo-01": True, "cipo-02": True, "smalltalk-hello": False}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (ANSWER, "", ":10: cipo-01: en.answer is missing; add"),
        ("basis: sourced", "basis: hearsay", ":2: cipo-01: basis is 'hearsay'; use one of"),
        ("as_of: 2026-11-01", "as_of: soon", ":4: cipo-01: as_of must be a day like"),
        ("as_of: 2026-11-01", "as_of: 2026-13-01", ":4: '2026-13-01' cannot be read"),
        ("  review_by: 2027-05-01\n", "", ":1: cipo-01: review_by is missing; add"),
        ("question: What does", "question: What: does", "not valid YAML"),
        ("tags: [role]", "tags: role", ":9: cipo-01: tags must be a list"),
        ("tags: [role]", "id: cipo-09", ":9: 'id' is written twice"),
        ("tags: [role]", "tags: &a [x]\n  valid_from: *a", "aliases"),
        ("tags: [role]", "tags: [!!python/name:os.system '']", "are not allowed; write the value alone"),
        (SOURCE, "page", "sources must be a list of"),
        ("- id: cipo-01", "- cid: cipo-01", "id is missing"),
    ],
)
def test_a_fault_is_told_with_file_line_and_remedy(folder: Path, old: str, new: str, says: str) -> None:
    message = complaint(rewrite(folder, old, new))
    assert message.split(":")[0].endswith("cipo.yaml")
    assert says in message
    assert "\n" not in message


def test_a_file_that_is_too_large_or_no_text_is_refused(folder: Path) -> None:
    (folder / "cipo.yaml").write_bytes(b"#" * 2_000_001)
    assert "larger than 2,000,000 bytes" in complaint(folder)
    (folder / "cipo.yaml").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in complaint(folder)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "no such folder" in complaint(tmp_path / "nowhere")


def test_an_empty_file_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "cipo.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert load(tmp_path).entries == ()
