"""A database that cannot be opened ends every verb with one line that says why and what to do."""

import ssl
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

import run_bot
from bot.settings import OperatorError
from bot.storage import Database
from bot.storage.database import secured
from tests.postgres import Postgres

SECRET = "s3cr3t"


def line_of(verb: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run_bot.main(verb) == 1
    said = capsys.readouterr()
    line = said.err or said.out
    assert SECRET not in line
    assert "Traceback" not in line
    return line.splitlines()[0]


@pytest.mark.parametrize("verb", [["serve"], ["migrate"], ["check"], ["knowledge", "ask", "hello"]])
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"postgresql://me:{SECRET}@127.0.0.1:1/cipo", "postgresql://me:***@127.0.0.1:1/cipo cannot be used ("),
        (f"postgresql://me:{SECRET}@127.0.0.1:99999/cipo", "99999 is no port"),
        (f"postgresql://me:{SECRET}@127.0.0.1:abc/cipo", "is no address of a database; write postgresql://"),
        (f"postgresql://me:x@{SECRET}@127.0.0.1/cipo", "is no address of a database; write postgresql://"),
        (f"postgresql://me:{SECRET}@127.0.0.1/cipo?sslmode=on", "sslmode must be one of disable, allow, prefer"),
        (f"postgresql://me:{SECRET}@127.0.0.1/cipo?pool=5", "'pool' is not known; leave it out"),
        (
            f"postgresql://me:{SECRET}@h/cipo?sslmode=verify-full&sslrootcert=no.crt",
            "sslrootcert no.crt cannot be read",
        ),
    ],
)
def test_an_address_that_does_not_serve_is_one_line(
    address: str,
    reason: str,
    verb: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIPO_DATABASE_URL", address)
    line = line_of(verb, capsys)
    assert line.startswith("CIPO_DATABASE_URL: ")
    assert reason in line


@pytest.mark.parametrize("verb", [["serve"], ["migrate"], ["check"], ["knowledge", "check"]])
def test_a_file_that_is_no_database_is_one_line(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIPO_DATA_DIR", str(tmp_path))
    (tmp_path / "cipo.db").write_bytes(b"no database" * 1000)
    line = line_of(verb, capsys)
    assert line.startswith(f"{tmp_path}/cipo.db: cannot be used as a database (file is not a database); put a backup")


async def test_only_the_owner_reads_the_files_new_or_old(tmp_path: Path) -> None:
    path = tmp_path / "data" / "cipo.db"
    for was in (None, 0o644):
        if was is not None:
            path.chmod(was)
        db = Database(f"sqlite:///{path}")
        async with db.write() as tx:
            await tx.execute(text(f"CREATE TABLE t{was} (a)"))
        assert {file.name for file in path.parent.iterdir()} == {"cipo.db", "cipo.db-wal", "cipo.db-shm"}
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
        await db.close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_server_that_refuses_is_told_with_its_reason(postgres: Postgres) -> None:
    db = Database(postgres.url("nowhere"))
    with pytest.raises(OperatorError, match='database "nowhere" does not exist'):
        await db.open()
    await db.close()


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-full"])
async def test_addresses_as_managed_databases_give_them_are_understood(postgres: Postgres, mode: str) -> None:
    """By the server's socket, where no encryption takes place."""
    db = Database(f"{postgres.url('postgres')}&sslmode={mode}")
    await db.open()
    await db.close()
    assert isinstance(secured({"sslmode": mode}), str) is (mode != "verify-full")


@pytest.mark.parametrize(("mode", "checks_the_name"), [("verify-full", True), ("verify-ca", False)])
def test_a_certificate_is_checked_when_the_address_says_so(mode: str, checks_the_name: bool) -> None:
    context = secured({"sslmode": mode})
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname is checks_the_name
