"""Askers who want to be told: one message is owed when their question has an answer.

It has one when the text that a curator made of it is published, or when the engine of a later publication answers it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import aliased

from bot.clock import Clock
from bot.outbox.outbox import NewRow, Outbox
from bot.outbox.port import Kind, Owed, Reader
from bot.storage import Database, Tx, insert_into
from bot.texts import Button, Message
from bot.texts.actions import AskExpert, RateAnswer, ShowCategory
from knowledge.answers import Answers
from knowledge.curation import READ_AGAIN
from knowledge.library import SMALL_TALK
from knowledge.live import Live, View
from knowledge.models import AskedQuestion, DealtMiss, EntryRevision, Wish

ANSWERED = "question.answered"
USEFUL_FOR = timedelta(days=14)
AT_ONCE = 200
"""Questions tried in one look; the others follow in the next."""

STANDS = Wish.withdrawn_at.is_(None) & Wish.settled_at.is_(None)


class Wishes:
    def __init__(self, db: Database, clock: Clock, outbox: Outbox, live: Live, answers: Answers) -> None:
        self._db = db
        self._clock = clock
        self._outbox = outbox
        self._live = live
        self._answers = answers

    async def wish(self, contact_id: int, question: int, locale: str) -> bool:
        """The asker agrees to be told; again is harmless. False for a question that is not theirs, or is gone.

        A wish that was fulfilled stands anew, for what is published from now on.
        """
        mine = select(AskedQuestion.id).where(AskedQuestion.id == question, AskedQuestion.contact_id == contact_id)
        row = {"question_id": question, "locale": locale, "wished_at": self._clock.now()}
        insert = insert_into(self._db, Wish).values(row)
        again = {**{name: insert.excluded[name] for name in ("locale", "wished_at")}, **_ANEW}
        async with self._db.write() as tx:
            if (await tx.execute(mine)).first() is None:
                return False
            await tx.execute(insert.on_conflict_do_update(index_elements=["question_id"], set_=again, where=~STANDS))
        return True

    async def stands(self, contact_id: int, question: int) -> bool:
        """Whether the asker of that question waits to be told."""
        theirs = select(AskedQuestion.id).where(AskedQuestion.contact_id == contact_id)
        mine = select(Wish.question_id).where(Wish.question_id == question, Wish.question_id.in_(theirs), STANDS)
        async with self._db.read() as tx:
            return (await tx.execute(mine)).first() is not None

    async def withdraw(self, contact_id: int, question: int) -> bool:
        """The asker does not want to be told any more; False where there is no such wish."""
        theirs = select(AskedQuestion.id).where(AskedQuestion.contact_id == contact_id)
        mine = (Wish.question_id == question) & Wish.question_id.in_(theirs)
        undone = update(Wish).where(mine).values(withdrawn_at=self._clock.now())
        async with self._db.write() as tx:
            return (await tx.execute(undone.returning(Wish.question_id))).first() is not None

    async def look(self) -> None:
        """Owe a message where a curator's answer to the question is published, or where the engine of now answers.

        The engine is asked once each.
        """
        if not self._live.is_ready:
            return
        view = await self._live.view()
        async with self._db.read() as tx:
            made = (await tx.execute(_made_for(view))).all()
            waiting = (await tx.execute(_waiting(view.engine.model))).all()
        if not made and not waiting:
            return
        answers = await asyncio.to_thread(_tried, view, waiting)
        now = self._clock.now()
        async with self._db.write() as tx:
            for row in made:
                await self._owe(tx, row, row.made_into, row.revision_id, now)
            await self._tried(tx, view, [row.id for row in waiting])
            published = await _published(tx, answers.values())
            for row in waiting:
                news = published.get(answers.get(row.id, ""))
                if news is not None and _is_news(row, news.published_at):
                    await self._owe(tx, row, news.entry_id, news.id, now)
        self._outbox.wake()

    async def _tried(self, tx: Tx, view: View, questions: Sequence[int]) -> None:
        await tx.execute(update(Wish).where(Wish.question_id.in_(questions)).values(tried_with=view.engine.model))

    async def _owe(self, tx: Tx, row: Row[Any], entry: str, revision: int, now: datetime) -> None:
        """Once: whoever settles the wish owes the message. A wish that stands anew is for another revision."""
        settled = update(Wish).where(Wish.question_id == row.id, STANDS).values(settled_at=now)
        if (await tx.execute(settled.returning(Wish.question_id))).first() is None:
            return
        shown = update(AskedQuestion).where(AskedQuestion.id == row.id).values(entry_id=entry, helpful=None)
        await tx.execute(shown)  # so that a 👍 or 👎 is to this answer
        news = NewRow(
            kind=ANSWERED,
            contact_id=row.contact_id,
            subject=f"question:{row.id}",
            key=f"{ANSWERED}:{row.id}:{revision}",
            payload={"question": row.id, "entry": entry},
            due_at=now,
            expires_at=now + USEFUL_FOR,
        )
        await self._outbox.enqueue(tx, [news])

    def kinds(self) -> list[Kind]:
        return [Kind(ANSWERED, "at_least_once", _still_wished, self._render)]

    async def _render(self, tx: Tx, owed: Owed, reader: Reader) -> Message | None:
        question, say = owed.payload["question"], reader.say
        asked = select(AskedQuestion.text).where(AskedQuestion.id == question)
        text = (await tx.execute(asked)).scalar_one_or_none()
        entry = await self._answers.entry(owed.payload["entry"], say.locale)
        if text is None or entry is None:
            return None
        rating = (Button("👍", RateAnswer(question, True)), Button("👎", RateAnswer(question, False)))
        person = Button(say.plain("Ask an expert"), AskExpert(question))
        more = Button(say.plain("More on this topic"), ShowCategory(entry.category, 0))
        return Message(say.page("answers/answered.html", text=text, entry=entry), (rating, (person, more)))


_ANEW: Mapping[str, None] = {"withdrawn_at": None, "settled_at": None}
_ASKED = (AskedQuestion.id, AskedQuestion.contact_id, AskedQuestion.asked_at, AskedQuestion.entry_id)


def _waiting(model: str) -> Any:
    """The questions that the engine of that name was not asked yet."""
    to_decide = (AskedQuestion.text, AskedQuestion.locale, AskedQuestion.context)
    untried = Wish.tried_with.is_distinct_from(model)
    waiting = select(*_ASKED, *to_decide, Wish.wished_at).join(Wish, Wish.question_id == AskedQuestion.id)
    return waiting.where(STANDS, untried).order_by(AskedQuestion.id).limit(AT_ONCE)


def _made_for(view: View) -> Any:
    """The questions of which a curator made something that is published, with the entry it is in now."""
    made = select(*_ASKED, DealtMiss.revision_id, EntryRevision.entry_id.label("made_into"))
    dealt = made.join(Wish, Wish.question_id == AskedQuestion.id).join(
        DealtMiss, DealtMiss.question_id == AskedQuestion.id
    )
    found = dealt.join(EntryRevision, EntryRevision.id == DealtMiss.revision_id)
    holding = {entry.id for entry in view.library.valid(view.day)}
    told = STANDS & EntryRevision.published_at.is_not(None) & EntryRevision.entry_id.in_(holding)
    return found.where(told).order_by(AskedQuestion.id).limit(AT_ONCE)


def _is_news(row: Row[Any], published_at: datetime) -> bool:
    """Only what a curator published since: the rest the asker could have found before, or was shown in vain."""
    if row.entry_id is not None:
        return bool(published_at > row.wished_at)
    return bool(published_at >= row.asked_at)


def _tried(view: View, waiting: Iterable[Row[Any]]) -> Mapping[int, str]:
    """The questions that the engine answers, with the entry."""
    decisions = {row.id: view.engine.decide(row.text, row.locale, row.context) for row in waiting}
    answered = {number: each.candidates[0].entry_id for number, each in decisions.items() if each.kind == "answer"}
    return {number: entry for number, entry in answered.items() if not _is_small_talk(view, entry)}


def _is_small_talk(view: View, entry: str) -> bool:
    found = view.library.get(entry, view.day)
    return found is None or found.category == SMALL_TALK


async def _published(tx: Tx, entries: Iterable[str]) -> Mapping[str, Row[Any]]:
    """The entries' present revisions, with when their texts were published: a review changes no text."""
    earlier = aliased(EntryRevision)
    of_text = select(func.max(earlier.published_at)).where(
        earlier.entry_id == EntryRevision.entry_id, earlier.note != READ_AGAIN
    )
    those = EntryRevision.entry_id.in_(set(entries)) & (EntryRevision.state == "published")
    columns: Any = (EntryRevision.id, EntryRevision.entry_id, of_text.scalar_subquery().label("published_at"))
    rows = await tx.execute(select(*columns).where(those))
    return {row.entry_id: row for row in rows}


async def _still_wished(tx: Tx, owed: Owed, now: datetime) -> bool:
    stands = (Wish.question_id == owed.payload["question"]) & Wish.withdrawn_at.is_(None)
    return (await tx.execute(select(Wish.question_id).where(stands))).first() is not None
