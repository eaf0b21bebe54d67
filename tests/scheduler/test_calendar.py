"""Calendar files, read back by a parser that is not the one which wrote them."""

import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.calendar import CalendarItem, Method, content_type, feed, ics, uid_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import vobject  # type: ignore[import-untyped]

HK_TEN = datetime(2026, 11, 9, 2, tzinfo=UTC)
BOOKED = CalendarItem(
    uid="appointment-7@advisor.example",
    sequence=0,
    start=HK_TEN,
    end=HK_TEN + timedelta(minutes=45),
    zone="Asia/Hong_Kong",
    summary="Talk with Dr Chan",
    stamp=datetime(2026, 11, 1, 8, 30, tzinfo=UTC),
    description="Bring the filing receipt.\nRoom 3, then lunch; all welcome, bar none.",
    location="HKIPX, Wan Chai",
    url="https://advisor.example/a/7",
    organizer_name="HKIPX",
)
INVITED = replace(
    BOOKED,
    organizer_email="advisor@hkipx.example",
    attendee_name="Li Wei",
    attendee_email="li.wei@firm.example",
)


def parsed(file: bytes) -> Any:
    return vobject.readOne(file.decode())


def event_of(file: bytes) -> Any:
    return parsed(file).vevent


def lines_of(file: bytes) -> list[str]:
    return file.decode().replace("\r\n ", "").split("\r\n")


def test_a_confirmation_reads_back_as_it_was_written() -> None:
    calendar = parsed(ics(BOOKED, "PUBLISH"))
    event = calendar.vevent
    assert calendar.version.value == "2.0"
    assert calendar.prodid.value == "-//HKIPX//CIPO Advisor//EN"
    assert calendar.method.value == "PUBLISH"
    assert event.uid.value == BOOKED.uid
    assert event.sequence.value == "0"
    assert event.status.value == "CONFIRMED"
    assert event.summary.value == BOOKED.summary
    assert event.description.value == BOOKED.description
    assert event.location.value == BOOKED.location
    assert event.url.value == BOOKED.url
    assert event.dtstamp.value == BOOKED.stamp
    assert (event.dtstart.value, event.dtend.value) == (BOOKED.start, BOOKED.end)


def test_times_are_written_as_the_hours_of_the_place() -> None:
    lines = lines_of(ics(BOOKED, "PUBLISH"))
    assert "DTSTART;TZID=Asia/Hong_Kong:20261109T100000" in lines
    assert "DTEND;TZID=Asia/Hong_Kong:20261109T104500" in lines
    assert "DTSTAMP:20261101T083000Z" in lines


def test_a_published_entry_names_an_organiser_and_no_attendee() -> None:
    lines = lines_of(ics(INVITED, "PUBLISH"))
    assert "ORGANIZER;CN=HKIPX:mailto:advisor@hkipx.example" in lines
    assert not any(line.startswith("ATTENDEE") for line in lines)
    assert "ORGANIZER;CN=HKIPX:invalid:nomail" in lines_of(ics(BOOKED, "PUBLISH"))


def test_an_invitation_names_both_sides_and_asks_nothing_back() -> None:
    event = event_of(ics(INVITED, "REQUEST"))
    assert event.organizer.value == "mailto:advisor@hkipx.example"
    assert event.attendee.value == "mailto:li.wei@firm.example"
    assert event.attendee.params["PARTSTAT"] == ["ACCEPTED"]
    assert event.attendee.params["RSVP"] == ["FALSE"]
    assert event.attendee.params["CN"] == ["Li Wei"]


@pytest.mark.parametrize("missing", ["organizer_email", "attendee_email"])
def test_an_invitation_without_an_address_is_refused(missing: str) -> None:
    incomplete = replace(INVITED, **{missing: ""})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="addresses"):
        ics(incomplete, "REQUEST")


def test_a_move_keeps_the_uid_and_raises_the_sequence() -> None:
    later = timedelta(days=1)
    moved = replace(BOOKED, sequence=1, start=BOOKED.start + later, end=BOOKED.end + later)
    before, after = event_of(ics(BOOKED, "PUBLISH")), event_of(ics(moved, "PUBLISH"))
    assert after.uid.value == before.uid.value
    assert int(after.sequence.value) == int(before.sequence.value) + 1
    assert after.dtstart.value - before.dtstart.value == later


def test_a_cancellation_takes_the_same_entry_away() -> None:
    calendar = parsed(ics(replace(INVITED, sequence=2, alarm=timedelta(hours=1)), "CANCEL"))
    event = calendar.vevent
    assert calendar.method.value == "CANCEL"
    assert event.status.value == "CANCELLED"
    assert event.uid.value == BOOKED.uid
    assert event.sequence.value == "2"
    assert event.organizer.value == "mailto:advisor@hkipx.example"
    assert event.attendee.value == "mailto:li.wei@firm.example"
    assert not hasattr(event, "valarm")


def test_a_cancellation_without_addresses_still_has_an_organiser() -> None:
    event = event_of(ics(replace(BOOKED, sequence=1), "CANCEL"))
    assert event.organizer.value == "invalid:nomail"
    assert not hasattr(event, "attendee")


