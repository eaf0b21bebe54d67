"""The questions from which an event is announced or moved, and what their answers mean. Pure.

An answer is kept as text in one exact form ("2026-12-03", "14:00", "+1 17:30" for the day after);
a question left out is answered by "".
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Self, cast

from bot.channels.telegram_html import check_url
from bot.texts import N_
from handlers.zones import find_zone
from scheduler.events.values import (
    LONGEST,
    WEB_ADDRESS,
    YEARS_AHEAD,
    EventDraft,
    EventKind,
    EventView,
    Problem,
    Times,
    instant,
)

Answers = Mapping[str, str]

KINDS = {"forum": N_("Forum"), "training": N_("Training")}
ZONES = (
    "Asia/Hong_Kong",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Europe/London",
    "America/New_York",
)
"""Offered on buttons; any other can be typed."""

DESCRIPTION_LIMIT = 2000
LINK_LIMIT = 500
"""Characters; less than an event may have, so that the summary fits one message with all titles."""

LONGEST_DAYS = 30
MOST_SEATS = 100_000

_DAYS = (
    re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})"),
    re.compile(r"([0-9]{4})年()([0-9]{1,2})月([0-9]{1,2})日"),
)
_CLOCK = (
    re.compile(r"([0-9]{1,2}):([0-9]{2})"),
    re.compile(r"([0-9]{1,2})[时時点點](?:([0-9]{1,2})分?)?"),
)
_LATER = re.compile(r"\+([0-9]{1,2}) (.+)")
_DAY_AND_CLOCK = re.compile(r"(.+?日|\S+\s)\s*(\S+)")


class BadAnswerError(Exception):
    """An answer that cannot be taken; `message` is for translation, `values` fill it."""

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(message)
        self.message = message
        self.values = values


# Reading what was typed


def _read_kind(text: str, answers: Answers, now: datetime) -> str:
    if text.lower() not in KINDS:
        raise BadAnswerError(N_("Please press one of the buttons."))
    return text.lower()


def _line_of(limit: int) -> Callable[[str, Answers, datetime], str]:
    def read(text: str, answers: Answers, now: datetime) -> str:
        line = " ".join(text.split())
        if not 0 < len(line) <= limit:
            raise BadAnswerError(N_("Please keep it to {limit} characters."), limit=limit)
        return line

    return read


def _read_description(text: str, answers: Answers, now: datetime) -> str:
    if not 0 < len(text) <= DESCRIPTION_LIMIT:
        raise BadAnswerError(N_("Please keep it to {limit} characters."), limit=DESCRIPTION_LIMIT)
    return text


def _read_date(text: str, answers: Answers, now: datetime) -> str:
    day = day_in(text)
    if day < (now - timedelta(hours=12)).date():  # still today where the day ends last
        raise BadAnswerError(N_("That day has passed."))
    if day.year > now.year + YEARS_AHEAD:
        raise BadAnswerError(N_("That is more than ten years ahead."))
    return day.isoformat()


def day_in(text: str) -> date:
    """The day of "2026-12-03", "2026/12/3" or "2026年12月3日"; BadAnswerError for others."""
    found = _match(_DAYS, text)
    if found is None:
        raise BadAnswerError(N_("I cannot read that as a day."))
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        raise BadAnswerError(N_("There is no such day in the calendar.")) from None


def _read_starts(text: str, answers: Answers, now: datetime) -> str:
    return f"{clock_in(text):%H:%M}"


def clock_in(text: str) -> time:
    """The time of "14:00", "14点" or "14时30分", in full-width digits too; BadAnswerError for others."""
    found = _match(_CLOCK, text)
    if found is None:
        raise BadAnswerError(N_("I cannot read that as a time of the 24-hour clock."))
    try:
        return time(int(found[1]), int(found[2] or 0))
    except ValueError:
        raise BadAnswerError(N_("There is no such time on the clock.")) from None


def _match(patterns: Sequence[re.Pattern[str]], text: str) -> re.Match[str] | None:
    """The first pattern that the whole text fits, full-width digits and spaces put aside."""
    plain = "".join(unicodedata.normalize("NFKC", text).split())
    return next((match for pattern in patterns if (match := pattern.fullmatch(plain))), None)


def _read_ends(text: str, answers: Answers, now: datetime) -> str:
    days, clock = _days_and_clock(text, date.fromisoformat(answers["date"]))
    if (days, clock) <= (0, time.fromisoformat(answers["starts"])):
        raise BadAnswerError(N_("It must end after it begins, at {starts}."), starts=answers["starts"])
    if days > LONGEST_DAYS:
        raise BadAnswerError(N_("An event lasts {days} days at most."), days=LONGEST_DAYS)
    return f"+{days} {clock:%H:%M}" if days else f"{clock:%H:%M}"


def _days_and_clock(text: str, first: date) -> tuple[int, time]:
    """How many days after `first`, and when."""
    if later := _LATER.fullmatch(text):
        return int(later[1]), clock_in(later[2])
    if both := _DAY_AND_CLOCK.fullmatch(unicodedata.normalize("NFKC", text)):
        return (day_in(both[1]) - first).days, clock_in(both[2])
    return 0, clock_in(text)


def _read_zone(text: str, answers: Answers, now: datetime) -> str:
    if (zone := find_zone(text)) is None:
        raise BadAnswerError(N_("I do not know that time zone."))
    return zone


def _read_link(text: str, answers: Answers, now: datetime) -> str:
    try:
        link = check_url(text)
    except ValueError:
        link = ""
    if len(link) > LINK_LIMIT or not WEB_ADDRESS.fullmatch(link):
        raise BadAnswerError(N_("That is no web address that begins with https://."))
    return link


def _read_seats(text: str, answers: Answers, now: datetime) -> str:
    plain = unicodedata.normalize("NFKC", text)
    if not re.fullmatch(r"[0-9]{1,6}", plain) or not 0 < int(plain) <= MOST_SEATS:
        raise BadAnswerError(N_("Please write a number from 1 to {most}."), most=MOST_SEATS)
    return str(int(plain))


# The questions


@dataclass(frozen=True, slots=True)
class Question:
    """`read(text, answers before, now)` gives the exact form or raises BadAnswerError.

    `without` is what the button says that leaves it out; None where an answer is needed.
    """

    step: str
    name: str
    text: str
    read: Callable[[str, Answers, datetime], str]
    without: str | None = None


TIMES = (
    Question(
        "date",
        N_("Day"),
        N_("On which day does it begin? Write it like 2026-12-03 or 2026年12月3日."),
        _read_date,
    ),
    Question(
        "starts",
        N_("Start"),
        N_("At what time does it begin, by the clock of the place? Write it like 14:00."),
        _read_starts,
    ),
    Question(
        "ends",
        N_("End"),
        N_(
            "When does it end? Write the time like 17:30; if it is on a later day, that day too, like 2026-12-04 17:30."
        ),
        _read_ends,
    ),
    Question(
        "zone",
        N_("Time zone"),
        N_("In which time zone are these times? Press one, or write another like Europe/Berlin."),
        _read_zone,
    ),
)
NEW = (
    Question("kind", N_("Kind"), N_("Is it a forum or a training?"), _read_kind),
    Question(
        "title_en",
        N_("Title"),
        N_("What is its title in English?"),
        _line_of(LONGEST["title"]),
    ),
    Question(
        "title_hans",
        N_("Title in 简体中文"),
        N_("What is its title in Simplified Chinese (简体中文)?"),
        _line_of(LONGEST["title"]),
        without=N_("Same as in English"),
    ),
    Question(
        "title_hant",
        N_("Title in 繁體中文"),
        N_("What is its title in Traditional Chinese (繁體中文)?"),
        _line_of(LONGEST["title"]),
        without=N_("Same as in 简体中文"),
    ),
    *TIMES,
    Question(
        "venue",
        N_("Place"),
        N_("Where does it take place? One line, as people should read it."),
        _line_of(LONGEST["venue"]),
        without=N_("No place"),
    ),
    Question(
        "link",
        N_("Link"),
        N_("Is there a link to join online, with https://? Only those registered see it."),
        _read_link,
        without=N_("Not online"),
    ),
    Question(
        "seats",
        N_("Seats"),
        N_("How many seats are there?"),
        _read_seats,
        without=N_("No limit"),
    ),
    Question(
        "description",
        N_("Description"),
        N_("What else should people know about it? You may write several lines."),
        _read_description,
        without=N_("Nothing more"),
    ),
)

_ASKED_AGAIN = {
    Problem.IN_THE_PAST: ("date", N_("That moment has passed already.")),
    Problem.TOO_FAR: ("date", N_("That is more than ten years ahead.")),
    Problem.ENDS_BEFORE_START: ("ends", N_("It would end before it begins.")),
    Problem.UNKNOWN_ZONE: ("zone", N_("I do not know that time zone.")),
    Problem.NO_TITLE: ("title_en", N_("It needs a title.")),
    Problem.NO_SEATS: ("seats", N_("It needs at least one seat.")),
    Problem.NOT_HTTPS: ("link", N_("That is no web address that begins with https://.")),
    Problem.TOO_LONG: ("description", N_("That is too long.")),
}


# The form as far as it is filled in


@dataclass(frozen=True, slots=True)
class Form:
    """`event` is the one that is moved, as it stood at `revision`; None for a new one.

    `before` are answers that stood earlier: they are offered again. `locale` is the language in
    which the place and the description are written.
    """

    event: int | None
    revision: int
    locale: str
    answers: Answers = field(default_factory=dict)
    before: Answers = field(default_factory=dict)

    @classmethod
    def of(cls, event: EventView, locale: str) -> Self:
        """To move an event: its present times are offered."""
        days = (event.ends_local.date() - event.starts_local.date()).days
        ends = f"{event.ends_local:%H:%M}"
        before = {
            "date": event.starts_local.date().isoformat(),
            "starts": f"{event.starts_local:%H:%M}",
            "ends": f"+{days} {ends}" if days else ends,
            "zone": event.zone,
        }
        return cls(event.id, event.revision, locale, {}, before)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        return cls(**data)

    def data(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def questions(self) -> tuple[Question, ...]:
        return NEW if self.event is None else TIMES

    @property
    def open(self) -> Question | None:
        """The question that is asked now; None when all are answered."""
        return next((q for q in self.questions if q.step not in self.answers), None)

    def asks(self, step: str) -> bool:
        """Whether that is the open question."""
        return self.open is not None and self.open.step == step

    @property
    def number(self) -> int:
        """The place of the open question, from 1."""
        return next(n for n, q in enumerate(self.questions, 1) if q.step not in self.answers)

    @property
    def previous(self) -> Question | None:
        """The question before the open one."""
        return self.questions[self.number - 2] if self.number > 1 else None

    @property
    def digest(self) -> str:
        """Tells this state of the form from any other."""
        content = json.dumps(self.data(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def answered(self, text: str, now: datetime) -> Self:
        """The open question answered, BadAnswerError if it is not; "" leaves out what may be left out."""
        question = self.open
        assert question is not None, "all questions are answered"
        left_out = not text and question.without is not None
        value = "" if left_out else question.read(text, self.answers, now)
        return replace(self, answers={**self.answers, question.step: value})

    def kept(self) -> Self:
        """The open question answered as before, checked again only as a whole."""
        assert self.open is not None, "all questions are answered"
        step = self.open.step
        return replace(self, answers={**self.answers, step: self.before[step]})

    def asking(self, step: str) -> Self:
        """The question open again, its answer offered."""
        return replace(self, answers=_without(self.answers, step), before={**self.before, **self.answers})

    def without(self, step: str) -> Self:
        """The question open again, its answer dropped."""
        return replace(self, answers=_without(self.answers, step), before=_without(self.before, step))

    def trouble(self, now: datetime) -> tuple[str, str] | None:
        """What the times together make impossible: the question to ask again, and why."""
        if any(question.step not in self.answers for question in TIMES):
            return None
        problem = self.times.problem(now)
        return asked_again(problem) if problem else None

    @property
    def times(self) -> Times:
        first = date.fromisoformat(self.answers["date"])
        days, clock = _days_and_clock(self.answers["ends"], first)
        starts = datetime.combine(first, time.fromisoformat(self.answers["starts"]))
        ends = datetime.combine(first + timedelta(days=days), clock)
        return Times(starts, ends, self.answers["zone"])

    def draft(self) -> EventDraft:
        """The new event; all questions must be answered."""
        english = self.answers["title_en"]
        simplified = self.answers["title_hans"] or english
        traditional = self.answers["title_hant"] or simplified
        return EventDraft(
            kind=cast("EventKind", self.answers["kind"]),
            title={"en": english, "zh-Hans": simplified, "zh-Hant": traditional},
            times=self.times,
            summary={},
            description=self._text("description"),
            venue=self._text("venue"),
            online_url=self.answers["link"] or None,
            capacity=int(self.answers["seats"]) if self.answers["seats"] else None,
        )

    def _text(self, step: str) -> dict[str, str]:
        return {self.locale: self.answers[step]} if self.answers[step] else {}


def _without(answers: Answers, step: str) -> Answers:
    return {name: value for name, value in answers.items() if name != step}


def asked_again(problem: Problem) -> tuple[str, str]:
    """The question to ask again because of the problem, and what is wrong in words to translate."""
    return _ASKED_AGAIN[problem]


def preview(draft: EventDraft, now: datetime) -> EventView:
    """The event as it will be once the draft is added."""
    times = draft.times
    return EventView(
        id=0,
        slug=draft.name(),
        kind=draft.kind,
        status="published",
        title=draft.title,
        summary=draft.summary,
        description=draft.description,
        venue=draft.venue,
        online=draft.online_url is not None,
        online_url=draft.online_url,
        starts_local=times.starts_local,
        ends_local=times.ends_local,
        zone=times.zone,
        starts_at=instant(times.starts_local, times.zone),
        ends_at=instant(times.ends_local, times.zone),
        capacity=draft.capacity,
        taken=0,
        registered=False,
        revision=0,
        sample=draft.sample,
        created_at=now,
        changed_at=now,
    )


def moved(event: EventView, times: Times) -> EventView:
    """The event as it will be at its new times."""
    return replace(
        event,
        starts_local=times.starts_local,
        ends_local=times.ends_local,
        zone=times.zone,
        starts_at=instant(times.starts_local, times.zone),
        ends_at=instant(times.ends_local, times.zone),
    )
