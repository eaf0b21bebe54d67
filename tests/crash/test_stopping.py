"""Asked to stop, the process finishes what it has begun; asked again, it ends at once."""

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.crash.people import Person
from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]
ANSWER = "A CIPO is a senior executive"


async def test_the_shipped_command_serves_until_it_is_asked_to_stop(server: Server) -> None:
    """No nursery here: a fresh interpreter, as an operator starts it."""
    settings = {"CIPO_DATA_DIR": str(server.folder), "CIPO_WEB_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "run_bot.py"),
        cwd=server.folder,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if address := re.search(rb"http://127\.0\.0\.1:(\d+)", line):
                server.port = int(address[1])
                break
        async with Person("ann", [server]) as ann:
            await ann.says("What does a CIPO do?")
            await ann.hears(ANSWER)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_what_is_in_flight_is_finished_and_the_rest_kept(server: Server) -> None:
    await server.start()
    async with Person("ann", [server]) as ann:
        server.hold()
        await ann.says("/help")
        await ann.says("What does a CIPO do?")
        server.ask_to_stop()
        await server.logs("stopping")
        server.release()
        assert await server.ended() == 0
        assert server.errors() == []
        assert server.waiting("message") == 1
        await server.start()
        await ann.hears(ANSWER)
        heard = await ann.heard()
        assert ["Good to see you" in text for text in heard] == [True, False]


async def test_the_second_signal_ends_it_at_once_and_nothing_is_lost(server: Server) -> None:
    await server.start()
    async with Person("ann", [server]) as ann:
        server.hold()
        await ann.says("What does a CIPO do?")
        server.ask_to_stop()
        await server.logs("stopping")
        server.ask_to_stop()
        assert await server.ended() == 130
        server.release()
        await server.start()
        await ann.hears(ANSWER)
        assert len(await ann.heard()) == 1


async def test_a_taken_port_is_said_in_one_line(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server.port = taken.getsockname()[1]
        code, errors = await server.fails()
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert f"127.0.0.1:{server.port}" in errors
    assert "CIPO_WEB_PORT" in errors


@pytest.mark.parametrize(
    ("setting", "value"), [("CIPO_WEB_PORT", "99999"), ("CIPO_SECRET_KEY", "short"), ("CIPO_DEFAULT_ZONE", "Mars/Base")]
)
async def test_a_broken_setting_is_said_in_one_line_that_names_it(server: Server, setting: str, value: str) -> None:
    code, errors = await server.fails(**{setting: value})
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert setting in errors


async def test_a_second_process_on_the_embedded_database_is_refused(server: Server) -> None:
    await server.start()
    code, errors = await server.fails(CIPO_WEB_PORT="0")
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert "another process serves" in errors
