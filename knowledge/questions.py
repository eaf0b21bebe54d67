"""The log of questions: what was asked, what became of it, on what evidence; for as long as the operator keeps it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, select, update
from sqlalchemy.sql.dml import ReturningInsert

from bot.clock import Clock
from bot.people.privacy import Shown
from bot.storage import Database, Tx, insert_into
from bot.texts.actions import PromoteToPhrasing, ShowMiss, ShowMisses
from knowledge.engine import Decision
from knowledge.library import SMALL_TALK
from knowledge.models import AskedQuestion, DealtMiss, EntryRevision, LastShown, Wish

MISS_BUTTONS = (ShowMisses, ShowMiss, PromoteToPhrasing)
"""Each page about misses has one of them."""

GOES_ON_FOR = timedelta(minutes=30)
"""How long after an entry was shown a question may go on from it."""


@dataclass(frozen=True, slots=True)
class Considered:
    """An entry that the engine thought of, and its evidence by name as the engine gives it."""

    entry_id: str
    confidence: float
    why: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Logged:
    """A question as the log holds it. `entry_id` is what was shown; what was decided on stands in `considered`."""

    id: int
    text: str
    locale: str
    outcome: str
    entry_id: str | None
    confidence: float | None
    model: str
    context: str | None
    features: Mapping[str, Any]
    considered: tuple[Considered, ...]


@dataclass(frozen=True, slots=True)
class Before:
    """What is known before a question is decided on: that it was already, or the entry it may go on from."""

    logged: Logged | None
    context: str | None


class QuestionLog:
    """Questions are deleted `kept_for` after they were asked."""

    def __init__(self, db: Database, clock: Clock, kept_for: timedelta) -> None:
        self._db = db
        self._clock = clock
        self.kept_for = kept_for
        self._keeping = _keeping(db)

    async def before(self, contact_id: int, asked_in: int) -> Before:
        """An update that is handled again finds its own question.

        The context is what was opened since the last question, or else what answered that: none if nothing did, or if
        it did not help. Small talk neither is a context nor ends one.
        """
        since = self._clock.now() - GOES_ON_FOR
        async with self._db.read() as tx:
            last = (await tx.execute(_LAST, {"contact": contact_id, "this": asked_in})).first()
            shown = (await tx.execute(_SHOWN, {"contact": contact_id, "since": since})).scalar_one_or_none()
        if last is not None and last.asked_in == asked_in:
            return Before(_logged(last), last.context)
        answered = last.entry_id if last is not None and last.asked_at >= since else None
        context = shown or answered
        in_vain = last is not None and last.helpful is False and context == last.entry_id
        return Before(None, None if in_vain else context)

    async def keep(self, contact_id: int, text: str, asked_in: int, context: str | None, decision: Decision) -> int:
        """Log a question with its decision; the number it has in the log."""
        best = decision.candidates[0] if decision.candidates else None
        row = {
            "asked_in": asked_in,
            "contact_id": contact_id,
            "asked_at": self._clock.now(),
            "text": text,
            "locale": decision.locale,
            "outcome": decision.kind,
            "entry_id": best.entry_id if best and decision.kind == "answer" else None,
            "confidence": best.confidence if best else None,
            "model": decision.model,
            "context": context,
            "features": dict(decision.features),
            "considered": [asdict(candidate) for candidate in decision.candidates],
        }
        async with self._db.write() as tx:
            if best is None or not best.entry_id.startswith(SMALL_TALK):
                await _forget_shown(tx, contact_id)
            return (await tx.execute(self._keeping, row)).scalar_one()

    async def opened(self, contact_id: int, entry: str) -> None:
        """The contact opened an entry, which their next question may go on from."""
        async with self._db.write() as tx:
            await self._opened(tx, contact_id, entry)

    async def picked(self, contact_id: int, question: int, entry: str) -> bool:
        """The asker chose one of the suggestions; False for a question that is not theirs."""
        async with self._db.write() as tx:
            theirs = await _noted(tx, contact_id, question, entry_id=entry)
            if theirs:
                await self._opened(tx, contact_id, entry)
        return theirs

    async def _opened(self, tx: Tx, contact_id: int, entry: str) -> None:
        insert = insert_into(self._db, LastShown)
        latest = {"entry_id": insert.excluded.entry_id, "shown_at": insert.excluded.shown_at}
        opened = insert.on_conflict_do_update(index_elements=["contact_id"], set_=latest)
        await tx.execute(opened, {"contact_id": contact_id, "entry_id": entry, "shown_at": self._clock.now()})

    async def rate(self, contact_id: int, question: int, helpful: bool) -> bool:
        """Keep the asker's 👍 or 👎 to what they were shown; False for a question that is not theirs.

        A question whose answer was made by a curator and does not help either is open again, and so is the asker's
        wish to be told, until they are content.
        """
        now, wish = self._clock.now(), update(Wish).where(Wish.question_id == question, Wish.withdrawn_at.is_(None))
        async with self._db.write() as tx:
            theirs = await _noted(tx, contact_id, question, helpful=helpful)
            if theirs and helpful:
                await tx.execute(wish.where(Wish.settled_at.is_(None)).values(settled_at=now))
            elif theirs:
                await tx.execute(delete(DealtMiss).where(DealtMiss.question_id == question, _IS_PUBLISHED))
                await tx.execute(wish.where(Wish.settled_at.is_not(None)).values(settled_at=None, wished_at=now))
        return theirs

    async def text_of(self, contact_id: int, question: int) -> str | None:
        """What the contact asked under that number."""
        async with self._db.read() as tx:
            text = select(AskedQuestion.text).where(_theirs(contact_id, question))
            return (await tx.execute(text)).scalar_one_or_none()

    async def logged(self, question: int, asker: int | None) -> Logged | None:
        """A question with its evidence; only if `asker` asked it, where one is given."""
        which = AskedQuestion.id == question if asker is None else _theirs(asker, question)
        async with self._db.read() as tx:
            row = (await tx.execute(select(AskedQuestion.__table__).where(which))).first()
        return _logged(row) if row else None

    async def forget_old(self) -> None:
        """Delete what was kept long enough, with everything that hangs on it."""
        old = AskedQuestion.asked_at < self._clock.now() - self.kept_for
        async with self._db.write() as tx:
            await tx.execute(delete(AskedQuestion).where(old))

    name = "questions"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        mine = AskedQuestion.contact_id == contact_id
        asked = await tx.execute(select(AskedQuestion.__table__).where(mine).order_by(AskedQuestion.id))
        wishes = select(Wish.question_id, Wish.locale, Wish.wished_at, Wish.withdrawn_at, Wish.settled_at)
        wished = await tx.execute(wishes.join(AskedQuestion, AskedQuestion.id == Wish.question_id).where(mine))
        opened = select(LastShown.entry_id, LastShown.shown_at).where(LastShown.contact_id == contact_id)
        last = _plain(await tx.execute(opened))
        return {"asked": _plain(asked), "to_be_told": _plain(wished), "last_opened": last}

    async def shown(self, tx: Tx, contact_id: int) -> Shown:
        """Every list of misses, as it may quote this asker; pressed again it is there without them."""
        asked = select(AskedQuestion.id).where(AskedQuestion.contact_id == contact_id).limit(1)
        if (await tx.execute(asked)).first() is None:
            return Shown()
        return Shown(buttons=frozenset(f"{kind.prefix}:" for kind in MISS_BUTTONS))

    async def erase(self, tx: Tx, contact_id: int) -> None:
        await tx.execute(delete(AskedQuestion).where(AskedQuestion.contact_id == contact_id))
        await _forget_shown(tx, contact_id)


async def _forget_shown(tx: Tx, contact_id: int) -> None:
    await tx.execute(delete(LastShown).where(LastShown.contact_id == contact_id))


async def _noted(tx: Tx, contact_id: int, question: int, **values: object) -> bool:
    noted = update(AskedQuestion).where(_theirs(contact_id, question)).values(**values)
    return (await tx.execute(noted.returning(AskedQuestion.id))).first() is not None


_IS_PUBLISHED = DealtMiss.revision_id.in_(select(EntryRevision.id).where(EntryRevision.published_at.is_not(None)))


def _theirs(contact_id: int, question: int) -> ColumnElement[bool]:
    return (AskedQuestion.id == question) & (AskedQuestion.contact_id == contact_id)


def _plain(rows: Iterable[Row[*tuple[Any, ...]]]) -> Sequence[Mapping[str, Any]]:
    return [dict(row._mapping) for row in rows]


def _logged(row: Row[Any]) -> Logged:
    return Logged(
        id=row.id,
        text=row.text,
        locale=row.locale,
        outcome=row.outcome,
        entry_id=row.entry_id,
        confidence=row.confidence,
        model=row.model,
        context=row.context,
        features=row.features or {},
        considered=tuple(Considered(**each) for each in row.considered or ()),
    )


_IS_NO_SMALL_TALK = AskedQuestion.entry_id.is_(None) | AskedQuestion.entry_id.not_like(f"{SMALL_TALK}%")
_LAST = (
    select(AskedQuestion.__table__)
    .where(AskedQuestion.contact_id == bindparam("contact"), AskedQuestion.asked_in <= bindparam("this"))
    .where((AskedQuestion.asked_in == bindparam("this")) | _IS_NO_SMALL_TALK)
    .order_by(AskedQuestion.asked_in.desc())
    .limit(1)
)
"""The question of this update, or else the last before it; built once, as every question needs it."""
_SHOWN = select(LastShown.entry_id).where(
    LastShown.contact_id == bindparam("contact"), LastShown.shown_at >= bindparam("since")
)


def _keeping(db: Database) -> ReturningInsert[int]:
    """Keep a question, or find it when the update is handled again. Built once, as every question needs it."""
    insert = insert_into(db, AskedQuestion)
    # an update that changes nothing, as only a row that was touched is returned
    kept = insert.on_conflict_do_update(index_elements=["asked_in"], set_={"asked_in": insert.excluded.asked_in})
    return kept.returning(AskedQuestion.id)
