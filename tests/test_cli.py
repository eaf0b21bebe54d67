"""The command line as an operator meets it."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import run_bot

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


def test_a_new_installation_says_what_to_do_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bot.main(["serve"]) == 1
    assert "run: python run_bot.py migrate" in capsys.readouterr().err
    assert run_bot.main(["check"]) == 1
    assert run_bot.main(["migrate"]) == 0
    assert run_bot.main(["check"]) == 0
    assert "all is well" in capsys.readouterr().out


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
        ("- [", "is no YAML"),
    ],
)
def test_a_wrong_file_of_experts_is_refused_with_the_place(
    written: str, reason: str, installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["migrate"])
    (installation / "experts.yaml").write_text(written)
    assert run_bot.main(["experts", "load", "experts.yaml"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("experts.yaml: ")
    assert reason in said
    assert said.count("\n") == 1


def test_sample_data_are_not_for_real_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bot.main(["migrate"])
    assert run_bot.main(["sample", "load"]) == 0
    monkeypatch.setenv("CIPO_PUBLIC_URL", "https://advisor.example.org")
    assert run_bot.main(["serve"]) == 1
    assert "run: python run_bot.py sample purge" in capsys.readouterr().err
    assert run_bot.main(["sample", "load"]) == 0
    assert "no sample data" in capsys.readouterr().out
    assert run_bot.main(["sample", "purge"]) == 0
    assert run_bot.main(["check"]) == 0


def test_questions_are_decided_line_by_line_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_the_shipped_knowledge_is_without_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bot.main(["knowledge", "check"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 errors")


def test_a_broken_entry_stops_the_migration_with_its_place(
    installation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from knowledge import library

    folder = installation / "entries"
    folder.mkdir()
    (folder / "cipo.yaml").write_text("- id: cipo-01\n  basis: hearsay\n")
    load = library.load
    monkeypatch.setattr(library, "load", lambda _: load(folder))
    assert run_bot.main(["migrate"]) == 1
    assert re.match(r"\S*cipo\.yaml:\d+: cipo-01: basis is 'hearsay'", capsys.readouterr().err)
