"""One browser and one server for all tests of the page; each visitor has a cookie jar of its own."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e.nursery import Nursery
from tests.e2e.page import TIMEOUT, Visitors
from tests.e2e.server import Server

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser to drive: CHROMIUM, else the first on the path."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium here: install it, or name one in CHROMIUM")
    expect.set_options(timeout=TIMEOUT)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(
    tmp_path_factory: pytest.TempPathFactory, nursery: Nursery, sqlite_template: Path
) -> AsyncIterator[Server]:
    """The server most tests share, with the sample data, on a Monday at 10:00 in Hong Kong."""
    server = await fresh_server(tmp_path_factory.mktemp("e2e"), nursery, sqlite_template)
    yield server
    await server.killed_at_last()
    assert server.errors() == []


@pytest.fixture
def server(browser: Browser, served: Server) -> Server:
    """The same, for tests of the page: skipped without a browser before it is started."""
    return served


async def fresh_server(folder: Path, nursery: Nursery, template: Path) -> Server:
    """On a copy of the template, whose head is fitted already."""
    shutil.copy(template, folder / "cipo.db")
    server = Server(folder, nursery)
    server.set_clock()
    await server.start("--fresh")
    return server


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, server: Server) -> AsyncIterator[Visitors]:
    """`await visit()` is a new visitor's page. Whatever they do, no script of the page may fail."""
    visitors = Visitors(browser, server.address)
    yield visitors
    assert await visitors.leave() == []
