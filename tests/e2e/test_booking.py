"""An appointment from the first press to the calendar, in the browser."""

import re
from pathlib import Path

import pytest
import vobject
from playwright.async_api import Locator, expect

from tests.e2e.page import ChatPage, Visitors

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DAY = re.compile(r"^[0-9]{1,2}$")
TIME = re.compile(r"^[0-9]{2}:[0-9]{2}$")
DETAILS = ("Acme Ltd", "Bo Chan", "bo@example.org", "How do we license abroad?")


async def test_an_appointment_with_any_expert_is_booked_kept_in_a_calendar_and_moved(
    visit: Visitors, tmp_path: Path
) -> None:
    page = await visit()
    await page.ask("/book")
    await page.press("IP strategy and management")
    await page.press("Any expert who is free")
    await page.press(DAY)
    await page.press(TIME)
    await fills_in(page)
    await page.press("I agree")
    await page.press("Confirm")
    booked = await page.hears("Your appointment is booked")
    await expect(booked).to_contain_text("Acme Ltd")
    before = await calendar_entry(page, booked, tmp_path)
    await booked.get_by_role("button", name="Move").click()
    await page.press(DAY)
    await page.log.get_by_role("button", name=TIME).first.click()
    moved = await page.hears("The appointment has a new time")
    after = await calendar_entry(page, moved, tmp_path)
    assert after.uid.value == before.uid.value
    assert int(after.sequence.value) == int(before.sequence.value) + 1
    assert after.dtstart.value != before.dtstart.value
    assert after.dtend.value - after.dtstart.value == before.dtend.value - before.dtstart.value


async def test_the_days_of_a_month_can_be_picked_with_the_keyboard_alone(visit: Visitors) -> None:
    page = await visit()
    await page.page.keyboard.type("/book")
    await page.page.keyboard.press("Enter")
    for label in ("IP strategy and management", "Any expert who is free", DAY, TIME):
        await expect(page.button(label)).to_be_visible()
        await reach(page, page.button(label))
        await page.page.keyboard.press("Enter")
    await page.hears("For which company do you come?")
    await page.box.focus()
    await page.page.keyboard.type("Acme Ltd")
    await page.page.keyboard.press("Enter")
    await page.hears("What is your name")
    await page.page.keyboard.type("Bo Chan")
    await page.page.keyboard.press("Enter")
    await page.hears("How can we reach you")


async def test_a_slot_taken_meanwhile_is_said_so_and_others_are_offered(visit: Visitors) -> None:
    quick, slow = await visit(), await visit()
    for page in (quick, slow):
        await page.ask("/start book_1")
        await page.press("IP strategy and management")
        await page.press(DAY)
        await expect(page.button(TIME)).to_be_visible()
    await quick.press(TIME)
    await quick.hears("For which company do you come?")
    await slow.press(TIME)
    await expect(slow.bots.last).to_contain_text("has just taken that time")
    await expect(slow.bots.last.get_by_role("button")).not_to_have_count(0)


async def fills_in(page: ChatPage) -> None:
    prompts = ("For which company", "What is your name", "How can we reach you", "What is your question")
    for prompt, value in zip(prompts, DETAILS, strict=True):
        await page.hears(prompt)
        await page.say(value)


async def calendar_entry(page: ChatPage, message: Locator, folder: Path) -> vobject.base.Component:
    """The event of the message's file, read by a parser that is not the one that wrote it."""
    async with page.page.expect_download() as download:
        await message.get_by_role("link", name=re.compile(r"Download appointment.*\.ics")).click()
    path = folder / "appointment.ics"
    await (await download.value).save_as(path)
    return vobject.readOne(path.read_text(encoding="utf-8")).vevent


async def reach(page: ChatPage, button: Locator) -> None:
    """Tab and arrow keys from where the focus is to the button."""
    handle = await button.element_handle()
    for key in ["Shift+Tab"] * 3 + ["Tab"] * 60:
        if await page.page.evaluate("e => document.activeElement === e", handle):
            return
        await page.page.keyboard.press(key)
    raise AssertionError("the keyboard does not get there")
