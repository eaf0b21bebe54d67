"""Adding experts, from the command line or as samples."""

from datetime import timedelta
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import insert

from bot.storage import Tx
from bot.texts import one_line
from scheduler.appointments.availability import EPOCH, Rules
from scheduler.appointments.models import Expert, ExpertHours, ExpertOverride
from scheduler.appointments.values import TOPICS, ExpertDraft


async def add(tx: Tx, draft: ExpertDraft) -> int:
    """The new expert's id; ValueError, saying what is wrong, for a draft that makes no sense."""
    check(draft)
    expert_id: int = (await tx.execute(insert(Expert).values(_row(draft)).returning(Expert.id))).scalar_one()
    windows = [
        {"expert_id": expert_id, "weekday": weekday, "start_minute": start, "end_minute": end}
        for weekday, spans in draft.hours.items()
        for start, end in spans
    ]
    await tx.execute(insert(ExpertHours), windows)
    days = [
        {"expert_id": expert_id, "day": day, "windows": [list(span) for span in spans]}
        for day, spans in draft.overrides.items()
    ]
    if days:
        await tx.execute(insert(ExpertOverride), days)
    return expert_id


def check(draft: ExpertDraft) -> None:
    """ValueError for the first thing that is wrong."""
    _require(any(draft.name.values()), "an expert needs a name")
    _require(bool(draft.languages), "an expert speaks a language")
    _require(bool(draft.topics), f"an expert needs a topic of {', '.join(TOPICS)}")
    _require(set(draft.topics) <= set(TOPICS), f"topics are {', '.join(TOPICS)}")
    _require(any(draft.hours.values()), "an expert has hours in some week")
    _require(draft.window_days > 0, "the days that can be booked ahead are 1 or more")
    limits = (draft.per_day, draft.per_week)
    _require(all(limit is None or limit > 0 for limit in limits), "a limit is 1 or more")
    try:
        _rules(draft)
    except ZoneInfoNotFoundError as error:
        raise ValueError(f"no time zone: {draft.zone}") from error


def _rules(draft: ExpertDraft) -> Rules:
    durations = (draft.length, draft.interval, draft.before, draft.after, draft.notice)
    length, interval, before, after, notice = (timedelta(minutes=minutes) for minutes in durations)
    return Rules([(EPOCH, draft.zone)], draft.hours, draft.overrides, length, interval, before, after, notice)


def _row(draft: ExpertDraft) -> dict[str, object]:
    return {
        "name": {locale: one_line(text) for locale, text in draft.name.items()},
        "title": {locale: one_line(text) for locale, text in draft.title.items()},
        "bio": dict(draft.bio),
        "languages": list(draft.languages),
        "topics": list(draft.topics),
        "zone": draft.zone,
        "length": draft.length,
        "grid": draft.interval,
        "buffer_before": draft.before,
        "buffer_after": draft.after,
        "notice": draft.notice,
        "window_days": draft.window_days,
        "per_day": draft.per_day,
        "per_week": draft.per_week,
        "meeting_info": dict(draft.meeting_info) if draft.meeting_info else None,
        "sample": draft.sample,
    }


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)
