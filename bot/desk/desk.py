"""Use cases of the desk."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, delete, func, select, update

from bot.clock import Clock
from bot.desk.models import DeskQuestion
from bot.outbox.outbox import NewRow, Outbox
from bot.outbox.port import Kind, Owed, Reader
from bot.people.contacts import Contacts
from bot.people.privacy import Shown
from bot.people.roles import audit
from bot.storage import Database, Tx, insert_into
from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    AskExpert,
    CloseDeskQuestion,
    ConfirmClosing,
    ReplyToDeskQuestion,
    ShowDesk,
    ShowDeskQuestion,
    StartBooking,
)
from bot.texts.message import Buttons

STAFF = ("curator", "expert")
USEFUL_FOR = timedelta(days=7)
PAGE = 10
NOTICE_LIMIT = 3000
"""Characters of a question in the notice to staff, which is one message; a button opens the rest."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question at the desk as staff see it; who asked is not shown."""

    id: int
    text: str
    status: Literal["open", "answered", "closed"]
    asked_at: datetime
    reply: str | None


@dataclass(frozen=True, slots=True)
class OpenQuestions:
    """A page of what waits at the desk, and how much waits in all; pages count from 0 to `last`."""

    questions: tuple[Question, ...]
    total: int
    page: int
    last: int


