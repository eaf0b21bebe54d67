"""Everything an operator can set: environment variables `CIPO_...` or a file `.env`.

Each field's description is also its comment in `.env.example`, which `run_bot.py check --env-example` prints.
"""

import os
import re
import secrets
import stat
from collections.abc import Iterable
from difflib import get_close_matches
from io import StringIO
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.clock import known_zones


class OperatorError(Exception):
    """Something the operator can mend; the text says in one line where and how."""


class SettingsError(OperatorError):
    """A wrong setting."""


def _known_zone(zone: str) -> str:
    if zone not in known_zones():
        raise ValueError("is no IANA time zone; write it like Asia/Hong_Kong")
    return zone


LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
"""What stands between the dots of a host name."""

Zone = Annotated[str, AfterValidator(_known_zone)]
Fact = str | dict[Literal["en", "zh-Hans", "zh-Hant"], str] | None


class OperatorFacts(BaseModel):
    """What only the organiser can say. An unset fact is never invented: the organiser confirms it.

    Each is one text for all, or a JSON object with a text a language:
    {"en": "...", "zh-Hans": "...", "zh-Hant": "..."}.
    """

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _an_object_is_whole(cls, fact: Fact) -> Fact:
        if isinstance(fact, str) and fact.lstrip().startswith("{"):
            raise ValueError('is no JSON; write it like {"en": "...", "zh-Hans": "..."}')
        return fact

    name: Fact = None
    appointment_fee: Fact = None
    event_fee: Fact = None
    training_fee: Fact = None
    session_length: Fact = None
    venue: Fact = None
    cancellation_rule: Fact = None
    confidentiality: Fact = None
    conflict_check: Fact = None
    response_time: Fact = None
    certificate: Fact = None
    session_languages: Fact = None
    privacy_contact: Fact = None
    retention: Fact = None


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CIPO_",
        env_file=".env",
        env_file_encoding="utf-8-sig",  # some editors put a mark in front, which would become part of the first name
        env_nested_delimiter="__",
        extra="ignore",
    )

    data_dir: Path = Field(Path("data"), description="Folder of the embedded database and the secret key.")
    database_url: str | None = Field(
        None, description="postgresql://user:password@host/name; unset: an SQLite file in the data folder."
    )
    web_host: str = Field("127.0.0.1", description="Address to listen on. Only loopback unless you mean it.")
    web_port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None, description="Address under which people reach the web chat, e.g. https://advisor.example.org."
    )
    secret_key: SecretStr | None = Field(
        None, min_length=32, description="Signs visitors' cookies; unset: made once, kept in the data folder."
    )
    telegram_token: SecretStr | None = Field(None, description="Token of the Telegram bot, from @BotFather.")
    telegram_api_url: str = Field("https://api.telegram.org", description="Base address of the Bot API.")
    bot_name: str = Field("CIPO Advisor", min_length=1, max_length=64, description="Name shown to people.")
    default_zone: Zone = Field("Asia/Hong_Kong", description="Time zone of people who have not chosen one.")
    hold_minutes: int = Field(15, ge=1, le=120, description="How long a slot is held while a person fills in.")
    appointment_reminders: list[Annotated[int, Field(ge=5, le=43200)]] = Field(
        [1440, 60], description="Minutes before an appointment at which both sides are reminded, as JSON."
    )
    most_appointments: int = Field(
        3, ge=1, le=1000, description="How many appointments ahead of them one person can have at a time."
    )
    messages_per_minute: int = Field(
        30, ge=1, le=1000, description="Updates a minute that one chat may send before it is asked to slow down."
    )
    answer_from: float = Field(
        0.87,
        gt=0,
        le=1,
        description="How sure of an entry, 0 to 1, the engine has to be to answer with it. At the default about 97 of "
        "100 answers are right; see docs/benchmarks.md.",
    )
    suggest_from: float = Field(0.3, gt=0, le=1, description='And how sure to ask "did you mean".')
    questions_kept_days: int = Field(
        180, ge=1, le=3650, description="How many days questions are kept; then they are deleted with all about them."
    )
    fitting: bool = Field(
        True,
        description="Fit the ranking of answers to what is published, in a process beside that keeps a core busy for a "
        "while; one replica does it for all. Without, answers are found by their words alone.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")
    operator: OperatorFacts = Field(
        default_factory=OperatorFacts,
        description="The organiser's own facts, each CIPO_OPERATOR__<NAME>; see docs/configuration.md.",
    )

    @field_validator("database_url")
    @classmethod
    def _a_database_we_speak(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("postgresql://", "sqlite:///")):
            raise ValueError("must begin with postgresql:// or sqlite:///")
        return url

    @field_validator("web_host")
    @classmethod
    def _a_host_to_bind(cls, host: str) -> str:
        host = host.strip().removeprefix("[").removesuffix("]")
        if not host:
            raise ValueError("is empty, which would listen everywhere; write 127.0.0.1, or 0.0.0.0 if you mean that")
        return host

    @field_validator("bot_name")
    @classmethod
    def _a_name_to_show(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("is blank; write a name, or leave the line out")
        return name.strip()

    @field_validator("data_dir", mode="before")
    @classmethod
    def _a_folder_of_its_own(cls, folder: Any) -> Any:
        if isinstance(folder, str) and not folder.strip():
            raise ValueError("is blank; name a folder, or leave the line out")
        return folder

    @field_validator("secret_key")
    @classmethod
    def _a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().strip()) < 32:
            raise ValueError("should have at least 32 characters that are not blanks around it")
        return key

    @field_validator("suggest_from")
    @classmethod
    def _below_an_answer(cls, suggest: float, info: ValidationInfo) -> float:
        if suggest > info.data.get("answer_from", 1.0):
            raise ValueError("must not lie above CIPO_ANSWER_FROM")
        return suggest

    @field_validator("public_url", "telegram_api_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        return _canonical(url.strip())

    @field_validator("public_url")
    @classmethod
    def _an_origin(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).path:
            raise ValueError("must be an address without a path, like https://advisor.example.org")
        return url

    @field_validator("telegram_token")
    @classmethod
    def _a_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", token.get_secret_value()):
            raise ValueError("must look like 123456789:AbC..., as @BotFather prints it")
        return token

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path | None:
        """The file of the embedded database."""
        if self.database_url is None:
            return (self.data_dir / "cipo.db").absolute()
        path = self.database_url.removeprefix("sqlite:///")
        return Path(path) if path != self.database_url else None

    def local_address(self, port: int | None = None) -> str:
        """Where the web chat is found without a public address; `port` is the one taken when any would do."""
        return f"http://{bracketed(self.web_host)}:{self.web_port if port is None else port}"

    @property
    def is_public(self) -> bool:
        """Whether real people are expected here, so that sample data must not be shown."""
        return self.telegram_token is not None or self.public_url is not None

    def signing_key(self) -> str:
        """The key that signs cookies; made on first use, readable by the owner alone."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        path = self.data_dir / "secret.key"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _new_key(path)
        except FileExistsError:
            return _kept_key(path)
        except OSError as error:
            raise SettingsError(f"{path}: cannot be written ({error.strerror}); or set CIPO_SECRET_KEY") from None


def _new_key(path: Path) -> str:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(key := secrets.token_urlsafe(48))
    except OSError:
        path.unlink()  # on a full disk, an empty one would stay
        raise
    return key


def _kept_key(path: Path) -> str:
    try:
        key, mode = path.read_bytes().strip().decode("ascii"), path.stat().st_mode
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); mend that, or set CIPO_SECRET_KEY") from None
    except UnicodeDecodeError:
        key, mode = "", 0
    if len(key) < 32:
        raise SettingsError(f"{path}: holds no key; delete it and start again, or set CIPO_SECRET_KEY")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path}: others can read it; run: chmod 600 {path}, or set CIPO_SECRET_KEY")
    return key


def _canonical(url: str) -> str:
    """The address as browsers write it in Host and Origin; a ValueError does not repeat it: it may hold a password."""
    wrong = ValueError("must be an address like https://advisor.example.org, with no user, query or wildcard in it")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "")
        if ":" in host:
            host = f"[{IPv6Address(host)}]"
        else:
            host = host.encode("idna").decode("ascii").lower()
            if not all(re.fullmatch(LABEL, label) for label in host.split(".")):
                raise wrong
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or port == 0 or re.search(r"[?#\s\\]", url):
        raise wrong
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}{'' if port in (None, default) else f':{port}'}{parts.path.rstrip('/')}"


def bracketed(host: str) -> str:
    """A host as addresses have it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def load(**overrides: Any) -> Settings:
    """The settings of this installation; SettingsError with one line for the first that is wrong."""
    file = overrides.get("_env_file", ".env")
    _refuse_unknown([*os.environ, *(_names_in(Path(file)) if file else ())])
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None
    except ValueError as error:  # pydantic-settings could not read a list or object
        name = str(error).partition('"')[2].partition('"')[0].upper()
        raise SettingsError(f"CIPO_{name}: is no JSON; write lists like [1440, 60] (see .env.example)") from None


def _names_in(file: Path) -> list[str]:
    """SettingsError for what would be passed over in silence: a line that is none, a name without a value."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except IsADirectoryError:
        raise SettingsError(f"{file}: is a folder; put the settings in a file of that name, or remove it") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})") from None
    names: list[str] = []
    for found in parse_stream(StringIO(text)):
        written = found.original.string
        if found.error or (found.value is None and (found.key or "").upper().startswith("CIPO_")):
            line = found.original.line + len(written) - len(written.lstrip("\n"))
            raise SettingsError(
                f"{file}:{line}: is no setting; write CIPO_NAME=value, with both quotes or none, and # before remarks"
            )
        names += [found.key] if found.key else []
    return names


def _refuse_unknown(names: Iterable[str]) -> None:
    """A misspelt name would leave its setting at the default without a word; facts are looked at with their values."""
    known = [f"CIPO_{name.upper()}" for name in Settings.model_fields]
    for name in (name.upper() for name in names):
        if name.startswith("CIPO_") and not name.startswith("CIPO_OPERATOR__") and name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{name}: there is no such setting; did you mean {nearest}? See .env.example")


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    # behind the name, and that of a fact, stands where in its value the fault lies
    parts = first["loc"][: 2 if first["loc"][0] == "operator" else 1]
    name = "CIPO_" + "__".join(str(part) for part in parts).upper()
    reason = first["msg"].removeprefix("Value error, ")
    return f"{name}: {reason}; mend it in the environment or in .env (see .env.example)"


def env_example() -> str:
    """The text of `.env.example`: every setting with what it is and its default."""
    lines = ["# Every setting of CIPO Advisor. Copy to .env and change what you need; all are optional.", ""]
    for name, field in Settings.model_fields.items():
        if name == "operator":
            lines += ["", f"# {field.description}"]
            lines += [f"# CIPO_OPERATOR__{fact.upper()}=" for fact in OperatorFacts.model_fields]
        else:
            lines += [f"# {field.description}", f"# CIPO_{name.upper()}={_example(field.default)}"]
    return "\n".join(lines) + "\n"


def _example(default: Any) -> str:
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
