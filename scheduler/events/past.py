"""Events gone by: those of the programme, shipped with the product, and how our own are told."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scheduler.events.values import EventView, PastEvent

FILE = Path(__file__).with_name("past.yaml")


@cache
def shipped() -> tuple[PastEvent, ...]:
    return tuple(_read(entry) for entry in yaml.safe_load(FILE.read_text(encoding="utf-8")))


def from_view(event: EventView) -> PastEvent:
    """An event that was run here, by the calendar of its own place."""
    return PastEvent(
        title=event.title,
        text=event.summary,
        place=event.venue,
        year=event.starts_local.year,
        first=event.starts_local.date(),
        last=event.ends_local.date(),
        url=None,
        event_id=event.id,
    )


def _read(entry: dict[str, Any]) -> PastEvent:
    first: date | None = entry["first"]
    return PastEvent(
        title=entry["title"],
        text=entry["text"],
        place=entry["place"] or {},
        year=first.year if first else entry["year"],
        first=first,
        last=entry["last"],
        url=entry["url"],
        event_id=None,
    )
