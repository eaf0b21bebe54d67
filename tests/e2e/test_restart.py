"""kill -9 of the server while somebody is on the page, and other bad lines."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.e2e.conftest import fresh_server
from tests.e2e.page import Visitors
from tests.e2e.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mortal(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that may be killed without troubling the other tests."""
    server = await fresh_server(tmp_path_factory.mktemp("mortal"))
    yield server
    await server.killed_at_last()
    assert server.errors() == []


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, mortal: Server) -> AsyncIterator[Visitors]:
    visitors = Visitors(browser, mortal.address)
    yield visitors
    assert await visitors.leave() == []


async def test_after_a_kill_the_same_chat_goes_on_with_nothing_lost_or_doubled(visit: Visitors, mortal: Server) -> None:
    page = await visit()
    await page.ask("/ask")
    mortal.hold()
    await page.say("first question")
    await page.say("What does a CIPO do?")
    await expect(page.mine).to_have_count(3)
    await expect(page.pending).to_have_count(0)
    await mortal.kill()
    await expect(page.banner).to_have_attribute("data-shown", "true")
    await page.say("/start")
    await expect(page.pending).to_have_count(1)
    mortal.release()
    await mortal.start()
    await page.connected()
    await page.hears("Good to see you")
    await expect(page.pending).to_have_count(0)
    await expect(page.mine).to_have_count(4)
    await expect(page.bots).to_have_count(4)
    await expect(page.bots.nth(1)).to_contain_text("first question")
    await expect(page.bots.nth(2)).to_contain_text("senior executive")
    await page.page.reload()
    await page.connected()
    await expect(page.mine).to_have_count(4)
    await expect(page.bots).to_have_count(4)
    await page.press("Browse the topics")
    await expect(page.button("CIPO role and programme")).to_be_visible()


async def test_an_answer_given_right_before_a_kill_is_not_given_again(visit: Visitors, mortal: Server) -> None:
    page = await visit()
    await page.ask("What does a CIPO do?")
    await mortal.kill()
    await mortal.start()
    await page.connected()
    await page.ask("/start")
    await expect(page.said("senior executive")).to_have_count(1)
    await expect(page.mine).to_have_count(2)


async def test_what_is_written_offline_is_sent_in_order_once_the_line_is_back(visit: Visitors, mortal: Server) -> None:
    page = await visit()
    await page.ask("/help")
    await mortal.kill()
    for text in ("/start", "/language"):
        await page.say(text)
    await expect(page.pending).to_have_count(2)
    await expect(page.banner).to_have_attribute("data-shown", "true")
    await mortal.start()
    await page.hears("Which language shall I speak?")
    await expect(page.pending).to_have_count(0)
    await expect(page.mine.locator(".text")).to_have_text(["/help", "/start", "/language"])
    await expect(page.bots).to_have_count(3)


async def test_a_press_during_a_restart_is_answered_once(visit: Visitors, mortal: Server) -> None:
    page = await visit()
    await page.ask("/start")
    await mortal.kill()
    await page.press("Browse the topics")
    await mortal.start()
    await expect(page.button("CIPO role and programme")).to_be_visible()
    await expect(page.bots).to_have_count(1)
