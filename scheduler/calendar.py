"""iCalendar files: what a person keeps of an appointment or an event. Pure.

Which method, and who stands in the file (RFC 5546):

- PUBLISH hands over an entry and asks nothing back; it must not name an attendee. It is right for a
  file that is sent into a chat or downloaded: there is no address an answer could come from, and
  calendars add the entry without asking "accept or decline?".
- REQUEST is an invitation. It is refused without the addresses of both sides, since Outlook shows
  one without an organiser as a request that cannot be answered. It is for e-mail.
- CANCEL takes an entry away. It goes by UID and a SEQUENCE higher than any before, and is therefore
  refused with SEQUENCE 0. Calendars that act on invitations only leave an entry in place that was
  merely published, so the message around the file must say in words that it is cancelled.

An ORGANIZER is demanded by all three. Where there is no address it reads "invalid:nomail", as
Exchange itself writes it; the name is still shown.

A move is the same UID with SEQUENCE + 1. Times are local times with their zone beside them, so that
calendars show the place's own hour. Within the hour that comes twice in autumn a local time says
too little, and readers disagree on which run it means: there the time is written in UTC.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from icalendar import (
    Alarm,
    Calendar,
    Event,
    Timezone,
    TimezoneDaylight,
    TimezoneStandard,
    vCalAddress,
    vUri,
)

Method: TypeAlias = Literal["REQUEST", "CANCEL", "PUBLISH"]
Status: TypeAlias = Literal["CONFIRMED", "TENTATIVE", "CANCELLED"]

PRODUCT = "-//HKIPX//CIPO Advisor//EN"
NO_ADDRESS = "invalid:nomail"
KIND = re.compile(r"[a-z]+")
ADDRESS = re.compile(r"[^\s@<>\"(),:;\\]+@[A-Za-z0-9.-]+")
WEB_ADDRESS = re.compile(r"https?://[^\s\"<>]+", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
HOUR = timedelta(hours=1)
YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class CalendarItem:
    """One entry of a calendar.

    start and end are aware instants, zone the IANA name of the zone whose hours are written.
    stamp is when this state of the entry was made (DTSTAMP); sequence grows with each change.
    A url other than http(s) is left out. alarm is how long before the start the calendar rings.
    Addresses are bare (name@host). Raises ValueError for times or addresses that cannot be.
    """

    uid: str
    sequence: int
    start: datetime
    end: datetime
    zone: str
    summary: str
    stamp: datetime
    description: str = ""
    location: str = ""
    url: str = ""
    organizer_name: str = ""
    organizer_email: str = ""
    attendee_name: str = ""
    attendee_email: str = ""
    status: Status = "CONFIRMED"
    alarm: timedelta | None = None

    def __post_init__(self) -> None:
        for moment in (self.start, self.end, self.stamp):
            _require(moment.utcoffset() is not None, "an instant without a zone")
        _require(self.start < self.end, "an entry ends after it starts")
        _require(self.sequence >= 0, "a sequence counts from 0")
        for address in filter(None, (self.organizer_email, self.attendee_email)):
            _require(ADDRESS.fullmatch(address) is not None, f"not an e-mail address: {address!r}")


def uid_for(kind: str, number: int, made_at: datetime) -> str:
    """The UID of an entry for ever: the same for each file about it, and no one else's.

    `made_at`, the aware instant at which the thing came into being, tells installations apart whose numbers are the
    same; names of hosts would not do, as addresses change.
    """
    _require(KIND.fullmatch(kind) is not None, f"not a kind: {kind!r}")
    _require(made_at.utcoffset() is not None, "an instant without a zone")
    return f"{kind}-{number}@{made_at.astimezone(UTC):%Y%m%dt%H%M%S}.cipo-advisor"


def ics(item: CalendarItem, method: Method) -> bytes:
    """The file, in UTF-8. The package's text says which method is for what.

    Raises ValueError for a REQUEST without both addresses and for a CANCEL with sequence 0.
    """
    if method == "REQUEST":
        _require(bool(item.organizer_email and item.attendee_email), "a REQUEST needs addresses")
    if method == "CANCEL":
        _require(item.sequence > 0, "a CANCEL comes after what it cancels: sequence above 0")
    return bytes(_calendar([item], method).to_ical())


def content_type(method: Method) -> str:
    """For the e-mail part that carries the file: calendars act on the method named here."""
    return f"text/calendar; charset=utf-8; method={method}"


def feed(items: Iterable[CalendarItem], name: str) -> bytes:
    """A calendar to subscribe to: all entries published, cancelled ones marked as such."""
    calendar = _calendar(list(items), "PUBLISH")
    calendar.add("x-wr-calname", _line(name))
    calendar.add("refresh-interval", HOUR, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    return bytes(calendar.to_ical())


def _calendar(items: list[CalendarItem], method: Method) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    for zone in sorted({item.zone for item in items} - {"UTC"}):
        here = [item for item in items if item.zone == zone]
        first, last = min(item.start for item in here), max(item.end for item in here)
        calendar.add_component(_timezone(zone, first, last))
    for item in items:
        calendar.add_component(_event(item, method))
    return calendar


def _event(item: CalendarItem, method: Method) -> Event:
    event = Event()
    event.add("uid", _line(item.uid))
    event.add("sequence", item.sequence)
    event.add("dtstamp", item.stamp.astimezone(UTC))
    event.add("dtstart", _local(item.start, item.zone))
    event.add("dtend", _local(item.end, item.zone))
    event.add("status", "CANCELLED" if method == "CANCEL" else item.status)
    event.add("transp", "OPAQUE")
    event.add("organizer", _person(item.organizer_email, item.organizer_name))
    if item.attendee_email and method != "PUBLISH":
        event.add("attendee", _attendee(item, method))
    _describe(event, item)
    if item.alarm is not None and method != "CANCEL" and item.status != "CANCELLED":
        event.add_component(_alarm(item.alarm, item.summary))
    return event


def _describe(event: Event, item: CalendarItem) -> None:
    event.add("summary", _line(item.summary))
    if item.description:
        event.add("description", _paragraphs(item.description))
    if item.location:
        event.add("location", _line(item.location))
    if WEB_ADDRESS.fullmatch(item.url):
        event.add("url", vUri(item.url))


def _person(email: str, name: str) -> vCalAddress:
    person = vCalAddress(f"mailto:{email}" if email else NO_ADDRESS)
    if name:
        # a quotation mark cannot stand in a parameter, however it is escaped
        person.params["CN"] = _line(name).replace('"', "'")
    return person


def _attendee(item: CalendarItem, method: Method) -> vCalAddress:
    attendee = _person(item.attendee_email, item.attendee_name)
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    if method == "REQUEST":
        # the person has booked: there is nothing left to accept
        attendee.params["PARTSTAT"] = "ACCEPTED"
        attendee.params["RSVP"] = "FALSE"
    return attendee


def _alarm(before: timedelta, summary: str) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", -before)
    alarm.add("description", _line(summary))
    return alarm


def _local(moment: datetime, zone: str) -> datetime:
    local = moment.astimezone(ZoneInfo(zone))
    comes_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return local.astimezone(UTC) if comes_twice else local


# The zone's rules around the entries. icalendar's own Timezone.from_tzinfo writes the onset of
# summer time an hour late (in the new offset, where RFC 5545 wants the old) and takes 20 ms.


def _timezone(zone: str, first: datetime, last: datetime) -> Timezone:
    """The zone from a year before the first entry to a year after the last."""
    info = ZoneInfo(zone)
    since = datetime(first.year - 1, 1, 1, tzinfo=UTC)
    timezone = Timezone()
    timezone.add("tzid", zone)
    timezone.add_component(_observance(since, since, info))
    for change in _changes(info, since, last + YEAR):
        timezone.add_component(_observance(change - timedelta(seconds=1), change, info))
    return timezone


def _observance(before: datetime, onset: datetime, info: ZoneInfo) -> TimezoneDaylight | TimezoneStandard:
    old, new = _offset(before, info), _offset(onset, info)
    local = onset.astimezone(info)
    observance = TimezoneDaylight() if local.dst() else TimezoneStandard()
    observance.add("dtstart", (onset + old).replace(tzinfo=None))
    observance.add("tzoffsetfrom", old)
    observance.add("tzoffsetto", new)
    observance.add("tzname", local.tzname() or str(info))
    return observance


def _changes(info: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
    for start, end in pairwise(days):
        old = _offset(start, info)
        if _offset(end, info) != old:
            yield _first_change(info, start)


def _first_change(info: ZoneInfo, start: datetime) -> datetime:
    """The first second of the day from start on at which the clock is set otherwise."""
    old = _offset(start, info)
    return start + timedelta(
        seconds=bisect_right(range(86400), 0, key=lambda s: _offset(start + timedelta(seconds=s), info) != old)
    )


def _offset(moment: datetime, info: ZoneInfo) -> timedelta:
    return moment.astimezone(info).utcoffset() or timedelta()


# Text: no line may end where the writer of a name or a title wants it to


def _line(text: str) -> str:
    return CONTROL.sub(" ", text).strip()


def _paragraphs(text: str) -> str:
    return INVISIBLE.sub("", LINE_END.sub("\n", text)).strip()


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)
