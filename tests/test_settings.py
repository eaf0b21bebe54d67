"""Settings: wrong ones stop the start with one line, the secret key is the owner's alone, the example is up to date."""

import json
import stat
from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, env_example, load
from handlers.web.app import allowed_origins

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CIPO_WEB_PORT", "eighty", "integer"),
        ("CIPO_WEB_PORT", "70000", "65535"),
        ("CIPO_DATABASE_URL", "mysql://root@localhost/x", "postgresql:// or sqlite:///"),
        ("CIPO_PUBLIC_URL", "advisor.example.org", "must be an address"),
        ("CIPO_TELEGRAM_TOKEN", "secret", "@BotFather"),
        ("CIPO_TELEGRAM_TOKEN", "123456:x y", "@BotFather"),
        ("CIPO_TELEGRAM_TOKEN", "²:abc", "@BotFather"),
        ("CIPO_WEB_HOST", " ", "127.0.0.1"),
        ("CIPO_PUBLIC_URL", "https://*", "wildcard"),
        ("CIPO_PUBLIC_URL", "https://*.org", "wildcard"),
        ("CIPO_PUBLIC_URL", "https://me:pass@example.org", "no user"),
        ("CIPO_PUBLIC_URL", "https://example.org:0", "must be an address"),
        ("CIPO_PUBLIC_URL", "https://example.org:70000", "must be an address"),
        ("CIPO_PUBLIC_URL", "https://example.org/?", "must be an address"),
        ("CIPO_PUBLIC_URL", "https://example.org/chat", "without a path"),
        ("CIPO_BOT_NAME", " ", "blank"),
        ("CIPO_DATA_DIR", " ", "blank"),
        ("CIPO_SECRET_KEY", " " * 40, "32"),
        ("CIPO_DEFAULT_ZONE", "Factory", "IANA"),
        ("CIPO_DEFAULT_ZONE", "localtime", "IANA"),
        ("CIPO_DEFAULT_ZONE", "Hongkong time", "IANA"),
        ("CIPO_SECRET_KEY", "short", "32"),
        ("CIPO_APPOINTMENT_REMINDERS", "[1]", "greater than or equal to 5"),
        ("CIPO_OPERATOR__FEE", "free", "Extra inputs"),
        ("CIPO_APPOINTMENT_REMINDERS", "1440,60", "write lists like"),
        ("CIPO_SUGGEST_FROM", "0.9", "must not lie above CIPO_ANSWER_FROM"),
        ("CIPO_OPERATOR__EVENT_FEE", '{"en":', "is no JSON"),
        ("CIPO_TELEGRAM_TOKNE", "123456:abc", "did you mean CIPO_TELEGRAM_TOKEN?"),
        ("CIPO_PORT", "80", "did you mean CIPO_WEB_PORT?"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_the_mend(
    name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load(_env_file=None)
    line = str(refused.value)
    assert line.startswith(f"{name}: ")
    assert "pass@" not in line
    assert "x y" not in line
    assert reason in line
    assert ".env" in line
    assert "\n" not in line


def test_a_misspelt_name_in_the_file_is_refused_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("cipo_telegram_tokne=123456:abc\nOTHER=1\n")
    with pytest.raises(
        SettingsError, match=r"^CIPO_TELEGRAM_TOKNE: there is no such setting; did you mean CIPO_TELEGRAM_TOKEN"
    ):
        load(_env_file=file)


def test_a_file_in_another_encoding_says_so(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes("CIPO_BOT_NAME=知识产权".encode("gb18030"))
    with pytest.raises(SettingsError, match=r"\.env: is not UTF-8 at byte 18; save it as UTF-8$"):
        load(_env_file=file)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("OTHER=1\n\nthis is : no setting\n", 3),
        ('CIPO_BOT_NAME="half quoted\nCIPO_WEB_PORT=1\n', 1),
        ("# port\nCIPO_WEB_PORT\n", 2),
    ],
)
def test_a_line_that_is_no_setting_is_refused_with_its_number(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(SettingsError, match=rf"\.env:{line}: is no setting; write CIPO_NAME=value"):
        load(_env_file=tmp_path / ".env")


def test_lines_ending_as_on_windows_and_quoted_values_are_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b'# name\r\nCIPO_BOT_NAME="IP \xc2\xb7 desk" # shown\r\nCIPO_WEB_PORT=81\r\n')
    settings = load(_env_file=tmp_path / ".env")
    assert (settings.bot_name, settings.web_port) == ("IP · desk", 81)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match=r"\.env: is a folder; put the settings in a file of that name"):
        load(_env_file=tmp_path / ".env")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CIPO_BOT_NAME=知识产权", encoding="utf-8-sig")
    assert load(_env_file=tmp_path / ".env").bot_name == "知识产权"


