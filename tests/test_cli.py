"""The command line as an operator meets it."""

import asyncio
import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

import run_bot
from bot.settings import OperatorError
from bot.storage import Database
from handlers.cli.experts import read
from knowledge import library, regression
from knowledge.engine import Why
from tests.conftest import MovableClock
from tests.knowledge.house import answering, replica

ROOT = Path(__file__).parent.parent
EXPERT = """
- name: Grace Ho
  title: Patent attorney
  languages: [en]
  topics: [patents]
  zone: Asia/Hong_Kong
  hours: {mon: ["09:30-12:30"]}
"""


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIPO_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'aiogram', 'sqlalchemy', 'sklearn', 'numpy', 'starlette', 'jinja2'}"
    code = (
        "import sys, run_bot\n"
        "try: run_bot.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"sys.exit(bool({heavy} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_an_interpreter_without_the_requirements_or_too_old_ends_with_one_line_that_names_the_mend() -> None:
    aged = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path('run_bot.py', run_name='__main__')"
    for started, reason in (
        (["-S", "run_bot.py", "check"], "this Python lacks "),
        (["-c", aged], "Python 3.11 or newer is needed"),
    ):
        ended = subprocess.run([sys.executable, *started], cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert ended.stderr.startswith(reason)
        assert ended.stderr.endswith("run: make run (sets everything up), or .venv/bin/python run_bot.py once it is\n")
        assert ended.stderr.count("\n") == 1


def test_a_new_installation_says_what_to_do_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bot.main(["serve"]) == 1
    assert "run: .venv/bin/python run_bot.py migrate" in capsys.readouterr().err
    assert run_bot.main(["check"]) == 1
    assert run_bot.main(["migrate"]) == 0
    assert run_bot.main(["check"]) == 0
    said = capsys.readouterr().out
    assert "all is well" in said
    assert "messages owed: none yet" in said


def test_a_folder_that_cannot_be_made_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIPO_DATA_DIR", "/proc/nowhere")
    assert run_bot.main(["migrate"]) == 1
    assert re.fullmatch(r"CIPO_DATA_DIR: .* cannot be made .*\n", capsys.readouterr().err)


def test_an_invitation_is_a_link_of_its_own_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    run_bot.main(["migrate"])
    capsys.readouterr()
    for _ in range(2):
        assert run_bot.main(["invite", "--role", "admin"]) == 0
    links = capsys.readouterr().out.split()
    assert len(set(links)) == 2
    assert all(re.fullmatch(r"http://127\.0\.0\.1:8080/\?start=[\w-]{20,64}", link) for link in links)


def test_an_invitation_can_be_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    run_bot.main(["migrate"])
    for role in ("admin", "curator"):
        assert run_bot.main(["invite", "--role", role]) == 0
    capsys.readouterr()
    assert run_bot.main(["invite", "--list"]) == 0
    listed = dict(reversed(line.partition(",")[0].split()) for line in capsys.readouterr().out.splitlines())
    assert set(listed) == {"admin", "curator"}
    assert run_bot.main(["invite", "--revoke", listed["admin"]]) == 0
    assert run_bot.main(["invite", "--revoke", listed["admin"]]) == 1
    assert "invite --list" in capsys.readouterr().err
    assert run_bot.main(["invite", "--list"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["curator,"]


def test_an_expert_is_loaded_from_a_file_once_and_invited_by_number(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["migrate"])
    (installation / "experts.yaml").write_text(EXPERT)
    for _ in range(2):
        capsys.readouterr()
        assert run_bot.main(["experts", "load", "experts.yaml"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["1", "Grace", "Ho"]
    assert run_bot.main(["invite", "--role", "expert", "--expert", "1"]) == 0
    assert run_bot.main(["invite", "--role", "expert", "--expert", "2"]) == 1
    assert "experts list" in capsys.readouterr().err
    assert run_bot.main(["invite", "--role", "expert"]) == 1
    assert run_bot.main(["experts", "retire", "1"]) == 0
    assert "Grace" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("name: Grace", "must be a list"),
        (EXPERT.replace("mon", "noday"), "noday"),
        (EXPERT.replace("09:30", "half nine"), "write windows like"),
        (EXPERT.replace("patents", "cooking"), "topics are"),
        (EXPERT.replace("Asia/Hong_Kong", "Mars/Base"), "Mars/Base"),
        (EXPERT + "  colour: red\n", "'colour' is not known"),
        (EXPERT.replace("[en]", "!!python/name:os.system ''"), "tags ("),
        (EXPERT.replace("[en]", "&a [*a]"), "aliases (*name) are not allowed"),
        (EXPERT + "  zone: Asia/Shanghai\n", "'zone' is written twice"),
        (EXPERT.replace("Grace Ho", "{fr: Grace}"), "'fr' is no language here"),
        (EXPERT.replace("Grace Ho", "5"), "name must be a text"),
        (EXPERT.replace("  title: Patent attorney\n", ""), "title is missing"),
        (EXPERT.replace("[patents]", "patents"), "topics must be a list"),
        (EXPERT.replace('["09:30-12:30"]', "09:30-12:30"), "write windows as a list"),
        (EXPERT.replace("12:30", "25:00"), "must end after it begins"),
        (EXPERT.replace('"]', '", "09:30-10:00"]'), "two windows overlap"),
        (EXPERT + "  length: 99999999999\n", "length must be a whole number"),
        (EXPERT + "  overrides: {2026-02-30: []}\n", "'2026-02-30' is no day"),
        (EXPERT + EXPERT, "'Grace Ho' is there twice"),
        ("", "holds no experts"),
        ("- \u00ff".encode("latin-1"), "not UTF-8 at byte 2"),
        ("- [", "not valid YAML"),
    ],
)
def test_a_wrong_file_of_experts_is_refused_with_the_place(
    written: str | bytes, reason: str, installation: Path
) -> None:
    (installation / "experts.yaml").write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(OperatorError) as refused:
        read(Path("experts.yaml"))
    said = str(refused.value)
    assert re.match(r"experts\.yaml:\d+: ", said)
    assert reason in said
    assert "\n" not in said


def test_where_one_expert_is_wrong_none_of_the_file_is_loaded(
    migrated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (migrated / "experts.yaml").write_text(EXPERT + EXPERT.replace("Grace", "Ida").replace("patents", "cooking"))
    assert run_bot.main(["experts", "load", "experts.yaml"]) == 1
    assert re.fullmatch(r"experts\.yaml:12: expert 2: 'cooking' is no topic; .*\n", capsys.readouterr().err)
    for folder in (".", "nowhere.yaml"):
        assert run_bot.main(["experts", "load", folder]) == 1
        assert re.fullmatch(rf"{re.escape(folder)}:1: cannot be read \(.*\)\n", capsys.readouterr().err)
    assert run_bot.main(["experts", "list"]) == 0
    assert capsys.readouterr().out == ""


def test_experts_without_an_english_name_are_all_loaded(migrated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("何慧", "李明")
    experts = "".join(EXPERT.replace("Grace Ho", f"{{zh-Hans: {name}}}") for name in names)
    (migrated / "experts.yaml").write_text(experts, encoding="utf-8")
    for _ in range(2):
        assert run_bot.main(["experts", "load", "experts.yaml"]) == 0
        assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == list(names)


def test_a_database_of_a_newer_version_is_told_and_left_alone(
    migrated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(migrated / "data" / "cipo.db")) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    for verb in (["migrate"], ["serve"], ["experts", "list"], ["knowledge", "export"]):
        assert run_bot.main(verb) == 1
        assert re.fullmatch(r"the database is of a newer version \(schema 9999, .*\n", capsys.readouterr().err)
    assert run_bot.main(["check"]) == 1
    assert capsys.readouterr().out.startswith("the database is of a newer version")


def test_a_verb_that_needs_the_database_says_to_migrate_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bot.main(["experts", "list"]) == 1
    assert "run: .venv/bin/python run_bot.py migrate" in capsys.readouterr().err


def test_a_full_disk_is_one_line(
    migrated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_more(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size, and grows no further

    event.listen(Engine, "connect", no_more)
    try:
        (migrated / "experts.yaml").write_text(EXPERT + f"  bio: {'x' * 100_000}\n")
        assert run_bot.main(["experts", "load", "experts.yaml"]) == 1
    finally:
        event.remove(Engine, "connect", no_more)
    assert re.fullmatch(r".*cipo\.db: .*\(database or disk is full\); make room on the disk\n", capsys.readouterr().err)


def test_a_broken_set_of_questions_is_told_by_both_checks(
    migrated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (migrated / "regression.yaml").write_text("- {text: hello, locale: fr, entry: null}\n")
    monkeypatch.setattr(regression, "SET", migrated / "regression.yaml")
    regression.cases.cache_clear()
    try:
        for verb in (["check"], ["knowledge", "check"]):
            assert run_bot.main(verb) == 1
            assert "regression.yaml:1: a question has text, locale and entry" in capsys.readouterr().out
    finally:
        regression.cases.cache_clear()


@pytest.mark.parametrize("verb", [["check", "--env-example"], ["knowledge", "export"]])
def test_a_reader_who_goes_away_ends_it_quietly(installation: Path, verb: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, ROOT / "run_bot.py", *verb], stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_an_export_goes_whole_through_a_pipe_without_a_buffer(installation: Path) -> None:
    export = [sys.executable, "-u", ROOT / "run_bot.py", "knowledge", "export"]
    said = subprocess.run(export, capture_output=True, check=True).stdout.decode()
    last = library.load(ROOT / "knowledge" / "entries").entries[-1]
    assert f"  id: {last.id}\n" in said


def test_sample_data_are_not_for_real_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["migrate"])
    assert run_bot.main(["sample", "load"]) == 0
    monkeypatch.setenv("CIPO_PUBLIC_URL", "https://advisor.example.org")
    assert run_bot.main(["serve"]) == 1
    assert "run: .venv/bin/python run_bot.py sample purge" in capsys.readouterr().err
    assert run_bot.main(["sample", "load"]) == 0
    assert "no sample data" in capsys.readouterr().out
    assert run_bot.main(["sample", "purge"]) == 0
    assert run_bot.main(["check"]) == 0


def test_questions_are_decided_line_by_line_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIPO_FITTING", "false")
    lines = ['{"text": "什么是CIPO"}', "no json", '{"text": "hello"}', '{"text": "x", "locale": "fr"}']
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
    assert run_bot.main(["knowledge", "ask", "--jsonl"]) == 1
    first, second, third, fourth = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["decision"] == "answer"
    assert first["entries"][0]["id"] == "cipo-01"
    assert first["locale"] == "zh-Hans"
    assert set(second) == {"error"}
    assert third["entries"][0]["id"].startswith("smalltalk")
    assert set(fourth) == {"error"}


def test_explain_tells_every_measure_and_the_words_that_matched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIPO_FITTING", "false")
    assert run_bot.main(["knowledge", "explain", "what is the job of a CIPO"]) == 0
    decision, features, nearest = capsys.readouterr().out.splitlines()[:3]
    assert decision.startswith(("answer: cipo-01", "suggest: cipo-01"))
    assert "confidence" in features
    assert nearest.split()[0] == "cipo-01"
    assert all(field.name in nearest for field in fields(Why))
    assert "job" in nearest.partition("matched")[2].partition("mended")[0]


def test_the_shipped_knowledge_is_without_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bot.main(["knowledge", "check"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 errors")


def test_a_broken_entry_stops_the_migration_with_its_place(
    installation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installation / "entries"
    folder.mkdir()
    (folder / "cipo.yaml").write_text("- id: cipo-01\n  basis: hearsay\n")
    load = library.load
    monkeypatch.setattr(library, "load", lambda _: load(folder))
    assert run_bot.main(["migrate"]) == 1
    assert re.match(r"\S*cipo\.yaml:\d+: cipo-01: basis is 'hearsay'", capsys.readouterr().err)


# The knowledge of the database


def edited(file: Path, old: str, new: str) -> Path:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


@pytest.fixture
def migrated(installation: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CIPO_FITTING", "false")
    (installation / "data").mkdir()
    shutil.copy(sqlite_template, installation / "data" / "cipo.db")
    return installation


@pytest.mark.parametrize("form", ["yaml", "xlsx", "csv"])
def test_an_export_imports_as_unchanged(migrated: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bot.main(["knowledge", "export", "--format", form, "--out", f"all.{form}"]) == 0
    assert run_bot.main(["knowledge", "import", f"all.{form}", "--whole"]) == 0
    exported, imported = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"all\.{form}: \d+ entries", exported)
    ids = {entry.id for entry in library.load().entries}  # some have a text for each time
    assert imported == f"0 added, 0 changed, {len(ids)} unchanged, 0 retired"


def test_an_import_shows_what_would_change_and_publishes_when_told(
    migrated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["knowledge", "export", "--out", "all.yaml"])
    edited(migrated / "all.yaml", "- what is a cipo\n", "- what is a cipo\n      - owls in the attic\n")
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", "all.yaml"]) == 0
    said = capsys.readouterr().out
    assert "0 added, 1 changed" in said
    assert "changed: cipo-01\n  en.phrasings\n  + owls in the attic\n" in said
    assert re.search(r"regression questions: \d+ of \d+ right, \d+ after; \d+ gained, \d+ lost", said)
    assert "1 drafts written" in said
    assert decided("owls in the attic", capsys)["decision"] != "answer"
    assert run_bot.main(["knowledge", "import", "all.yaml", "--publish"]) == 0
    assert "1 entries published" in capsys.readouterr().out
    assert decided("owls in the attic", capsys)["entries"][0]["id"] == "cipo-01"
    assert run_bot.main(["knowledge", "conflicts"]) == 0
    assert capsys.readouterr().out == "no conflicts\n"


def decided(text: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run_bot.main(["knowledge", "ask", "--jsonl", text]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_all_errors_of_an_import_are_told_and_nothing_is_written(
    migrated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["knowledge", "export", "--out", "all.yaml"])
    edited(migrated / "all.yaml", "- what is a cipo\n", "- the HKEX\n")
    edited(migrated / "all.yaml", "related:\n    - cipo-03\n", "related:\n    - cipo-99\n")
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", "all.yaml", "--publish"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    errors = said.err.splitlines()
    assert len(errors) == 3
    assert all(re.match(r"error: all\.yaml:\d+: cipo-01: ", error) for error in errors[:2])
    assert errors[2] == "2 errors; nothing was written"
    assert run_bot.main(["knowledge", "import", "all.pdf"]) == 1
    assert "must end in .yaml" in capsys.readouterr().err


def test_an_entry_that_a_whole_file_lacks_is_retired(migrated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_bot.main(["knowledge", "export", "--format", "csv", "--out", "all.csv"])
    text = (migrated / "all.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    with (migrated / "all.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(row for row in rows if row[1] != "smalltalk-joke")
    capsys.readouterr()
    assert run_bot.main(["knowledge", "import", "all.csv"]) == 0
    assert "0 retired" in capsys.readouterr().out
    assert run_bot.main(["knowledge", "import", "all.csv", "--whole", "--publish"]) == 0
    said = capsys.readouterr().out
    assert "1 retired" in said
    assert "retired: smalltalk-joke" in said
    run_bot.main(["knowledge", "export"])
    assert "smalltalk-joke" not in capsys.readouterr().out


def test_without_a_database_the_shipped_files_are_exported_and_none_is_made(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_bot.main(["knowledge", "export"]) == 0
    assert "id: cipo-01" in capsys.readouterr().out
    assert run_bot.main(["knowledge", "import", "all.yaml"]) == 1
    assert "run: .venv/bin/python run_bot.py migrate" in capsys.readouterr().err
    assert not (installation / "data").exists()


def test_the_check_lists_conflicts(migrated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(edit_and_ship(migrated))
    assert run_bot.main(["knowledge", "check"]) == 0
    said = capsys.readouterr().out
    assert "conflict: smalltalk-joke was edited here and is no longer shipped; decide with /knowledge" in said
    assert run_bot.main(["knowledge", "conflicts"]) == 0
    assert "conflict: smalltalk-joke" in capsys.readouterr().out


async def edit_and_ship(installation: Path) -> None:
    """Somebody edits an entry; the next version does not ship it."""
    from knowledge.shipped import merge_shipped

    shutil.copytree(library.SHIPPED, installation / "entries")
    smalltalk = installation / "entries" / "smalltalk.yaml"
    kept = re.sub(r"(?ms)^- id: smalltalk-joke$.*?(?=^- id: )", "", smalltalk.read_text(encoding="utf-8"))
    smalltalk.write_text(kept, encoding="utf-8")
    shutil.copy(library.SHIPPED.parent / "glossary.csv", installation / "glossary.csv")
    db, clock = Database(f"sqlite:///{installation / 'data' / 'cipo.db'}"), MovableClock()
    async with replica(db, clock) as one:
        await one.publishes("smalltalk-joke", answering(await one.content("smalltalk-joke"), "No."))
        await merge_shipped(db, clock.now(), installation / "entries")
    await db.close()
