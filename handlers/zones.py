"""Which time zone somebody means: by the name of the zone, as browsers say it, or by a city, as people do."""

from functools import lru_cache
from importlib.resources import files

from bot.clock import known_zones
from bot.texts import LOCALES, city

CITIES = {
    "Asia/Shanghai": "beijing shenzhen guangzhou hangzhou chengdu 北京 深圳 广州 廣州 杭州 成都 珠海 中国 中國 china",
    "Asia/Taipei": "台灣 台湾 taiwan",
    "Asia/Tokyo": "osaka kyoto 大阪 京都 日本 japan",
    "Asia/Seoul": "busan 釜山 韩国 韓國 korea",
    "Asia/Kolkata": "delhi mumbai bangalore bengaluru 孟买 孟買 印度 india",
    "Australia/Sydney": "canberra 堪培拉 坎培拉",
    "Europe/London": "england edinburgh cambridge oxford 英国 英國",
    "Europe/Berlin": "munich frankfurt hamburg cologne germany 慕尼黑 法兰克福 法蘭克福 德国 德國",
    "Europe/Paris": "france 法国 法國",
    "Europe/Zurich": "geneva basel switzerland 日内瓦 日內瓦 瑞士",
    "Europe/Rome": "milan italy 米兰 米蘭",
    "America/New_York": "boston washington philadelphia atlanta miami 波士顿 波士頓 华盛顿 華盛頓",
    "America/Los_Angeles": "seattle 旧金山 舊金山 三藩市 西雅图 西雅圖 硅谷 矽谷",
    "America/Chicago": "houston dallas austin 休斯敦 休斯頓",
}
"""Cities, and countries of one zone, that no zone is named after."""

WORDS = {"san francisco": "America/Los_Angeles", "silicon valley": "America/Los_Angeles", "utc": "UTC", "gmt": "UTC"}

LONGEST = 64
"""Characters of what may be a zone; nothing longer is looked up."""


def zone_called(name: str) -> str | None:
    """The IANA zone of exactly that name, however it is capitalised; None when there is none."""
    return _names().get(name.casefold()) if len(name) <= LONGEST else None


def find_zone(text: str) -> str | None:
    """The IANA zone that a typed name of a zone or a city means; None when we know neither.

    The first time it takes a tenth of a second.
    """
    text = " ".join(text.split())
    if len(text) > LONGEST:
        return None
    return zone_called(text.replace(" ", "_")) or _places().get(text.replace("_", " ").casefold())


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {zone.casefold(): zone for zone in known_zones() if "/" in zone or zone == "UTC"}


@lru_cache(maxsize=1)
def _places() -> dict[str, str]:
    """Zones by the cities they are named after, in all our languages, and by some more."""
    lines = files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8").splitlines()
    zones = [line.split("\t")[2] for line in lines if line and not line.startswith("#")]
    places = {zone.rpartition("/")[2].replace("_", " ").casefold(): zone for zone in zones}
    places |= {city(zone, locale).casefold(): zone for zone in zones for locale in LOCALES}
    places |= {word: zone for zone, words in CITIES.items() for word in words.split()}
    return places | WORDS
