"""Questions, topics, the desk and languages, in the browser."""

import re

import pytest
from playwright.async_api import expect

from tests.e2e.page import Visitors
from tests.e2e.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_question_is_answered_with_basis_and_date_in_its_own_language(visit: Visitors) -> None:
    page = await visit()
    answer = await page.ask("What does a CIPO do?")
    await expect(answer).to_contain_text("A CIPO is a senior executive")
    await expect(answer).to_contain_text("as of 1 Nov 2026")
    await expect(answer.get_by_role("group", name="Buttons")).to_be_visible()
    chinese = await page.ask("什么是CIPO")
    await expect(chinese).to_contain_text("企业高管")
    await expect(chinese).to_contain_text("截至 2026年11月1日")
    await page.page.reload()
    await page.connected()
    await expect(page.mine).to_have_count(2)
    await expect(page.bots).to_have_count(2)


async def test_topics_are_browsed_in_one_message(visit: Visitors) -> None:
    page = await visit()
    await page.ask("/start")
    await page.press("Browse the topics")
    await page.press("CIPO role and programme")
    await page.press("What does CIPO stand for")
    await expect(page.said("I see two readings")).not_to_have_count(0)


async def test_a_question_nobody_wrote_an_answer_for_is_declined_and_passed_on(visit: Visitors) -> None:
    page = await visit()
    answer = await page.ask("Which paint is best for a garden fence in winter?")
    await expect(answer).not_to_contain_text("as of")
    await page.press("Ask an expert")
    received = await page.hears("Your question is with our experts")
    await expect(received).to_contain_text("garden fence")


async def test_a_reply_of_the_desk_reaches_the_asker(visit: Visitors, server: Server) -> None:
    asker, expert = await visit(), await visit()
    await expert.open(await server.invite("curator"))
    await expert.hears("You are a curator now")
    await asker.ask("/ask")
    await asker.ask("May we name a patent after our founder?")
    await expert.hears("May we name a patent after our founder?")
    await expert.press(re.compile("^Reply$"))
    await expert.hears("Write it in one message")
    await expert.ask("A patent carries the inventor's name; a trade mark may carry the founder's.")
    await asker.hears("a trade mark may carry the founder's")


async def test_page_and_bot_change_to_traditional_chinese_together(visit: Visitors) -> None:
    page = await visit()
    await page.ask("/start")
    await page.page.get_by_label("Language").select_option("zh-Hant")
    await expect(page.page.get_by_role("textbox", name="輸入訊息")).to_be_visible()
    await expect(page.page.locator("html")).to_have_attribute("lang", "zh-Hant")
    await expect(await page.ask("/start")).to_contain_text("知識產權")
    await expect(await page.ask("什麼是CIPO")).to_contain_text("截至")
    await page.page.reload()
    await expect(page.page.locator("html")).to_have_attribute("lang", "zh-Hant")


async def test_the_page_follows_the_language_picked_in_the_chat(visit: Visitors) -> None:
    page = await visit()
    await page.ask("/language")
    await page.press("繁體中文")
    await expect(page.page.locator("html")).to_have_attribute("lang", "zh-Hant")
    await expect(page.page.get_by_role("textbox", name="輸入訊息")).to_be_visible()
    await expect(page.page.locator("#language")).to_have_value("zh-Hant")
    await page.page.reload()
    await expect(page.page.locator("html")).to_have_attribute("lang", "zh-Hant")
    await page.ask("/language")
    await page.press("English")
    await expect(page.page.locator("html")).to_have_attribute("lang", "en")


async def test_a_browser_in_chinese_is_greeted_in_chinese(visit: Visitors) -> None:
    page = await visit(locale="zh-CN")
    await expect(page.page.locator("html")).to_have_attribute("lang", "zh-Hans")
    await expect(await page.ask("/start")).to_contain_text("知识产权")


async def test_markup_that_people_type_stays_text(visit: Visitors) -> None:
    page = await visit()
    await page.ask("/ask")
    received = await page.ask("<img src=x onerror='window.hacked = 1'><b>bold</b> & <script>window.hacked = 1</script>")
    await expect(received).to_contain_text("<b>bold</b> &")
    assert await page.page.evaluate("window.hacked") is None
    assert await page.log.locator("img, script").count() == 0


async def test_a_message_of_4096_characters_is_taken_and_one_more_is_not(visit: Visitors) -> None:
    page = await visit()
    await page.box.fill("x" * 4097)
    await page.box.press("Enter")
    await expect(page.page.locator("#limit")).to_contain_text(re.compile("too many: 1", re.IGNORECASE))
    await page.ask("知" * 4096)
    await expect(page.mine).to_have_count(1)
