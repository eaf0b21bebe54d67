"""HTTP in front of the chat server, with faults on demand."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiohttp import web
from sqlalchemy import insert

from bot.channels.webchat.errors import ApiError, Fault, method_not_found
from bot.channels.webchat.models import (
    WebCallback,
    WebChat,
    WebDocument,
    WebMessage,
    WebProfile,
)
from bot.channels.webchat.push import Push
from bot.channels.webchat.rows import BotUser
from bot.channels.webchat.server import ChatServer
from bot.clock import Clock, SystemClock
from bot.storage import Base, Database, Tx
from tests.botapi.decode import METHODS, decode, parameters
from tests.botapi.people import Person
from tests.botapi.updates import Updates

TOKEN = "700000001:TEST-token-of-the-test-bot"
PEOPLE_START = 5_000_000_001
"""Telegram's ids have outgrown 32 bits."""

Break = Literal["reset", "lost_reply", "garbage", "hang"]


@dataclass(slots=True)
class Broken:
    """How the network fails: `reset` before anything is done, `lost_reply` after it was done, `garbage` a page
    of HTML instead of an answer, `hang` done but the answer waits for `release`."""

    kind: Break
    method: str | None = None
    contains: str = ""
    times: int = 1
    status: int = 502
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def strikes(self, method: str, text: str) -> bool:
        if self.times <= 0 or (self.method or method).lower() != method.lower() or self.contains not in text:
            return False
        self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    parameters: dict[str, Any]


class BotApi:
    """One bot on a pretended Telegram. `url` is what the setting of the API's base address takes."""

    def __init__(self, db: Database, clock: Clock, token: str = TOKEN) -> None:
        self.db = db
        self.clock = clock
        self.token = token
        self.url = ""
        self.calls: list[Call] = []
        self.updates = Updates(clock)
        self.people: dict[int, Person] = {}
        self._broken: list[Broken] = []
        bot_user = BotUser(int(token.partition(":")[0]), "CIPO Advisor", "cipo_test_bot")
        self.server = ChatServer(db, clock, bot_user, self._accept, Push(), self.updates.add)

    async def person(self, first_name: str = "Ann", language_code: str = "en", chat_id: int | None = None) -> Person:
        """Somebody who has opened a chat with the bot."""
        number = chat_id or PEOPLE_START + len(self.people)
        values = {"id": number, "visitor": f"person-{number}", "locale": language_code}
        async with self.db.write() as tx:
            await tx.execute(insert(WebChat).values(**values, created_at=self.clock.now()))
        self.people[number] = Person(self.server, number, first_name, language_code)
        return self.people[number]

    def fail(
        self,
        code: int,
        description: str,
        *,
        method: str | None = None,
        retry_after: int | None = None,
        contains: str = "",
        times: int = 1,
    ) -> None:
        """Refuse the next calls that match."""
        error = ApiError(code, description, retry_after)
        self.server.faults.plan(Fault(error, method, contains, times))

    def flood(self, retry_after: int, **which: Any) -> None:
        self.fail(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after, **which)

    def break_line(self, kind: Break, method: str | None = None, contains: str = "", times: int = 1) -> Broken:
        """Let the network fail under the next calls that match."""
        self._broken.append(broken := Broken(kind, method, contains, times))
        return broken

    def made(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all calls of a method that reached the server, failed ones too."""
        return [call.parameters for call in self.calls if call.method.lower() == method.lower()]

    def session(self) -> AiohttpSession:
        """A session of aiogram that talks to this server."""
        return AiohttpSession(api=TelegramAPIServer.from_base(self.url))

    async def _accept(self, tx: Tx, payload: dict[str, Any]) -> dict[str, Any]:
        content = next(iter(payload.values()))
        person = self.people[content["from"]["id"]]
        content["from"] = content["from"] | person.as_json()
        return payload

    # HTTP

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        app.router.add_get("/file/bot{token}/{path:.+}", self._serve_file)
        app.router.add_route("*", "/{rest:.*}", _not_found)
        return app

    async def _serve_file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.token:
            return _reply(ApiError(401, "Unauthorized"))
        try:
            return web.Response(body=await self.server.download(request.match_info["path"]))
        except ApiError as error:
            return _reply(error)

    async def _serve(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.token:
            return _reply(ApiError(401, "Unauthorized"))
        method = request.match_info["method"]
        try:
            given = await parameters(request)
        except ApiError as error:
            return _reply(error)
        self.calls.append(Call(method, given))
        broken = self._strike(method, str(given.get("text") or given.get("caption") or ""))
        if broken is not None and broken.kind == "garbage":
            return web.Response(status=broken.status, text="<html>Bad Gateway</html>", content_type="text/html")
        if broken is not None and broken.kind == "reset":
            return _reset(request)
        reply = await self._answer(method, given)
        if broken is not None and broken.kind == "lost_reply":
            return _reset(request)
        if broken is not None:
            await broken.release.wait()
        return reply

    def _strike(self, method: str, text: str) -> Broken | None:
        return next((broken for broken in self._broken if broken.strikes(method, text)), None)

    async def _answer(self, method: str, given: dict[str, Any]) -> web.Response:
        try:
            if (cls := METHODS.get(method.lower())) is None:
                raise method_not_found()
            return web.json_response({"ok": True, "result": await self._call(decode(cls, given))})
        except ApiError as error:
            return _reply(error)

    async def _call(self, method: Any) -> Any:
        match method.__api_method__:
            case "getUpdates":
                self.server.faults.check("getUpdates", "")
                return await self.updates.get(method.offset, method.limit, method.timeout, method.allowed_updates)
            case "setWebhook":
                self.updates.set_webhook(method.url)
                return True
            case "deleteWebhook":
                self.updates.webhook = ""
                if method.drop_pending_updates:
                    self.updates.drop()
                return True
            case "getWebhookInfo":
                pending = len(self.updates.queued)
                info = {"url": self.updates.webhook, "pending_update_count": pending}
                return info | {"has_custom_certificate": False}
        return await self.server.call(method)


def _reply(error: ApiError) -> web.Response:
    return web.json_response(error.envelope(), status=error.code)


def _reset(request: web.Request) -> web.Response:
    """Cut the line: what is returned never leaves."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _not_found(request: web.Request) -> web.Response:
    return _reply(ApiError(404, "Not Found"))


TABLES = [model.__table__ for model in (WebChat, WebDocument, WebMessage, WebCallback, WebProfile)]


@asynccontextmanager
async def running_bot_api(folder: Path, clock: Clock | None = None, token: str = TOKEN) -> AsyncIterator[BotApi]:
    """A Bot API on a free loopback port, with a database of its own in `folder`."""
    db = Database(f"sqlite:///{folder / 'telegram.db'}")
    async with db.writer.begin() as connection:
        await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=TABLES))  # type: ignore[arg-type]
    api = BotApi(db, clock or SystemClock(), token)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    runner = web.AppRunner(api.app(), shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.url = f"http://{host}:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()
        await db.close()
