"""Takes the README's screenshots of a server with sample data: `python docs/screenshots.py http://127.0.0.1:8080`.

Needs Chromium (CHROMIUM, or `chromium` on the PATH) and fonts for Chinese and emoji.
"""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

FOLDER = Path(__file__).parent / "images"


async def main(address: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        await answer(await visit(browser, address, "en-GB", "light", 900, 1000))
        await booking(await visit(browser, address, "zh-HK", "dark", 412, 915))
        await browser.close()


async def visit(browser: Browser, address: str, locale: str, scheme: str, width: int, height: int) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        locale=locale,
        timezone_id="Asia/Hong_Kong",
        color_scheme=scheme,
        device_scale_factor=2,
        bypass_csp=True,
    )
    page = await context.new_page()
    await page.goto(address)
    return page


async def say(page: Page, text: str) -> None:
    before = await page.locator(".message.bot").count()
    await page.locator("textarea").fill(text)
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.bot")).to_have_count(before + 1, timeout=30_000)


async def answer(page: Page) -> None:
    await say(page, "What does a CIPO do?")
    await page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    await page.screenshot(path=FOLDER / "answer.png")


async def booking(page: Page) -> None:
    await say(page, "/book")
    newest = page.locator(".message.bot").last
    await newest.locator(".key").filter(has_text="CIPO").click()
    await newest.locator(".key").filter(has_text="任何").first.click()
    await expect(newest.locator(".key").filter(has_text="月")).not_to_have_count(0)
    await page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    await page.screenshot(path=FOLDER / "booking-phone-dark.png")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
