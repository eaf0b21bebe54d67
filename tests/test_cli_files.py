"""The knowledge base as files, from the command line: what a file changes, what it must not undo."""

import asyncio
import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine

import run_bot
from bot.storage import Database
from knowledge import library, regression
from knowledge.curation import Curation, Drafted, Plan, Published
from knowledge.reading import Raw
from knowledge.shipped import merge_shipped
from tests.conftest import MovableClock
from tests.knowledge.house import Replica, answering, asking, replica, ship

WORDS = (
    "apple",
    "bridge",
    "candle",
    "desert",
    "engine",
    "forest",
    "garden",
    "harbour",
    "island",
    "jungle",
    "lamp",
    "oar",
)
SIGNS = "苹桥烛漠机林园港岛丛壶灯"


def written(number: int) -> str:
    word, sign = WORDS[number - 1], SIGNS[number - 1]
    return f"""\
- id: cipo-{number:02}
  basis: editorial
  jurisdictions: [CN]
  as_of: 2025-11-01
  review_by: 2030-05-01
  en:
    question: What is the {word}?
    phrasings: [{", ".join(f"{word} {each}" for each in ("one", "two", "three", "four", "five", "six"))}]
    answer: The {word} belongs to {word}s of {word}ing.
  zh-Hans:
    question: 什么是{sign}？
    phrasings: [{", ".join(f"{sign}{each}" for each in "甲乙丙丁戊己")}]
    answer: {sign}就是{sign}。
"""


ENTRIES = "".join(map(written, range(1, 13)))


QUESTIONS = """\
- {text: what is the apple, locale: en, entry: cipo-01}
- {text: bridge two, locale: en, entry: cipo-02}
"""


