"""Two invented events that show what the product does, named as samples wherever they are read."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from scheduler.events.service import Events
from scheduler.events.values import EventDraft, Times

THURSDAY = 3


async def load_samples(events: Events, now: datetime) -> int:
    """Add the sample events that are not there, and renew those gone by; how many were added."""
    await events.purge_samples(over_by=now)
    before = {event.slug for event in await events.upcoming() if event.sample}
    new = [draft for draft in sample_events(now) if draft.slug not in before]
    for draft in new:
        await events.add(None, draft)
    return len(new)


def sample_events(now: datetime) -> tuple[EventDraft, EventDraft]:
    """A forum in about two weeks and a training in about five, both on a Thursday."""
    return _forum(now + timedelta(days=14)), _training(now + timedelta(days=35))


def _forum(about: datetime) -> EventDraft:
    return EventDraft(
        slug="sample-forum",
        kind="forum",
        sample=True,
        times=_on_thursday(about, time(9, 30), time(17, 0), "Asia/Hong_Kong"),
        title={
            "en": "Sample: CIPO forum on IP for growth",
            "zh-Hans": "示例：CIPO论坛——知识产权与企业增长",
            "zh-Hant": "示例：CIPO論壇——知識產權與企業增長",
        },
        summary={
            "en": "An invented event to try registration and reminders. It does not take place.",
            "zh-Hans": "本活动为虚构示例，用来演示报名和提醒功能，不会实际举办。",
            "zh-Hant": "本活動為虛構示例，用以示範報名和提醒功能，不會實際舉辦。",
        },
        description={
            "en": "How a chief IP officer turns rights into business: portfolio, licences, export.",
            "zh-Hans": "首席知识产权官如何让权利转化为业务：资产组合、许可与海外市场。",
            "zh-Hant": "首席知識產權官如何讓權利轉化為業務：資產組合、特許與海外市場。",
        },
        venue={
            "en": "Sample venue, Hong Kong",
            "zh-Hans": "示例场地，香港",
            "zh-Hant": "示例場地，香港",
        },
    )


def _training(about: datetime) -> EventDraft:
    return EventDraft(
        slug="sample-training",
        kind="training",
        sample=True,
        capacity=30,
        online_url="https://example.org/sample-training",
        times=_on_thursday(about, time(14, 0), time(17, 30), "Asia/Shanghai"),
        title={
            "en": "Sample: training on building an IP strategy",
            "zh-Hans": "示例：知识产权战略实务培训",
            "zh-Hant": "示例：知識產權策略實務培訓",
        },
        summary={
            "en": "An invented event with 30 seats, on site and online. It does not take place.",
            "zh-Hans": "本活动为虚构示例，设30个名额，可线下或线上参加，不会实际举办。",
            "zh-Hant": "本活動為虛構示例，設30個名額，可親身或網上參加，不會實際舉辦。",
        },
        description={
            "en": "An afternoon on one company's case: what to protect, where, and to what end.",
            "zh-Hans": "用一个下午研习一家企业的案例：保护什么、在哪里保护、如何创造收益。",
            "zh-Hant": "以一個下午研習一家企業的個案：保護甚麼、在哪裏保護、如何創造收益。",
        },
        venue={
            "en": "Sample venue, Shenzhen",
            "zh-Hans": "示例场地，深圳",
            "zh-Hant": "示例場地，深圳",
        },
    )


def _on_thursday(about: datetime, starts: time, ends: time, zone: str) -> Times:
    day = about.astimezone(ZoneInfo(zone)).date()
    day += timedelta(days=(THURSDAY - day.weekday()) % 7)
    return Times(datetime.combine(day, starts), datetime.combine(day, ends), zone)
