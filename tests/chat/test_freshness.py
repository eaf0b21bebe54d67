"""Entries past their review date: a caution and a person for readers, one digest a week for curators."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.outbox.models import OutboxRow
from bot.people.models import AuditRecord, Contact
from knowledge.curation import Drafted, Published
from knowledge.freshness import REVIEW_DUE, SOON, due
from knowledge.library import Entry
from tests.conftest import MovableClock
from tests.machine import Machine, Seen, Visitor

DAYS = st.dates(date(2026, 1, 1), date(2028, 1, 1))
MONDAY = datetime(2030, 1, 7, 1, 0, tzinfo=UTC)
"""Nine in the morning in Hong Kong, when every shipped entry is overdue."""
DIGEST = "Answers due for a review"


def entry(entry_id: str, review_by: date, valid_to: date | None = None) -> Entry:
    made = {"as_of": date(2026, 1, 1), "review_by": review_by, "valid_from": None, "valid_to": valid_to}
    return Entry(entry_id, "cipo", "editorial", ("HK",), **made, sources=(), related=(), tags=(), texts={})


@given(st.lists(st.tuples(DAYS, st.none() | DAYS), max_size=20), DAYS)
def test_due_is_what_is_past_its_date_or_will_be_within_thirty_days(
    drawn: list[tuple[date, date | None]], day: date
) -> None:
    entries = [entry(f"cipo-{n}", *dates) for n, dates in enumerate(drawn)]
    found = due(entries, day)
    standing = {e.id for e in entries if e.valid_to is None or e.valid_to >= day}
    assert {e.id for e in found.overdue} == {e.id for e in entries if e.id in standing and e.review_by < day}
    coming = {e.id for e in entries if day <= e.review_by <= day + SOON}
    assert {e.id for e in found.soon} == standing & coming
    assert [e.review_by for e in found.entries] == sorted(e.review_by for e in found.entries)
    assert sum(late + soon for _, late, soon in found.by_category()) == len(found.entries)


async def digests(chat: Machine) -> list[Any]:
    async with chat.core.db.read() as tx:
        rows = await tx.execute(select(OutboxRow.contact_id, OutboxRow.key).where(OutboxRow.kind == REVIEW_DUE))
        return list(rows.all())


async def at(chat: Machine, clock: MovableClock, when: datetime) -> None:
    """What happens by then."""
    clock.set(when)
    await chat.core.live.look()
    await chat.core.services.freshness.remind()
    await chat.settled()


async def test_curators_and_administrators_get_one_digest_on_monday_morning(
    chat: Machine,
    clock: MovableClock,
) -> None:
    clock.set(MONDAY - timedelta(days=1))
    curator, admin = await chat.staff("curator"), await chat.staff("admin", locale="zh-Hans")
    expert, reader = await chat.staff("expert"), await chat.visitor()
    await reader.says("/start")
    await at(chat, clock, MONDAY - timedelta(minutes=1))
    assert await digests(chat) == []
    for minutes in (0, 15, 600):
        await at(chat, clock, MONDAY + timedelta(minutes=minutes))
    assert len(await digests(chat)) == 2
    message = await curator.last()
    found = await chat.core.services.freshness.due()
    assert DIGEST in message.text
    assert f"{len(found.overdue)} answers are overdue" in message.text
    assert "CIPO role and programme: " in message.text
    assert "待复核的答案" in (await admin.last()).text
    assert not any(DIGEST in each.text for each in [*await expert.page(), *await reader.page()])
    opened = await curator.presses(found.entries[0].id, message)
    assert "Read and still right" in opened.labels()
    assert "Rewrite the answer" in opened.labels()
    await at(chat, clock, MONDAY + timedelta(days=7))
    assert len(await digests(chat)) == 4


async def test_monday_is_monday_where_the_curator_lives(chat: Machine, clock: MovableClock) -> None:
    clock.set(MONDAY - timedelta(days=1))
    await chat.staff("curator")
    async with chat.core.db.write() as tx:
        await tx.execute(Contact.__table__.update().values(zone="America/New_York"))
    await at(chat, clock, MONDAY)  # still Sunday there
    assert await digests(chat) == []
    await at(chat, clock, MONDAY + timedelta(hours=13))
    assert len(await digests(chat)) == 1


async def test_nothing_is_sent_when_nothing_is_due_or_it_is_not_monday(
    chat: Machine,
    clock: MovableClock,
) -> None:
    clock.set(datetime(2026, 11, 9, 1, 0, tzinfo=UTC))
    await chat.staff("curator")
    await at(chat, clock, clock.now())
    assert (await chat.core.services.freshness.due()).entries == ()
    assert await digests(chat) == []
    await at(chat, clock, MONDAY + timedelta(days=2))
    assert (await chat.core.services.freshness.due()).entries
    assert await digests(chat) == []


async def test_who_is_no_curator_any_more_gets_none(chat: Machine, clock: MovableClock) -> None:
    clock.set(MONDAY)
    curator = await chat.staff("curator")
    await chat.core.live.look()
    await chat.core.services.freshness.remind()
    await curator.says("/erase")
    await curator.presses("Yes, erase everything")
    await chat.settled()
    assert not any(DIGEST in message.text for message in await curator.page())


@pytest.mark.parametrize("locale", ["en", "zh-Hans", "zh-Hant"])
async def test_an_answer_past_its_review_is_given_with_a_caution_and_a_person_first(
    locale: str,
    chat: Machine,
    clock: MovableClock,
) -> None:
    reader = await chat.visitor(locale)
    asked = "What does a CIPO do?" if locale == "en" else "CIPO 具体做什么？"
    fresh = await reader.says(asked)
    assert "⚠️" not in fresh.text
    await at(chat, clock, MONDAY)
    due_now = await reader.says(asked)
    assert "⚠️" in due_now.text
    assert [(data or "").partition(":")[0] for _, data in due_now.buttons[:2]] == ["ask", "book"]


async def test_popularity_does_not_move_the_date_and_a_published_text_does(
    chat: Machine,
    clock: MovableClock,
) -> None:
    await at(chat, clock, MONDAY)
    reader = await chat.visitor()
    for _ in range(5):
        await reader.says("What does a CIPO do?")
        await reader.presses("👍")
    overdue = {e.id for e in (await chat.core.services.freshness.due()).overdue}
    assert "cipo-01" in overdue
    curation = chat.core.services.curation
    live = next(each for each in await curation.history("cipo-01") if each.state == "published")
    content = await curation.content(live.id)
    assert content is not None
    drafted = await curation.draft(None, "cipo-01", [{**content[0], "review_by": "2031-01-01"}])
    assert isinstance(drafted, Drafted)
    await chat.core.live.look()
    assert "cipo-01" in {e.id for e in (await chat.core.services.freshness.due()).overdue}
    assert isinstance(await curation.publish(None, drafted.revision.id), Published)
    await chat.core.live.look()
    assert {e.id for e in (await chat.core.services.freshness.due()).overdue} == overdue - {"cipo-01"}


# A review


async def reads(chat: Machine, curator: Visitor) -> Seen:
    """The oldest of what is due, as the curator finds it."""
    await curator.says("/knowledge")
    due = await curator.presses("Due for a review")
    return await curator.presses(due.labels()[0].partition(":")[0], due)


async def test_an_entry_that_was_read_and_is_still_right_is_due_no_more(chat: Machine, clock: MovableClock) -> None:
    clock.set(MONDAY)
    await chat.core.live.look()
    curator, curation = await chat.staff("curator"), chat.core.services.curation
    [oldest, *_] = (await chat.core.services.freshness.due()).entries
    seen = await reads(chat, curator)
    assert oldest.id in seen.text
    assert f"to be reviewed by {oldest.review_by.day} " in seen.text
    assert "中文" in "".join(seen.labels())
    reviewed = await curator.presses("Read and still right")
    assert "Noted as reviewed today." in reviewed.text
    assert "read and still right" in reviewed.text
    assert "Read and still right" not in reviewed.labels()
    now = (await chat.core.live.view()).library.get(oldest.id, chat.core.live.today())
    assert now is not None
    assert now.as_of == date(2030, 1, 7)
    assert now.review_by - now.as_of == max(oldest.review_by - oldest.as_of, timedelta(days=91))
    newest, first = await curation.history(oldest.id)
    again = await curation.still_right(newest.published_by, first.id)  # pressed twice
    assert isinstance(again, Published)
    assert [revision.id for revision in await curation.history(oldest.id)] == [newest.id, first.id]
    async with chat.core.db.read() as tx:
        about = AuditRecord.subject == f"entry:{oldest.id}"
        records = (await tx.execute(select(AuditRecord.action, AuditRecord.actor_id).where(about))).all()
    assert [record.action for record in records] == ["entry.drafted", "entry.published"]
    assert all(record.actor_id is not None for record in records)


async def test_what_another_published_meanwhile_has_to_be_read_first(chat: Machine, clock: MovableClock) -> None:
    clock.set(MONDAY)
    await chat.core.live.look()
    curator, curation = await chat.staff("curator"), chat.core.services.curation
    [oldest, *_] = (await chat.core.services.freshness.due()).entries
    seen = await reads(chat, curator)
    drafted = await curation.add_phrasing(None, oldest.id, "en", "office of the owl")
    assert isinstance(drafted, Drafted)
    assert isinstance(await curation.publish(None, drafted.revision.id), Published)
    after = await curator.presses("Read and still right", seen)
    assert "Somebody published another text since you read this." in after.text
    assert oldest.id in {entry.id for entry in (await chat.core.services.freshness.due()).entries}
    assert "Noted as reviewed today." in (await curator.presses("Read and still right", after)).text


async def test_who_published_a_rewriting_can_say_that_the_rest_is_right(chat: Machine, clock: MovableClock) -> None:
    clock.set(datetime(2026, 12, 1, 1, 0, tzinfo=UTC))
    await chat.core.live.look()
    curator = await chat.staff("curator")
    assert "Read and still right" not in (await curator.says("/knowledge cipo-01")).labels()
    await curator.presses("Rewrite the answer")
    await curator.presses("English")
    await curator.says("It **leads** all work on intellectual property.")
    await curator.presses("What would change?")
    assert "Read and still right" in (await curator.presses("Publish")).labels()
    await curator.presses("Read and still right")
    now = await chat.core.services.answers.entry("cipo-01", "en")
    assert now is not None
    assert now.as_of == date(2026, 12, 1)
