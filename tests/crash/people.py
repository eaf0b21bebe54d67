"""People who use the web chat over plain HTTP, and who do not give up when a server is gone."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import httpx

from tests.e2e.server import Server
from tests.machine import Seen, seen

PATIENCE = 90.0
RETRY_AFTER = 0.05


class Person:
    """One visitor. `servers` are tried in turn; what gets no answer is sent again under the same key."""

    def __init__(self, name: str, servers: Sequence[Server]) -> None:
        self.name = name
        self._servers = itertools.cycle(servers)
        self._server = next(self._servers)
        self._http = httpx.AsyncClient(timeout=30.0, limits=httpx.Limits(max_keepalive_connections=0))
        self._keys = (f"{name}-{number}" for number in itertools.count(1))

    async def __aenter__(self) -> Self:
        await self._insist("GET", "/")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def says(self, text: str) -> None:
        """Until the server has accepted it."""
        answer = await self._send({"type": "message", "key": next(self._keys), "text": text})
        assert answer["type"] == "accepted", answer

    def turns_to(self, server: Server) -> None:
        """What follows goes to that server first."""
        self._server = server

    async def presses(self, label: str) -> str | None:
        """The newest button with that in its label, as soon as it is there; the notice that answers the press."""
        message = await self._sees(lambda m: any(label in text for text in m.labels()), f"a button {label!r}")
        frame = {"type": "press", "key": next(self._keys), "message_id": message.id, "data": message.data_of(label)}
        answer = await self._send(frame)
        assert answer["type"] == "callback", answer
        return answer["text"]

    async def page(self) -> list[Seen]:
        """All messages, oldest first."""
        answer = await self._insist("GET", "/chat/changes?since=0")
        return [seen(message) for message in answer.json()["messages"]]

    async def heard(self) -> list[str]:
        """What the bot said, oldest first."""
        return [message.text for message in await self.page() if message.by == "bot"]

    async def hears(self, text: str) -> Seen:
        """Wait until the bot has said that; the newest message that does."""
        return await self._sees(lambda m: m.by == "bot" and text in m.text, repr(text))

    async def _sees(self, wanted: Callable[[Seen], bool], what: str) -> Seen:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            page = await self.page()
            if (found := next(filter(wanted, reversed(page)), None)) is not None:
                return found
            await asyncio.sleep(RETRY_AFTER)
        raise AssertionError(f"{self.name} never saw {what}; last: {page[-3:]}")

    async def _send(self, frame: dict[str, Any]) -> dict[str, Any]:
        answer = await self._insist("POST", "/chat/send", json=frame)
        return dict(answer.json())

    async def _insist(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with asyncio.timeout(PATIENCE):
            while True:
                server = self._server
                headers = {"Origin": server.address}
                try:
                    answer = await self._http.request(method, server.address + path, headers=headers, **options)
                    if answer.status_code == httpx.codes.OK:
                        return answer
                except httpx.TransportError:
                    pass
                self._server = next(self._servers)
                await asyncio.sleep(RETRY_AFTER)
