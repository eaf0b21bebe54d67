"""The fields of an entry as texts that people copy, change and send back: lists with one item a line. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from knowledge.exchange import read_source, source_line
from knowledge.library import Written

IN_EACH_LANGUAGE: Final = ("question", "phrasings", "answer")
FIELDS: Final = (*IN_EACH_LANGUAGE, "tags", "related", "sources")
LISTS: Final = ("phrasings", "tags", "related", "sources")
NOTHING: Final = "-"
"""Sent for a list that is to be empty, as an empty message cannot be sent."""


def as_text(entry: Written, field: str, locale: str | None) -> str:
    """The field's value, in the language if it has one in each."""
    place: Mapping[str, Any] = entry if locale is None else entry[locale]
    value = place.get(field) or ()
    if field == "sources":
        value = [source_line(source) for source in value]
    return "\n".join(map(str, value)) if field in LISTS else str(value)


def from_text(field: str, text: str) -> str | list[Any]:
    """The value that a person wrote for a field."""
    if field == "answer":
        return text.strip()
    if field not in LISTS:
        return " ".join(text.split())
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    lines = [] if lines == [NOTHING] else list(dict.fromkeys(lines))
    return [read_source(line) for line in lines] if field == "sources" else lines
