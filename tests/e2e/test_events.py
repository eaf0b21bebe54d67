"""A forum: found, registered for, and reminded of when the time comes."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from tests.e2e.page import Visitors
from tests.e2e.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

A_WEEK_BEFORE = datetime(2026, 12, 3, 1, 31, tzinfo=UTC)
A_WEEK_BEFORE_THE_OTHER = datetime(2026, 12, 24, 6, 1, tzinfo=UTC)


async def test_a_registration_brings_one_reminder_in_the_language_chosen_since(visit: Visitors, server: Server) -> None:
    page = await visit()
    await page.ask("/events")
    await page.press("CIPO forum on IP for growth")
    await page.press("Register")
    await expect(page.bots.last).to_contain_text("You are registered")
    await page.press("Remind me")
    await expect(page.button("✓ 7 days before")).to_be_visible()
    await page.page.get_by_label("Language").select_option("zh-Hant")
    await expect(await page.ask("/start")).to_contain_text("知識產權")
    server.set_clock(A_WEEK_BEFORE)
    await page.hears("示例：CIPO論壇——知識產權與企業增長")
    await page.page.reload()
    await page.connected()
    await page.hears("示例：CIPO論壇——知識產權與企業增長")


async def test_a_reminder_is_in_one_language_throughout(visit: Visitors, server: Server) -> None:
    page = await visit(locale="zh-HK")
    await page.ask("/start event_2")
    await page.press("報名")
    await expect(page.bots.last).to_contain_text("您已報名")
    server.set_clock(A_WEEK_BEFORE_THE_OTHER)
    await expect(page.bots).to_have_count(2)
    await expect(page.bots.last).not_to_contain_text("You are registered")


async def test_a_deep_link_opens_its_event_once(visit: Visitors, server: Server) -> None:
    page = await visit("/?start=event_1")
    await page.hears("CIPO forum on IP for growth")
    assert page.page.url == server.address + "/"
    await page.page.reload()
    await page.connected()
    await expect(page.mine).to_have_count(1)
    await expect(page.bots).to_have_count(1)


@pytest.mark.parametrize("payload", ["event_zz", "event_" + "9" * 40, "faq_", "%F0%9F%A7%AA%00<b>", "x" * 600])
async def test_a_malformed_deep_link_is_said_to_be_unknown(visit: Visitors, payload: str) -> None:
    page = await visit(f"/?start={payload}")
    await page.hears("I do not know that link")
    await page.hears("Good to see you")