def test_a_cancellation_that_no_calendar_would_heed_is_refused() -> None:
    with pytest.raises(ValueError, match="sequence"):
        ics(BOOKED, "CANCEL")


def test_the_calendar_rings_before_the_start_if_asked() -> None:
    event = event_of(ics(replace(BOOKED, alarm=timedelta(minutes=30)), "PUBLISH"))
    assert event.valarm.trigger.value == -timedelta(minutes=30)
    assert event.valarm.action.value == "DISPLAY"
    assert not hasattr(event_of(ics(BOOKED, "PUBLISH")), "valarm")


def test_chinese_text_survives_folding_between_bytes() -> None:
    text = "首席知識產權官(CIPO)諮詢, 專利布局、商標註冊與技術轉移。請提前十分鐘到場; 多謝。" * 6
    file = ics(replace(BOOKED, summary=text, description=text), "PUBLISH")
    assert event_of(file).summary.value == text
    assert event_of(file).description.value == text
    assert all(len(line) <= 75 for line in file.split(b"\r\n"))
    for line in file.split(b"\r\n"):
        line.decode()


def test_every_line_ends_as_the_standard_says() -> None:
    file = ics(replace(BOOKED, description="one\r\ntwo\rthree\nfour"), "PUBLISH")
    assert file.endswith(b"END:VCALENDAR\r\n")
    assert file.count(b"\n") == file.count(b"\r\n") == file.count(b"\r")
    assert event_of(file).description.value == "one\ntwo\nthree\nfour"


def test_characters_that_no_one_sees_are_left_out() -> None:
    item = replace(BOOKED, description="a\x00b\x07\tc\x85d\ud800", summary="a\x00b\ud800")
    event = event_of(ics(item, "PUBLISH"))
    assert event.description.value == "ab\tc\nd"
    assert event.summary.value == "a b"


BREAKS = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x00\n", "\\n\n"]
FIELDS = ["uid", "summary", "description", "location", "url", "organizer_name", "attendee_name"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("line_break", BREAKS)
def test_no_field_can_add_a_line(field: str, line_break: str) -> None:
    attack = f"x{line_break}ATTENDEE:mailto:evil@x.example{line_break}END:VEVENT"
    prefix = "https://a.example/" if field == "url" else ""
    item = replace(INVITED, **{field: prefix + attack})  # type: ignore[arg-type]
    file = ics(item, "REQUEST")
    event = event_of(file)
    assert len(event.attendee_list) == 1
    assert not any(line.startswith("ATTENDEE:") for line in re.split("[\r\n]+", file.decode()))
    assert lines_of(file).count("END:VEVENT") == 1


@pytest.mark.parametrize("name", ['Dr "Ann" Chan', "Chan; CN=x", "Chan:mailto:x", "Chan, Ann", "陳大文"])
def test_no_name_leaves_its_parameter(name: str) -> None:
    event = event_of(ics(replace(INVITED, organizer_name=name, attendee_name=name), "REQUEST"))
    assert event.organizer.value == "mailto:advisor@hkipx.example"
    assert event.attendee.value == "mailto:li.wei@firm.example"
    assert set(event.organizer.params) == {"CN"}
    assert event.organizer.params["CN"] == [name.replace('"', "'")]


@given(st.text(max_size=200), st.sampled_from(["summary", "description", "location"]))
def test_any_text_leaves_one_whole_entry(text: str, field: str) -> None:
    file = ics(replace(BOOKED, **{field: text}), "PUBLISH")  # type: ignore[arg-type]
    event = event_of(file)
    assert event.uid.value == BOOKED.uid
    assert event.dtend.value == BOOKED.end
    assert all(len(line) <= 75 for line in file.split(b"\r\n"))


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "https://a.example/ b", "", "a.example"])
def test_only_web_addresses_become_links(url: str) -> None:
    assert not hasattr(event_of(ics(replace(BOOKED, url=url), "PUBLISH")), "url")


@pytest.mark.parametrize(
    ("zone", "instants"),
    [
        ("Europe/London", [(2027, 3, 28, 0, 30), (2027, 3, 28, 1), (2026, 10, 24, 12)]),
        ("Europe/London", [(2026, 10, 25, 0), (2026, 10, 25, 2), (2027, 7, 1, 8)]),
        ("America/New_York", [(2027, 3, 14, 6, 30), (2027, 3, 14, 7, 30), (2026, 11, 1, 18)]),
        ("Australia/Lord_Howe", [(2026, 10, 3, 15), (2026, 10, 3, 16), (2027, 4, 3, 18)]),
        ("Asia/Shanghai", [(2026, 12, 31, 17), (2027, 1, 1, 0)]),
        ("UTC", [(2026, 12, 31, 17)]),
    ],
)
def test_the_rules_of_the_zone_in_the_file_give_the_same_instant(zone: str, instants: list[tuple[int, ...]]) -> None:
    for when in instants:
        start = datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]
        item = replace(BOOKED, zone=zone, start=start, end=start + timedelta(minutes=20))
        assert instant_in(ics(item, "PUBLISH"), zone) == start