class Desk:
    def __init__(self, db: Database, clock: Clock, outbox: Outbox, contacts: Contacts) -> None:
        self._db = db
        self._clock = clock
        self._outbox = outbox
        self._contacts = contacts

    async def ask(self, contact_id: int, text: str, asked_in: int) -> int:
        """Put a question on the desk and tell staff. One that already lies there is not put there twice."""
        async with self._db.write() as tx:
            question = await self.put(tx, contact_id, text, asked_in, self._clock.now())
        self.wake()
        return question

    async def put(self, tx: Tx, contact_id: int, text: str, asked_in: int | None, now: datetime) -> int:
        """`ask` within the caller's transaction, who calls `wake` after it; `asked_in` None when no update asks."""
        waiting = select(DeskQuestion.id).where(
            DeskQuestion.contact_id == contact_id, DeskQuestion.text == text, DeskQuestion.status == "open"
        )
        if (there := (await tx.execute(waiting)).scalars().first()) is not None:
            return there
        row = {"contact_id": contact_id, "asked_in": asked_in, "asked_at": now, "text": text}
        insert = insert_into(tx, DeskQuestion).values(**row, status="open")
        kept = insert.on_conflict_do_nothing(index_elements=["asked_in"]).returning(DeskQuestion.id)
        question = (await tx.execute(kept)).scalar_one_or_none()
        if question is None:
            asked = select(DeskQuestion.id).where(DeskQuestion.asked_in == asked_in)
            return (await tx.execute(asked)).scalar_one()
        for member in await self._contacts.staff(tx, *STAFF):
            await self._tell(tx, "desk.question", member, question, now)
        return question

    def wake(self) -> None:
        """Let what is owed go out now."""
        self._outbox.wake()

    async def open_questions(self, page: int = 0) -> OpenQuestions:
        """A page of the open questions, oldest first; of a page that is not there any more, the nearest."""
        is_open = DeskQuestion.status == "open"
        async with self._db.read() as tx:
            total = (await tx.execute(select(func.count()).where(is_open))).scalar_one()
            last = max(0, (total - 1) // PAGE)
            page = max(0, min(page, last))
            rows = _columns().where(is_open).order_by(DeskQuestion.id).limit(PAGE).offset(page * PAGE)
            questions = tuple(_question(row) for row in await tx.execute(rows))
        return OpenQuestions(questions, total, page, last)

    async def view(self, question: int) -> Question | None:
        async with self._db.read() as tx:
            row = (await tx.execute(_columns().where(DeskQuestion.id == question))).first()
        return _question(row) if row else None

    async def reply(self, actor_id: int, question: int, text: str) -> bool:
        """Answer a question and send it to whoever asked; False when it is no longer open.

        The same reply by the same person again says True and sends nothing twice.
        """
        now = self._clock.now()
        async with self._db.write() as tx:
            closed = await self._close(tx, question, "answered", actor_id, text, now)
            if closed is None:
                return await self._was_mine(tx, question, actor_id, text)
            await audit(tx, actor_id, "desk.replied", _subject(question), {}, now)
            await self._tell(tx, "desk.reply", closed, question, now)
        self._outbox.wake()
        return True

    async def close(self, actor_id: int, question: int) -> bool:
        """Take a question off the desk without a reply and tell the asker; False when it is no longer open.

        The same person again says True and tells nobody twice.
        """
        now = self._clock.now()
        async with self._db.write() as tx:
            asker = await self._close(tx, question, "closed", actor_id, None, now)
            if asker is None:
                return await self._was_mine(tx, question, actor_id, None)
            await audit(tx, actor_id, "desk.closed", _subject(question), {}, now)
            await self._tell(tx, "desk.closed", asker, question, now)
        self._outbox.wake()
        return True

    async def _close(
        self, tx: Tx, question: int, status: str, actor_id: int, text: str | None, now: datetime
    ) -> int | None:
        still_open = (DeskQuestion.id == question) & (DeskQuestion.status == "open")
        change = {"status": status, "reply": text, "replied_by": actor_id, "replied_at": now}
        closed = update(DeskQuestion).where(still_open).values(**change)
        return (await tx.execute(closed.returning(DeskQuestion.contact_id))).scalar_one_or_none()

    async def _was_mine(self, tx: Tx, question: int, actor_id: int, text: str | None) -> bool:
        mine = (DeskQuestion.id == question) & (DeskQuestion.replied_by == actor_id)
        same = select(DeskQuestion.id).where(mine, DeskQuestion.reply.is_not_distinct_from(text))
        return (await tx.execute(same)).first() is not None

    async def _tell(self, tx: Tx, kind: str, contact_id: int, question: int, now: datetime) -> None:
        row = NewRow(
            kind=kind,
            contact_id=contact_id,
            subject=_subject(question),
            key=f"{kind}:{question}:{contact_id}",
            payload={"question": question},
            due_at=now,
            expires_at=now + USEFUL_FOR,
        )
        await self._outbox.enqueue(tx, [row])

    def kinds(self) -> list[Kind]:
        return [
            Kind("desk.question", "at_least_once", _still_open, _render_question),
            Kind("desk.reply", "at_least_once", _always, _render_reply),
            Kind("desk.closed", "at_least_once", _always, _render_closed),
        ]

    name = "desk"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        rows = await tx.execute(_columns().where(DeskQuestion.contact_id == contact_id))
        return {"questions": [dict(row._mapping) for row in rows]}

    async def shown(self, tx: Tx, contact_id: int) -> Shown:
        """Lists of the desk too: their labels begin with what was asked."""
        theirs = select(DeskQuestion.id).where(DeskQuestion.contact_id == contact_id)
        ids = (await tx.execute(theirs)).scalars().all()
        kinds = (ShowDeskQuestion, ReplyToDeskQuestion, CloseDeskQuestion, ConfirmClosing, ShowDesk)
        return Shown(
            subjects=frozenset(_subject(question) for question in ids),
            buttons=frozenset(kind(question).encode() for question in ids for kind in kinds),
        )

    async def erase(self, tx: Tx, contact_id: int) -> None:
        await tx.execute(delete(DeskQuestion).where(DeskQuestion.contact_id == contact_id))


def _subject(question: int) -> str:
    return f"desk:{question}"


def question_buttons(say: Translator, question: int) -> Buttons:
    return (
        (Button(say.plain("Reply"), ReplyToDeskQuestion(question), style="primary"),),
        (
            Button(say.plain("Close without reply"), CloseDeskQuestion(question)),
            Button(say.plain("All open questions"), ShowDesk(question)),
        ),
    )


async def _still_open(tx: Tx, owed: Owed, now: datetime) -> bool:
    row = await _owed_question(tx, owed)
    return row is not None and row.status == "open"


async def _always(tx: Tx, owed: Owed, now: datetime) -> bool:
    return True


async def _render_question(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    question = await _owed_question(tx, owed)
    if question is None:
        return None
    say = reader.say
    cut = len(question.text) > NOTICE_LIMIT
    html = say.page("desk/question.html", question=question, limit=NOTICE_LIMIT if cut else None)
    whole = ((Button(say.plain("Read it whole"), ShowDeskQuestion(question.id)),),) * cut
    return Message(html, (*whole, *question_buttons(say, question.id)))


async def _render_reply(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    question = await _owed_question(tx, owed)
    if question is None:
        return None
    say = reader.say
    again = Button(say.plain("Ask a follow-up"), AskExpert(0))
    return Message(say.page("desk/reply.html", question=question), ((again, _book(say)),))


async def _render_closed(tx: Tx, owed: Owed, reader: Reader) -> Message | None:
    question = await _owed_question(tx, owed)
    if question is None:
        return None
    say = reader.say
    again = Button(say.plain("Ask again"), AskExpert(0))
    return Message(say.page("desk/closed.html", question=question), ((again, _book(say)),))


def _book(say: Translator) -> Button:
    return Button(say.plain("Book an expert"), StartBooking(None))


async def _owed_question(tx: Tx, owed: Owed) -> Question | None:
    row = (await tx.execute(_columns().where(DeskQuestion.id == owed.payload["question"]))).first()
    return _question(row) if row else None


def _columns() -> Any:
    return select(DeskQuestion.id, DeskQuestion.text, DeskQuestion.status, DeskQuestion.asked_at, DeskQuestion.reply)


def _question(row: Row[Any]) -> Question:
    return Question(row.id, row.text, row.status, row.asked_at, row.reply)