@pytest.fixture
def base(tmp_path: Path, bare_sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation of twelve small entries and two regression questions."""
    (tmp_path / "regression.yaml").write_text(QUESTIONS, encoding="utf-8")
    monkeypatch.setattr(regression, "SET", tmp_path / "regression.yaml")
    regression.cases.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIPO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CIPO_FITTING", "false")
    (tmp_path / "data").mkdir()
    (tmp_path / "entries").mkdir()
    shutil.copy(bare_sqlite_template, tmp_path / "data" / "cipo.db")
    asyncio.run(shipped(tmp_path))
    yield tmp_path
    regression.cases.cache_clear()


async def shipped(base: Path, rewrite: Callable[[str], str] = str) -> None:
    db = Database(f"sqlite:///{base / 'data' / 'cipo.db'}")
    await ship(db, MovableClock(), base / "entries", lambda _: rewrite(ENTRIES))
    await db.close()


def meanwhile(base: Path, *work: Callable[[Replica], object]) -> None:
    """Others publish in the chat."""

    async def run() -> None:
        db = Database(f"sqlite:///{base / 'data' / 'cipo.db'}")
        clock = MovableClock()
        clock.set(clock.now().replace(year=2027))
        async with replica(db, clock, fitter=None) as one:
            for each in work:
                await each(one)  # type: ignore[misc]
        await db.close()

    asyncio.run(run())


def answers(entry_id: str, answer: str) -> Callable[[Replica], object]:
    async def publish(one: Replica) -> None:
        await one.publishes(entry_id, answering(await one.content(entry_id), answer))

    return publish


def is_asked(entry_id: str, phrasing: str) -> Callable[[Replica], object]:
    async def publish(one: Replica) -> None:
        await one.publishes(entry_id, asking(await one.content(entry_id), phrasing))

    return publish


def edited(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8", newline="")


def exported(base: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run_bot.main(["knowledge", "export"]) == 0
    return re.sub(r"  revision: .*\n", "", capsys.readouterr().out)


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_an_older_export_does_not_undo_what_was_published_since(
    base: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["knowledge", "export", "--format", form, "--out", f"old.{form}"])
    meanwhile(base, answers("cipo-01", "The apple is red."), answers("cipo-02", "It spans."))
    edited(base / f"old.{form}", "bridge one", "viaduct")
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", f"old.{form}", "--publish"]) == 0
    said = capsys.readouterr().out
    assert "0 added, 1 changed, 11 unchanged" in said
    assert "changed: cipo-02\n  en.phrasings\n  - bridge one\n  + viaduct\n" in said
    now = exported(base, capsys)
    assert "The apple is red." in now
    assert "It spans." in now
    assert "viaduct" in now


def test_a_field_that_both_changed_is_told_with_its_row_and_nothing_is_written(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["knowledge", "export", "--format", "csv", "--out", "old.csv"])
    meanwhile(base, answers("cipo-02", "It spans."))
    edited(base / "old.csv", "The bridge belongs to bridges of bridgeing.", "It carries.")
    before = exported(base, capsys)
    assert run_bot.main(["knowledge", "import", "old.csv", "--publish"]) == 1
    said = capsys.readouterr().err
    assert "error: old.csv: row 3, en.answer: cipo-02: en.answer was changed in this file, and by others since" in said
    assert exported(base, capsys) == before
    text = (base / "old.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    rows[2][rows[0].index("revision")] = ""
    with (base / "old.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    assert run_bot.main(["knowledge", "import", "old.csv", "--publish"]) == 0
    assert "It carries." in exported(base, capsys)


def test_what_is_published_while_a_file_is_looked_at_is_not_undone(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["knowledge", "export", "--out", "old.yaml"])
    edited(base / "old.yaml", "bridge one", "viaduct")
    planned = Curation.plan

    async def plan(curation: Curation, raws: Sequence[Raw], is_whole: bool = False) -> Plan:
        done = await planned(curation, raws, is_whole)
        drafted = await curation.add_phrasing(None, "cipo-02", "en", "bridge seven")
        assert isinstance(drafted, Drafted)
        assert isinstance(await curation.publish(None, drafted.revision.id), Published)
        return done

    monkeypatch.setattr(Curation, "plan", plan)
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", "old.yaml", "--publish"]) == 1
    assert capsys.readouterr().err.startswith("somebody published something else meanwhile; nothing was written")
    meanwhile(base, has_no_drafts)
    assert "bridge seven" in exported(base, capsys)


def test_an_entry_retired_since_the_export_stays_retired(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_bot.main(["knowledge", "export", "--out", "old.yaml"])

    async def retire(one: Replica) -> None:
        await one.publishes("cipo-03", ())

    meanwhile(base, retire)
    assert run_bot.main(["knowledge", "import", "old.yaml", "--publish"]) == 0
    assert "cipo-03" not in exported(base, capsys)
    edited(base / "old.yaml", "The candle belongs", "The candle does not belong")
    assert run_bot.main(["knowledge", "import", "old.yaml"]) == 1
    assert "cipo-03: was changed in this file, and retired since" in capsys.readouterr().err


def test_a_file_of_another_installation_is_taken_whole_and_says_so(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["knowledge", "export", "--out", "old.yaml"])
    text = (base / "old.yaml").read_text(encoding="utf-8")
    (base / "old.yaml").write_text(re.sub(r"revision: \S+", "revision: 7-00c0ffee", text, count=1), encoding="utf-8")
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", "old.yaml"]) == 0
    said = capsys.readouterr().out
    assert "12 unchanged" in said
    assert "warning: old.yaml:1: cipo-01: revision 7-00c0ffee is not of this database; taken whole" in said


def with_entries(base: Path, *numbers: int) -> None:
    """The exported file with some of its entries."""
    run_bot.main(["knowledge", "export", "--out", "all.yaml"])
    entries = re.split(r"(?m)^(?=  - category|- category)", (base / "all.yaml").read_text(encoding="utf-8"))
    kept = [entry for entry in entries if any(f"id: cipo-{number:02}" in entry for number in numbers)]
    assert len(kept) == len(numbers)
    (base / "all.yaml").write_text("".join(kept), encoding="utf-8")


@pytest.mark.parametrize(("name", "content"), [("all.yaml", ""), ("all.csv", "category,id\n")])
def test_a_file_without_entries_retires_nothing(
    base: Path, name: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (base / name).write_text(content)
    before = exported(base, capsys)
    assert run_bot.main(["knowledge", "import", name, "--whole", "--publish"]) == 1
    assert capsys.readouterr().err.startswith(f"{name}: holds no entries; with --whole that would retire")
    assert exported(base, capsys) == before


def test_many_entries_are_retired_only_by_their_number(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_entries(base, *range(1, 8))
    before = exported(base, capsys)
    for mistaken in ([], ["--retire", "4"]):
        assert run_bot.main(["knowledge", "import", "all.yaml", "--whole", "--publish", *mistaken]) == 1
        said = capsys.readouterr()
        assert "would be lost: 5 entries (cipo-08, cipo-09, cipo-10, cipo-11, cipo-12)" in said.out
        assert said.err == "this would retire 5 of 12 entries; if that is meant, add: --retire 5\n"
        assert exported(base, capsys) == before
    assert run_bot.main(["knowledge", "import", "all.yaml", "--whole", "--publish", "--retire", "5"]) == 0
    assert "5 entries published" in capsys.readouterr().out
    assert exported(base, capsys).count("id: cipo-") == 7


def test_what_others_added_since_the_export_is_not_retired_by_the_way(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["knowledge", "export", "--out", "old.yaml"])

    async def add(one: Replica) -> None:
        model = (await one.content("cipo-01"))[0]
        english = {"question": "What is new?", "phrasings": [f"new {n}" for n in range(6)], "answer": "This."}
        chinese = {"question": "新的是什么？", "phrasings": [f"新{n}" for n in range(6)], "answer": "这是新的。"}
        await one.publishes("cipo-30", [{**model, "id": "cipo-30", "en": english, "zh-Hans": chinese}])

    meanwhile(base, add)
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", "old.yaml", "--whole", "--publish"]) == 1
    assert "after the file was exported others published cipo-30; if that is meant" in capsys.readouterr().err
    assert "cipo-30" in exported(base, capsys)


def test_a_dry_run_shows_what_would_be_lost_and_writes_nothing(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_bot.main(["knowledge", "export", "--out", "all.yaml"])
    edited(base / "all.yaml", "apple one\n", "apple seven\n")
    edited(base / "all.yaml", "The bridge belongs", "The bridge comes")
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", "all.yaml", "--publish", "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "0 added, 2 changed, 10 unchanged, 0 retired",
        "would be lost: 1 ways to ask, lines of 1 questions or answers",
    ]
    assert said[-1] == "nothing was written"
    meanwhile(base, has_no_drafts)


async def has_no_drafts(one: Replica) -> None:
    assert await one.curation.drafts() == []


def test_both_checks_go_by_the_day_of_the_organiser(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 18:00 in London it is already tomorrow in Hong Kong."""
    monkeypatch.setattr(library, "SHIPPED", base / "entries")
    entries = re.sub("as_of: 2025-11-01", "as_of: 2026-03-02", ENTRIES, count=1)
    (base / "entries" / "cipo.yaml").write_text(entries, encoding="utf-8")
    for zone, code in (("Asia/Hong_Kong", 0), ("Europe/London", 1)):
        monkeypatch.setenv("CIPO_DEFAULT_ZONE", zone)
        with time_machine.travel(datetime(2026, 3, 1, 18, tzinfo=UTC), tick=False):
            assert run_bot.main(["check"]) == code
            assert run_bot.main(["knowledge", "check"]) == code


def test_a_shipped_text_at_odds_with_an_edit_is_named_by_migrate_check_and_conflicts(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    meanwhile(base, is_asked("cipo-01", "bridge seven"))
    (base / "entries" / "cipo.yaml").write_text(ENTRIES.replace("bridge six", "bridge six, bridge seven"))
    monkeypatch.setattr(library, "SHIPPED", base / "entries")
    monkeypatch.setattr(merge_shipped, "__defaults__", (base / "entries",))
    capsys.readouterr()
    assert run_bot.main(["migrate"]) == 0
    assert "at odds with what was edited here in other entries: cipo-02\n" in capsys.readouterr().out
    told = (
        "conflict: the shipped text of cipo-02 is at odds with what is published here; "
        "decide with /knowledge in the chat\n"
        "  cipo-02: en: 'bridge seven' also belongs to cipo-01\n"
        "  en.phrasings\n  + bridge seven\n"
    )
    for action in ("check", "conflicts"):
        assert run_bot.main(["knowledge", action]) == 0
        assert told in capsys.readouterr().out


def test_a_broken_glossary_stops_the_start_with_one_line(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (base / "glossary.csv").write_text("term_en,zh_hans\ngrant,授权\n", encoding="utf-8")
    monkeypatch.setattr(merge_shipped, "__defaults__", (base / "entries",))
    capsys.readouterr()
    assert run_bot.main(["serve"]) == 1
    assert capsys.readouterr().err == "glossary.csv:1: column zh_hant_hk is missing\n"