def instant_in(file: bytes, zone: str) -> datetime:
    """The start, worked out by hand from nothing but the lines of the file."""
    lines = lines_of(file)
    event_start = [line for line in lines if line.startswith("DTSTART")][-1]
    written = event_start.partition(":")[2]
    if written.endswith("Z"):
        return datetime.strptime(written, "%Y%m%dT%H%M%S%z")
    local = datetime.strptime(written, "%Y%m%dT%H%M%S")  # noqa: DTZ007
    assert event_start.startswith(f"DTSTART;TZID={zone}:")
    blocks = re.findall(r"BEGIN:(?:STANDARD|DAYLIGHT)\n(.*?)\nEND:", "\n".join(lines), re.DOTALL)
    onsets = sorted(dict(line.split(":") for line in block.split("\n"))["DTSTART"] for block in blocks)
    last = [onset for onset in onsets if onset <= written][-1]
    block = next(block for block in blocks if f"DTSTART:{last}" in block)
    sign, hours, mins = re.search(r"TZOFFSETTO:([+-])(\d\d)(\d\d)", block).groups()  # type: ignore[union-attr]
    offset = timedelta(hours=int(hours), minutes=int(mins)) * (-1 if sign == "-" else 1)
    return (local - offset).replace(tzinfo=UTC)


def test_summer_time_starts_in_the_file_at_the_old_clocks_hour() -> None:
    file = ics(replace(BOOKED, zone="Europe/London"), "PUBLISH").decode()
    daylight = re.findall(r"BEGIN:DAYLIGHT\r\n.*?END:DAYLIGHT", file, re.DOTALL)
    assert any("DTSTART:20270328T010000" in block for block in daylight)
    assert all("TZOFFSETFROM:+0000" in block for block in daylight)


def test_a_time_in_the_hour_that_comes_twice_is_written_in_utc() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for start in (first, first + timedelta(hours=1)):
        item = replace(BOOKED, zone="Europe/London", start=start, end=start + timedelta(minutes=20))
        assert event_of(ics(item, "PUBLISH")).dtstart.value == start
        assert f"DTSTART:{start:%Y%m%dT%H%M%SZ}" in lines_of(ics(item, "PUBLISH"))


def test_a_feed_holds_all_entries_and_each_zone_once() -> None:
    item = replace(BOOKED, uid="event-1@advisor.example", zone="Europe/London")
    gone = replace(BOOKED, uid="event-2@advisor.example", sequence=1, status="CANCELLED")
    file = feed([BOOKED, item, gone], "顧問\r\nX:1")
    calendar = parsed(file)
    assert [event.uid.value for event in calendar.vevent_list] == [BOOKED.uid, item.uid, gone.uid]
    assert calendar.vevent_list[2].status.value == "CANCELLED"
    assert calendar.contents["x-wr-calname"][0].value == "顧問 X:1"
    assert file.count(b"BEGIN:VTIMEZONE") == 2


def test_an_empty_feed_is_a_calendar() -> None:
    assert parsed(feed([], "Advisor")).method.value == "PUBLISH"


def test_a_uid_is_the_same_each_time_and_different_for_each_thing() -> None:
    made = datetime(2026, 11, 23, 10, 0, 5, 999, tzinfo=ZoneInfo("Asia/Hong_Kong"))
    assert uid_for("appointment", 7, made) == "appointment-7@20261123t020005.cipo-advisor"
    others = [made, made + timedelta(seconds=1)]
    uids = {uid_for(kind, number, at) for kind in ("event", "appointment") for number in (1, 11) for at in others}
    assert len(uids) == 8


def test_a_uid_of_odd_parts_is_refused() -> None:
    for kind in ("a\r\nb", ""):
        with pytest.raises(ValueError, match="not a kind"):
            uid_for(kind, 1, HK_TEN)
    with pytest.raises(ValueError, match="without a zone"):
        uid_for("event", 1, HK_TEN.replace(tzinfo=None))


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL", "PUBLISH"])
def test_the_content_type_names_the_method_of_the_file(method: Method) -> None:
    file = ics(replace(INVITED, sequence=1), method)
    assert content_type(method).endswith(f"method={parsed(file).method.value}")


@pytest.mark.parametrize(
    "changes",
    [
        {"end": HK_TEN},
        {"start": datetime(2026, 11, 9, 10)},
        {"sequence": -1},
        {"organizer_email": "a@b.example\r\nX:1"},
        {"attendee_email": "no address"},
        {"attendee_email": "a@b.example,c@d.example"},
    ],
)
def test_an_entry_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        replace(INVITED, **changes)


def test_every_zone_is_known_to_be_written_quickly_and_whole() -> None:
    for zone in ("Asia/Hong_Kong", "Africa/Casablanca", "America/Havana", "Pacific/Chatham"):
        item = replace(BOOKED, zone=zone)
        assert event_of(ics(item, "PUBLISH")).dtstart.value == item.start
        local = item.start.astimezone(ZoneInfo(zone))
        assert f"DTSTART;TZID={zone}:{local:%Y%m%dT%H%M%S}" in lines_of(ics(item, "PUBLISH"))