@pytest.mark.parametrize("written", ["::1", "[::1]"])
def test_an_address_with_colons_stands_in_brackets(written: str) -> None:
    settings = Settings(_env_file=None, web_host=written)
    assert settings.web_host == "::1"
    assert settings.local_address() == "http://[::1]:8080"
    assert settings.local_address(5) == "http://[::1]:5"


def test_the_page_of_such_an_address_is_answered() -> None:
    origins, hosts = allowed_origins("fd00::1", 8080, None)
    assert "http://[fd00::1]:8080" in origins
    assert "[fd00::1]" in hosts


@pytest.mark.parametrize(
    ("written", "origin", "host"),
    [
        ("https://Advisor.Example.ORG:443/\n", "https://advisor.example.org", "advisor.example.org"),
        ("http://example.org:80", "http://example.org", "example.org"),
        ("https://example.org:8443/", "https://example.org:8443", "example.org"),
        ("https://顾问.example", "https://xn--8h5al4c.example", "xn--8h5al4c.example"),
        ("https://[FD00::0:1]:8443", "https://[fd00::1]:8443", "[fd00::1]"),
    ],
)
def test_the_public_address_is_taken_as_browsers_send_it(written: str, origin: str, host: str) -> None:
    settings = Settings(_env_file=None, public_url=written)
    assert settings.public_url == origin
    origins, hosts = allowed_origins("127.0.0.1", 8080, settings.public_url)
    assert origin in origins
    assert host in hosts


@pytest.mark.parametrize("name", ["CIPO_OPERATOR__VENUE", "CIPO_APPOINTMENT_REMINDERS"])
def test_a_fault_inside_a_value_names_the_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "[1]")
    with pytest.raises(SettingsError, match=rf"^{name}: "):
        load(_env_file=None)


def test_the_secret_key_is_made_once_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "new")
    key = settings.signing_key()
    assert len(key) >= 32
    assert settings.signing_key() == key
    mode = (tmp_path / "new" / "secret.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_an_empty_key_file_is_not_taken_for_a_key(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("")
    with pytest.raises(SettingsError, match="delete it"):
        Settings(_env_file=None, data_dir=tmp_path).signing_key()


@pytest.mark.parametrize(
    ("key", "mode", "told"),
    [(b"\xab" * 40, 0o600, "holds no key"), (b"k" * 40, 0o640, "others can read it; run: chmod 600")],
)
def test_a_key_that_is_none_or_open_to_others_is_refused(tmp_path: Path, key: bytes, mode: int, told: str) -> None:
    (tmp_path / "secret.key").write_bytes(key)
    (tmp_path / "secret.key").chmod(mode)
    with pytest.raises(SettingsError, match=told):
        Settings(_env_file=None, data_dir=tmp_path).signing_key()


def test_a_key_that_cannot_be_read_or_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(SettingsError, match=r"secret\.key: cannot be read \(Is a directory\)"):
        Settings(_env_file=None, data_dir=tmp_path).signing_key()
    with pytest.raises(SettingsError, match=r"secret\.key: cannot be written"):
        Settings(_env_file=None, data_dir=Path("/proc/nowhere")).signing_key()


def test_real_people_are_expected_with_a_token_or_a_public_address() -> None:
    assert not Settings(_env_file=None).is_public
    assert Settings(_env_file=None, telegram_token="123456:abc").is_public
    assert Settings(_env_file=None, public_url="https://advisor.example.org/").is_public


def test_the_example_names_every_setting_as_the_class_has_it() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example()


def test_an_operator_fact_is_one_text_or_one_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIPO_OPERATOR__VENUE", "Futian")
    monkeypatch.setenv("CIPO_OPERATOR__EVENT_FEE", json.dumps({"en": "Free.", "zh-Hans": "免费。"}))
    operator = load(_env_file=None).operator
    assert operator.venue == "Futian"
    assert operator.event_fee == {"en": "Free.", "zh-Hans": "免费。"}
