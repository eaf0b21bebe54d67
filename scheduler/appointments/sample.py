"""Three made-up experts to try the booking with, marked as samples wherever they are named."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select

from bot.outbox.models import OutboxRow
from bot.outbox.outbox import cancel
from bot.storage import Tx
from bot.texts import Localized
from scheduler.appointments.experts import add
from scheduler.appointments.kinds import subject
from scheduler.appointments.models import Appointment, Expert
from scheduler.appointments.values import ExpertDraft

DAY_OFF_AFTER = timedelta(days=9)
"""So many days after loading the first expert is away, to show a day that is closed by exception."""

NOON, SIX = 12 * 60, 18 * 60
WORKDAYS = range(5)


def _marked(en: str, hans: str, hant: str) -> Localized:
    return {"en": f"{en} (sample)", "zh-Hans": f"{hans}（示例）", "zh-Hant": f"{hant}（示例）"}


NOT_REAL: Localized = {
    "en": "A made-up person for trying out the booking. Nobody attends this appointment.",
    "zh-Hans": "供试用预约功能的虚构人物，不会有人出席此预约。",
    "zh-Hant": "供試用預約功能的虛構人物，不會有人出席此預約。",
}

EXPERTS = (
    ExpertDraft(
        name=_marked("Ada Wong", "黄雅达", "黃雅達"),
        title=_marked("Patent strategist, Hong Kong", "专利策略顾问，香港", "專利策略顧問，香港"),
        bio=NOT_REAL,
        languages=("en", "yue", "cmn"),
        topics=("patents", "strategy", "data_ai", "cipo_programme"),
        zone="Asia/Hong_Kong",
        hours=dict.fromkeys(WORKDAYS, ((9 * 60 + 30, NOON + 30), (14 * 60, SIX))),
        length=45,
        interval=30,
        after=15,
        per_day=4,
        sample=True,
    ),
    ExpertDraft(
        name=_marked("Li Ming", "李明", "李明"),
        title=_marked(
            "Trade mark and licensing adviser, Shenzhen",
            "商标与许可顾问，深圳",
            "商標與許可顧問，深圳",
        ),
        bio=NOT_REAL,
        languages=("cmn", "en"),
        topics=("trademarks", "licensing", "finance_tax", "cipo_programme"),
        zone="Asia/Shanghai",
        hours=dict.fromkeys((0, 1, 3, 5), ((10 * 60, NOON), (13 * 60 + 30, SIX + 30))),
        length=60,
        interval=60,
        before=15,
        after=15,
        per_week=10,
        sample=True,
    ),
    ExpertDraft(
        name=_marked("Grace Bennett", "格蕾丝·本内特", "格蕾絲·本內特"),
        title=_marked("Adviser on IP overseas, London", "海外知识产权顾问，伦敦", "海外知識產權顧問，倫敦"),
        bio=NOT_REAL,
        languages=("en",),
        topics=("overseas", "licensing", "strategy", "finance_tax"),
        zone="Europe/London",
        hours=dict.fromkeys((1, 2, 3, 4), ((8 * 60, NOON),)),
        length=30,
        interval=30,
        after=10,
        notice=24 * 60,
        sample=True,
    ),
)


async def load(tx: Tx, now: datetime) -> int:
    """How many experts were added: all, or none when there are samples already."""
    if await exists(tx):
        return 0
    for draft in EXPERTS:
        day_off = (now + DAY_OFF_AFTER).astimezone(ZoneInfo(draft.zone)).date()
        await add(tx, replace(draft, overrides={day_off: ()}) if draft is EXPERTS[0] else draft)
    return len(EXPERTS)


async def exists(tx: Tx) -> bool:
    return (await tx.execute(select(Expert.id).where(Expert.sample).limit(1))).first() is not None


async def purge(tx: Tx) -> int:
    """Delete sample experts with all that was booked with them; how many experts there were."""
    samples = select(Expert.id).where(Expert.sample)
    booked = select(Appointment.id).where(Appointment.expert_id.in_(samples))
    for appointment_id in (await tx.execute(booked)).scalars().all():
        await cancel(tx, OutboxRow.subject == subject(appointment_id))
    await tx.execute(delete(Appointment).where(Appointment.expert_id.in_(samples)))
    gone = await tx.execute(delete(Expert).where(Expert.sample).returning(Expert.id))
    return len(gone.all())
