"""kill -9 of the server while somebody is on the page, and other bad lines."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.e2e.conftest import fresh_server
from tests.e2e.nursery import Nursery
from tests.e2e.page import Visitors
from tests.e2e.server import Server
from tests.machine import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mortal(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery, sqlite_template: Path
) -> AsyncIterator[Server]:
    """A server that may be killed without troubling the other tests."""
    server = await fresh_server(tmp_path_factory.mktemp("mortal"), nursery, sqlite_template)
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
    for text in ("/start", "/language"):
        await page.say(text)
    await expect(page.pending).to_have_count(2)
    mortal.release()
    await mortal.start()
    await page.back_online()
    await page.hears("Which language shall I speak?")
    said = ["/ask", "first question", "What does a CIPO do?", "/start", "/language"]
    await page.page.reload()
    await page.connected()
    await expect(page.mine.locator(".text")).to_have_text(said)
    await expect(page.pending).to_have_count(0)
    answers = ["Write your question", "first question", "senior executive", "Good to see you", "Which language"]
    await expect(page.bots.locator(".text")).to_contain_text(answers)


async def test_what_was_done_before_a_kill_stays_and_what_was_pressed_is_done_after_it(
    visit: Visitors, mortal: Server
) -> None:
    page = await visit()
    await page.ask("What does a CIPO do?")
    await page.ask("/start")
    mortal.hold()
    await page.press("Browse the topics")
    await until(lambda: mortal.waiting("press") == 1, "the press to be accepted")
    await mortal.kill()
    mortal.release()
    await mortal.start()
    await page.back_online()
    await expect(page.button("CIPO role and programme")).to_be_visible()
    await expect(page.mine).to_have_count(2)
    await expect(page.bots).to_have_count(2)


async def test_without_a_line_the_page_says_so_and_keeps_what_is_written(visit: Visitors) -> None:
    page = await visit()
    await page.ask("/help")
    await page.page.context.set_offline(True)
    await page.page.evaluate("dispatchEvent(new Event('offline'))")
    await page.say("/start")
    await expect(page.pending).to_have_count(1)
    await page.page.context.set_offline(False)
    await page.back_online()
    await expect(page.pending).to_have_count(0)
    await expect(page.mine.locator(".text")).to_have_text(["/help", "/start"])
    await expect(page.bots).to_have_count(2)
