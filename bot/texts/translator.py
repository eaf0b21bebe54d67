"""Catalogues and templates: one `.po` file a locale, read at start; English is the message id.

`say = texts.translator(locale, zone)`; `say("Hello {name}", name=...)` gives escaped HTML, `say.plain(...)`
plain text for buttons, `say.page("start.html", ...)` a whole template. Times are always shown with their zone.
"""

import gettext
import io
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

LOCALES: Mapping[str, str] = {"en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}
"""The locales we speak, each with its own name."""

Localized = Mapping[str, str]
"""A text in several languages, by locale; `Translator.localized` picks the reader's."""

# parsed once: by name, each use would look for a file
_BABEL = {
    locale: Locale.parse(name)
    for locale, name in (("en", "en_GB"), ("zh-Hans", "zh_Hans_CN"), ("zh-Hant", "zh_Hant_HK"))
}
_DATE = {"en": "EEE d MMM y", "zh-Hans": "y年M月d日 EEE", "zh-Hant": "y年M月d日 EEE"}
_PLAIN_DATE = {"en": "d MMM y", "zh-Hans": "y年M月d日", "zh-Hant": "y年M月d日"}
_MONTH = {"en": "MMMM y", "zh-Hans": "y年M月", "zh-Hant": "y年M月"}

FOLDER = Path(__file__).parent
DEFAULT_ZONE = "Asia/Hong_Kong"


def N_(message: str) -> str:
    """Mark a message for translation where it is defined but not yet spoken."""
    return message


class Texts:
    """All catalogues and templates of an installation, read once a process. `bot_name` is what the bot calls itself."""

    def __init__(self, bot_name: str = "CIPO Advisor") -> None:
        self._templates = {locale: _environment(locale, bot_name) for locale in LOCALES}

    def translator(self, locale: str, zone: str = DEFAULT_ZONE) -> "Translator":
        locale = locale if locale in LOCALES else "en"
        return Translator(locale, zone, _catalogue(locale), self._templates[locale])


class Translator:
    """Speaks one locale to one reader, in the reader's zone."""

    def __init__(self, locale: str, zone: str, catalogue: gettext.NullTranslations, templates: Environment) -> None:
        self.locale = locale
        self.zone = zone
        self._catalogue = catalogue
        self._templates = templates

    def __call__(self, message: str, **values: Any) -> Markup:
        """Translated HTML; the values are escaped, the message's own tags are kept."""
        return Markup(self._catalogue.gettext(message)).format(**values)  # noqa: S704  our own text; the values are escaped

    def plain(self, message: str, **values: Any) -> str:
        """Translated plain text, for buttons, file names and calendar entries."""
        return self._catalogue.gettext(message).format(**values)

    def unfilled(self, message: str) -> str:
        """Translated plain text with its placeholders still in it, for whoever fills them elsewhere."""
        return self._catalogue.gettext(message)

    def count(self, one: str, many: str, n: int, **values: Any) -> Markup:
        return Markup(self._catalogue.ngettext(one, many, n)).format(n=n, **values)  # noqa: S704

    def page(self, template: str, **values: Any) -> str:
        """A template of the folder `templates`, rendered and stripped."""
        return self._templates.get_template(template).render(say=self, **values).strip()

    def localized(self, texts: Localized | str | None) -> str:
        """The reader's own of several language versions, else English, else whatever there is."""
        if texts is None or isinstance(texts, str):
            return texts or ""
        wanted = [self.locale, *(["zh-Hans", "zh-Hant"] if self.locale != "en" else []), "en"]
        return next((texts[code] for code in wanted if texts.get(code)), next(iter(texts.values()), ""))

    def plain_day(self, day: date) -> str:
        """A day far off, whose weekday tells nothing."""
        return format_date(day, _PLAIN_DATE[self.locale], locale=_BABEL[self.locale])

    def day(self, day: date) -> str:
        return format_date(day, _DATE[self.locale], locale=_BABEL[self.locale])

    def month(self, day: date) -> str:
        return format_date(day, _MONTH[self.locale], locale=_BABEL[self.locale])

    def weekdays(self) -> list[str]:
        """Monday to Sunday, as short as a column of seven needs."""
        names = _BABEL[self.locale].days["stand-alone"]["narrow"]
        if self.locale == "en":
            names = _BABEL["en"].days["stand-alone"]["short"]
        return [names[day] for day in range(7)]

    def time(self, instant: datetime, zone: str | None = None) -> str:
        """Clock time only; show it beside `zone_name`."""
        return instant.astimezone(ZoneInfo(zone or self.zone)).strftime("%H:%M")

    def when(self, start: datetime, end: datetime | None = None, zone: str | None = None) -> str:
        """Date, time and zone: "Tue 24 Nov 2026, 14:00–14:45 (Hong Kong, UTC+8)"."""
        zone = zone or self.zone
        text = self._moment(start, zone)
        if end is not None:
            same_day = end.astimezone(ZoneInfo(zone)).date() == start.astimezone(ZoneInfo(zone)).date()
            text += f"–{self.time(end, zone)}" if same_day else f" – {self._moment(end, zone)}"
        place = self.zone_name(zone, start)
        return f"{text} ({place})" if self.locale == "en" else f"{text}（{place}）"

    def _moment(self, instant: datetime, zone: str) -> str:
        day = self.day(instant.astimezone(ZoneInfo(zone)).date())
        return f"{day}{', ' if self.locale == 'en' else ' '}{self.time(instant, zone)}"

    def zone_name(self, zone: str, at: datetime) -> str:
        """City and offset at that instant: "Hong Kong, UTC+8"."""
        return f"{city(zone, self.locale)}{', ' if self.locale == 'en' else '，'}{_offset(zone, at)}"

    def stamp(self, instant: datetime) -> str:
        """Date and time without zone, for lists whose head names the zone."""
        return format_datetime(
            instant,
            "d MMM y, HH:mm" if self.locale == "en" else "y年M月d日 HH:mm",
            tzinfo=ZoneInfo(self.zone),
            locale=_BABEL[self.locale],
        )


@lru_cache(maxsize=512)
def city(zone: str, locale: str) -> str:
    """The city a time zone is told by, in that language."""
    if zone == "UTC":
        return "UTC"
    return get_timezone_location(zone, locale=_BABEL[locale], return_city=True)


def _offset(zone: str, at: datetime) -> str:
    seconds = int((at.astimezone(ZoneInfo(zone)).utcoffset() or at - at).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"UTC{'-' if seconds < 0 else '+'}{hours}" + (f":{minutes:02}" if minutes else "")


@cache
def _catalogue(locale: str) -> gettext.NullTranslations:
    path = FOLDER / "locales" / f"{locale}.po"
    if not path.exists():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=_BABEL[locale])
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def _environment(locale: str, bot_name: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # else each page would look at its file
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.globals["bot_name"] = bot_name
    environment.install_gettext_translations(_catalogue(locale), newstyle=True)  # type: ignore[attr-defined]
    return environment
