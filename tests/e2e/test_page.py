"""What the page promises whatever is said on it: no sockets, two tabs, strangers, small and dark screens."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import expect

from tests.e2e.page import ChatPage, Visitors

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NO_SOCKETS = """window.WebSocket = class extends EventTarget {
    constructor() {
        super();
        setTimeout(() => this.dispatchEvent(new CloseEvent("close", {code: 1006})), 0);
    }
    close() {}
    send() {}
}"""
# an animation that is cancelled on its way (its element went, its style changed) is still too
ALL_IS_STILL = """Promise.allSettled(
    document.getAnimations()
        .filter(animation => animation.effect.getComputedTiming().iterations !== Infinity)
        .map(animation => animation.finished)
)"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_finds_nothing(visit: Visitors, scheme: str, width: int) -> None:
    page = await visit(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    await nothing_found(page)
    for text in ("What does a CIPO do?", "/start event_1", "/start book_1"):
        await page.ask(text)
    await page.press("IP strategy and management")
    await expect(page.button(re.compile("^[0-9]{1,2}$"))).to_be_visible()
    await nothing_found(page)


async def test_axe_finds_nothing_in_the_open_list_of_commands(visit: Visitors) -> None:
    page = await visit(bypass_csp=True)
    await page.page.get_by_role("button", name="Commands").click()
    await expect(page.page.locator("#commands")).to_be_visible()
    await nothing_found(page)


async def nothing_found(page: ChatPage) -> None:
    """Once nothing moves any more: colours half-way through an animation are nobody's."""
    await page.page.evaluate(ALL_IS_STILL)
    found = (await Axe().run(page.page)).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


async def test_a_phone_shows_everything_in_its_width(visit: Visitors) -> None:
    page = await visit(viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    for text in ("What does a CIPO do?", "/start book_1"):
        await page.ask(text)
    await page.press("IP strategy and management")
    await expect(page.button(re.compile("^[0-9]{1,2}$"))).to_be_visible()
    assert await page.page.evaluate(TOO_WIDE) <= 0
    await expect(page.page.get_by_role("button", name="Send")).to_be_in_viewport()


async def test_without_sockets_plain_requests_carry_the_chat(visit: Visitors) -> None:
    page = await visit()
    await page.page.context.add_init_script(NO_SOCKETS)
    await page.page.reload()
    await page.connected()
    await page.ask("/start")
    await page.press("Browse the topics")
    await expect(page.button("CIPO role and programme")).to_be_visible()
    await page.page.get_by_label("Language").select_option("zh-Hans")
    await expect(await page.ask("/start")).to_contain_text("知识产权")
    await expect(page.mine).to_have_count(2)


async def test_two_tabs_of_one_visitor_show_the_same(visit: Visitors) -> None:
    one = await visit()
    other = await (await visit.tab(one.page.context)).open()
    await one.ask("/start")
    await expect(other.bots).to_have_count(1)
    await other.press("Browse the topics")
    await expect(one.button("CIPO role and programme")).to_be_visible()
    await other.ask("What does a CIPO do?")
    await expect(one.bots).to_have_count(2)
    await expect(one.log.locator(".message .text")).to_have_count(4)
    assert await one.texts() == await other.texts()


async def test_another_visitor_sees_nothing_of_it(visit: Visitors) -> None:
    one = await visit()
    await one.ask("/ask")
    await one.ask("a secret of one")
    other = await visit()
    await other.ask("/start")
    await expect(other.mine).to_have_count(1)
    await expect(other.bots).to_have_count(1)
    await expect(other.page.get_by_text("a secret of one")).to_have_count(0)


async def test_times_are_shown_where_the_browser_is(visit: Visitors) -> None:
    page = await visit(timezone_id="Asia/Tokyo")
    await page.ask("/timezone")
    await expect(page.page.get_by_text("Your time zone is Tokyo, UTC+9")).to_be_visible()
