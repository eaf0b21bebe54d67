"""The catalogues kept in step with the code. `python -m bot.texts.catalogue` updates the files; `--check` only tells.

Messages are taken from `say("...")`, `say.plain("...")`, `say.count(...)`, `N_("...")` and the templates. English is
the message itself, so its catalogue holds plurals alone.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from bot.texts.translator import FOLDER, LOCALES

ROOT = FOLDER.parent.parent
CODE = ("bot", "handlers", "knowledge", "scheduler")
KEYWORDS = {
    "say": None,
    "plain": None,
    "unfilled": None,
    "N_": None,
    "_": None,
    "gettext": None,
    "count": (1, 2),
    "ngettext": (1, 2),
}
PLACEHOLDER = re.compile(r"\{[a-z_]*\}|%\([a-z_]+\)s")
TAG = re.compile(r"</?[a-z]+")
TRANSLATED = tuple(locale for locale in LOCALES if locale != "en")
_PO = {"zh-Hans": "zh_Hans_CN", "zh-Hant": "zh_Hant_HK"}


def extract() -> Catalog:
    """Every message of the code and the templates, with where it stands."""
    found = Catalog(charset="utf-8")
    for path, method in _sources():
        place = path.relative_to(ROOT).as_posix()
        for _, message, comments, _ in extract_from_file(method, path, keywords=KEYWORDS, options=_OPTIONS):
            found.add(message, locations=[(place, 0)], auto_comments=comments)
    return found


_OPTIONS = {"newstyle_gettext": "true", "trimmed": "true", "silent": "false", "encoding": "utf-8"}


def _sources() -> Iterator[tuple[Path, str]]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, "python"
    for path in sorted((FOLDER / "templates").rglob("*.html")):
        yield path, "jinja2.ext:babel_extract"


def po_file(locale: str) -> Path:
    return FOLDER / "locales" / f"{locale}.po"


def read(locale: str) -> Catalog:
    path = po_file(locale)
    if not path.exists():
        return Catalog(locale=_PO[locale], charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=_PO[locale])


def update() -> None:
    """Bring the catalogues in step: new messages come untranslated, those no longer said go."""
    template = extract()
    for locale in TRANSLATED:
        catalogue = read(locale)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        po_file(locale).parent.mkdir(exist_ok=True)
        with po_file(locale).open("wb") as file:
            write_po(file, catalogue, width=100, sort_output=True, omit_header=False, include_lineno=False)


def problems() -> Iterator[str]:
    """What is wrong with the catalogues, one line each."""
    template = extract()
    for locale in TRANSLATED:
        catalogue = read(locale)
        for message in template:
            if message.id:
                yield from _problems_of(message, catalogue, locale)
        for message in catalogue:
            if message.id and template.get(message.id) is None:
                yield f"{locale}: no longer said: {message.id!r}; run make texts"


def _problems_of(message: Message, catalogue: Catalog, locale: str) -> Iterator[str]:
    translated = catalogue.get(message.id)
    place = f"{locale}: {message.id!r} ({message.locations[0][0]})"
    if translated is None or not translated.string or translated.fuzzy:
        yield f"{place} is not translated"
        return
    originals, texts = _forms(message.id), _forms(translated.string)
    for text in texts:
        if not text:
            yield f"{place} is not translated"
        elif sorted(set(PLACEHOLDER.findall(text))) != sorted(set(PLACEHOLDER.findall(originals[-1]))):
            yield f"{place}: other placeholders in the translation"
        elif sorted(TAG.findall(text)) != sorted(TAG.findall(originals[-1])):
            yield f"{place}: other tags in the translation"


def _forms(text: Any) -> list[str]:
    """The singular and the plural, or the one text."""
    return [text] if isinstance(text, str) else list(text)


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        update()
    found = list(problems())
    print("\n".join(found) or "catalogues are complete")  # noqa: T201  this module is a command
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
