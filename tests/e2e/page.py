"""The chat page in a browser, as a person uses it."""

import re
from collections.abc import Sequence

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect


class ChatPage:
    """What people see and do. `errors` are exceptions of the page's own scripts."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.box = page.locator("#input")
        self.log = page.get_by_role("log")
        self.bots = self.log.locator(".message.bot")
        self.mine = self.log.locator(".message.me")
        self.pending = self.log.locator(".message.pending")
        self.banner = page.locator("#banner")

    async def open(self, path: str = "/") -> "ChatPage":
        await self.page.goto(self.address + path)
        await self.connected()
        return self

    async def connected(self) -> None:
        """The line is up, and what the server knows of the chat is shown."""
        await expect(self.page.locator("#sample")).to_be_visible()
        await expect(self.banner).to_have_attribute("data-shown", "false")

    async def back_online(self) -> None:
        """The browser says that there is a network, so the page does not wait for its next attempt."""
        await self.page.evaluate("dispatchEvent(new Event('online'))")
        await self.connected()

    async def say(self, text: str) -> None:
        await self.box.fill(text)
        await self.box.press("Enter")

    async def ask(self, text: str) -> Locator:
        """Say it and wait for one more message of the bot, which is given."""
        before = await self.bots.count()
        await self.say(text)
        await expect(self.bots).to_have_count(before + 1)
        return self.bots.nth(before)

    def button(self, label: str | re.Pattern[str]) -> Locator:
        """The newest button of the chat with that in its label."""
        return self.log.get_by_role("button", name=label).last

    async def press(self, label: str | re.Pattern[str]) -> None:
        await self.button(label).click()

    def said(self, text: str | re.Pattern[str]) -> Locator:
        """The bot's messages that contain the text."""
        return self.bots.filter(has_text=text)

    async def hears(self, text: str | re.Pattern[str]) -> Locator:
        """Wait for exactly one message of the bot with that text."""
        await expect(self.said(text)).to_have_count(1)
        return self.said(text)

    async def texts(self) -> list[str]:
        """What the person and the bot said, oldest first, however much of a quote is unfolded."""
        shown = await self.log.locator(".message .text").all_inner_texts()
        return [text.removesuffix("Show more").rstrip() for text in shown]

    async def close(self) -> None:
        await self.page.context.close()


class Visitors:
    """Opens pages, each in a browser of its own as far as cookies go, and closes them."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self._pages: list[ChatPage] = []
        self._contexts: list[BrowserContext] = []

    async def __call__(self, path: str = "/", **options: object) -> ChatPage:
        """A new visitor; `options` are Playwright's of a context, such as color_scheme."""
        options = {"timezone_id": "Asia/Hong_Kong", **options}
        context = await self._browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(TIMEOUT)
        self._contexts.append(context)
        return await (await self.tab(context)).open(path)

    async def tab(self, context: BrowserContext) -> ChatPage:
        """One more tab of the same visitor, not yet on the page."""
        page = ChatPage(await context.new_page(), self._address)
        self._pages.append(page)
        return page

    async def leave(self) -> Sequence[str]:
        """Close everything; the errors of all pages."""
        for context in self._contexts:
            await context.close()
        return [error for page in self._pages for error in page.errors]


TIMEOUT = 45_000
"""Milliseconds: two shared cores under load are slow, and nothing here waits longer than it must."""
