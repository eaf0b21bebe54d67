"""Starlette routes of the web chat. The wire format is told in docs/web-chat.md.

A visitor is known by a signed cookie that holds a random name; chats are only ever found by it, so no request
can name another visitor's chat. Host and Origin are checked against the addresses this server is meant to have.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from itsdangerous import BadSignature, URLSafeSerializer
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.background import InFlight
from bot.channels.webchat.errors import Refused
from bot.channels.webchat.push import Answered, Changed, Event, StateChanged, Typing
from bot.channels.webchat.visitors import HISTORY, Visitors
from bot.settings import bracketed
from bot.storage import is_outage
from bot.texts import LOCALES, N_, Texts
from handlers.locale import browser_locale
from handlers.pace import Buckets
from handlers.web.page_texts import PAGE_TEXTS
from handlers.zones import zone_called

log = structlog.get_logger(__name__)

FOLDER = Path(__file__).parent
COOKIE = "visitor"
COOKIE_SECONDS = 400 * 86400
"""As long as browsers keep a cookie at the most; renewed with every visit."""
FRAME_LIMIT = 64 * 1024
DISCARD_LIMIT = 1024 * 1024
BODY_SECONDS = 30.0
"""A body that takes longer to arrive keeps nobody waiting for it."""
WAIT_LIMIT = 25
CSP = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
RESTARTING, TOO_FAST, NO_COOKIE = 1012, 1008, 4401


class Visit:
    """Tells visitors apart."""

    def __init__(self, key: str, secure: bool) -> None:
        self._signer = URLSafeSerializer(key, salt="visitor")
        self._secure = secure

    def visitor(self, connection: HTTPConnection) -> str | None:
        """The visitor of a request; None without a cookie of ours."""
        try:
            return str(self._signer.loads(connection.cookies.get(COOKIE, "")))
        except BadSignature:
            return None

    def remember(self, response: Response, visitor: str) -> None:
        signed = self._signer.dumps(visitor)
        response.set_cookie(
            COOKIE, str(signed), max_age=COOKIE_SECONDS, httponly=True, samesite="lax", secure=self._secure
        )


class WebChatDoor:
    """`settle` hears of a new visitor's time zone, `speak` makes the bot follow the page's language, `greet` readies it
    for a page that opens; `sample` says whether sample data is loaded."""

    def __init__(
        self,
        server: Visitors,
        texts: Texts,
        visit: Visit,
        origins: Sequence[str],
        in_flight: InFlight,
        buckets: Buckets,
        settle: Callable[[int, str], Awaitable[None]],
        speak: Callable[[int, str], Awaitable[None]],
        greet: Callable[[int], Awaitable[None]],
        sample: Callable[[], Awaitable[bool]],
        health: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> None:
        self._server = server
        self._texts = texts
        self._visit = visit
        self._origins = frozenset(origins)
        self._in_flight = in_flight
        self._buckets = buckets
        self._settle = settle
        self._speak = speak
        self._greet = greet
        self._sample = sample
        self._health = health
        self._stopping = asyncio.Event()
        templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined
        )
        self._page = templates.get_template("chat.html.j2")

    def routes(self) -> list[Route | WebSocketRoute | Mount]:
        return [
            Route("/", self.page),
            Route("/chat/changes", self.changes),
            Route("/chat/send", self.send, methods=["POST"]),
            Route("/chat/file/{message_id}", self.file),
            WebSocketRoute("/chat/socket", self.socket),
            Route("/healthz", self.healthz),
            Mount("/static", Assets(directory=FOLDER / "static"), name="static"),
        ]

    def stop(self) -> None:
        """Let waiting requests go and close the sockets: the server restarts."""
        self._stopping.set()

    async def page(self, request: Request) -> Response:
        visitor = self._visit.visitor(request) or secrets.token_urlsafe(24)
        locale = await self._locale(request, visitor)
        texts = {code: self._page_texts(code) for code in LOCALES}
        html = self._page.render(
            page=texts[locale],
            all_texts=texts,
            locale=locale,
            bot_name=self._server.bot_user.name,
        )
        response = HTMLResponse(html, headers={"Cache-Control": "no-store"})
        self._visit.remember(response, visitor)
        return response

    async def _locale(self, request: Request, visitor: str) -> str:
        """The page's language: asked for, else the chat's, else the browser's first that we speak."""
        asked = request.query_params.get("lang")
        if asked in LOCALES:
            return str(asked)
        chat = await self._server.find(visitor)
        if chat is not None and chat.locale in LOCALES:
            return chat.locale
        return browser_locale(request.headers.get("accept-language", ""))

    def _page_texts(self, locale: str) -> dict[str, str]:
        say = self._texts.translator(locale)
        return {key: say.unfilled(text) for key, text in PAGE_TEXTS.items()}

    async def changes(self, request: Request) -> Response:
        chat_id = await self._chat_of(request)
        if chat_id is None:
            return _refusal(401)
        if not self._buckets.take((chat_id, "changes")).allowed:
            return _refusal(429)
        since = _number(request.query_params.get("since"))
        if not since:
            await self._greet(chat_id)
        wait = min(_number(request.query_params.get("wait")), WAIT_LIMIT)
        with self._server.push.subscribe(chat_id) as events:
            messages, seq = await self._server.changes(chat_id, since)
            if wait and not messages:
                await self._server.state(chat_id)  # so that a change of language ends the wait
                await self._wait_for(events.next(), wait)
                messages, seq = await self._server.changes(chat_id, since)
        return JSONResponse({"messages": messages, "seq": seq, "state": await self._state(chat_id)})

    async def _wait_for(self, event: Awaitable[Event], seconds: float) -> None:
        waiting = {asyncio.ensure_future(event), asyncio.ensure_future(self._stopping.wait())}
        _, pending = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async def send(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return _refusal(408)
        except ClientDisconnect:
            return _refusal(400)  # which nobody hears
        if request.headers.get("origin") not in self._origins:
            return _refusal(403)
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _refusal(415)
        chat_id = await self._chat_of(request)
        if chat_id is None:
            return _refusal(401)
        if body is None:
            return _refusal(413)
        with self._server.push.subscribe(chat_id) as events:
            frame = _frame(body)
            answer = await self._do(chat_id, frame)
            if answer is None and frame["type"] == "press":
                answer = await self._callback(events, frame["key"])
        return JSONResponse(answer or {"type": "pong"})

    async def _callback(self, events: Any, key: str) -> dict[str, Any] | None:
        """The answer of a press, for a page without a socket."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_LIMIT):
                async for event in events:
                    if isinstance(event, Answered) and event.key == key:
                        return _event_frame(event)
        return {"type": "callback", "key": key, "text": None, "alert": False, "url": None}

    async def file(self, request: Request) -> Response:
        chat_id = await self._chat_of(request)
        document = chat_id and await self._server.document(chat_id, _number(request.path_params["message_id"]))
        if not document:
            return _refusal(404)
        disposition = f"attachment; filename*=UTF-8''{quote(document.name)}"
        return Response(document.data, media_type=document.mime, headers={"Content-Disposition": disposition})

    async def healthz(self, request: Request) -> Response:
        try:
            return JSONResponse(await self._health())
        except Exception as error:
            if not is_outage(error):
                raise
            return JSONResponse({"status": "the database is away"}, status_code=503)

    async def socket(self, socket: WebSocket) -> None:
        if socket.headers.get("origin") not in self._origins:
            await socket.close(4403)
            return
        await socket.accept()
        chat_id = await self._chat_of(socket)
        if chat_id is None:
            await socket.close(NO_COOKIE)
            return
        await self._greet(chat_id)
        since = _number(socket.query_params.get("since"))
        with self._server.push.subscribe(chat_id) as events:
            tasks = [
                asyncio.ensure_future(work)
                for work in (
                    self._tell(socket, chat_id, since, events),
                    self._listen(socket, chat_id),
                    self._stopping.wait(),
                )
            ]
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            _report(done)
            if self._stopping.is_set():
                with suppress(RuntimeError, WebSocketDisconnect):
                    await socket.close(RESTARTING)

    async def _tell(self, socket: WebSocket, chat_id: int, since: int, events: Any) -> None:
        """Everything the page has not seen, then what happens."""
        await socket.send_json({"type": "state", "state": await self._state(chat_id)})
        seq = await self._tell_changes(socket, chat_id, since)
        async for event in events:
            if isinstance(event, Changed):
                if event.seq > seq or event.seq == 0:
                    seq = await self._tell_changes(socket, chat_id, seq)
            elif isinstance(event, StateChanged):
                await socket.send_json({"type": "state", "state": await self._state(chat_id)})
            else:
                await socket.send_json(_event_frame(event))

    async def _tell_changes(self, socket: WebSocket, chat_id: int, since: int) -> int:
        """All of them, in as many frames as it takes; the number the page knows then."""
        while True:
            messages, seq = await self._server.changes(chat_id, since)
            await socket.send_json({"type": "changes", "messages": messages, "seq": seq})
            if len(messages) < HISTORY or seq == since:
                return seq
            since = seq

    async def _listen(self, socket: WebSocket, chat_id: int) -> None:
        while (received := await socket.receive())["type"] == "websocket.receive":
            await asyncio.sleep(0)  # frames that have arrived are there at once: everybody else gets a turn between
            text = received.get("text") or ""  # nothing of ours is binary
            frame = _frame(text if len(text) <= FRAME_LIMIT else "")
            answer = await self._do(chat_id, frame)
            in_vain = frame["type"] == "ping" or (answer or {}).get("code") == "rate"
            if in_vain and not self._buckets.take((chat_id, "in vain")).allowed:
                await socket.close(TOO_FAST)
                return
            if answer is not None:
                await socket.send_json(answer)

    async def _do(self, chat_id: int, frame: dict[str, Any]) -> dict[str, Any] | None:
        """Work off one frame of the page; the frame to answer with, if any."""
        with self._in_flight.one():
            try:
                return await self._done(chat_id, frame)
            except Refused as refused:
                return await self._refused(chat_id, refused.code, frame["key"])

    async def _done(self, chat_id: int, frame: dict[str, Any]) -> dict[str, Any] | None:
        if frame["type"] != "ping" and not self._buckets.take(chat_id).allowed:
            raise Refused("rate")
        if zone := zone_called(str(frame.get("zone", ""))):
            await self._settle(chat_id, zone)
        match frame:
            case {"type": "message", "text": str(text), "key": str(key)}:
                message_id = await self._server.say(chat_id, text, key)
                return {"type": "accepted", "key": key, "message_id": message_id}
            case {"type": "press", "message_id": int(message_id), "data": str(data), "key": str(key)}:
                await self._server.press(chat_id, message_id, data, key)
                return None
            case {"type": "language", "locale": str(locale)} if locale in LOCALES:
                if (await self._server.state(chat_id))["locale"] != locale:
                    await self._speak(chat_id, locale)
                return None
            case {"type": "ping"}:
                return {"type": "pong"}
        raise Refused("bad_frame")

    async def _refused(self, chat_id: int, code: str, key: object) -> dict[str, Any]:
        state = await self._server.state(chat_id)
        say = self._texts.translator(state["locale"])
        text = say.plain(REFUSALS.get(code, REFUSALS["bad_frame"]))
        return {"type": "error", "key": key, "code": code, "text": text}

    async def _state(self, chat_id: int) -> dict[str, Any]:
        return {**await self._server.state(chat_id), "sample": await self._sample()}

    async def _chat_of(self, connection: HTTPConnection) -> int | None:
        visitor = self._visit.visitor(connection)
        if visitor is None:
            return None
        asked = connection.query_params.get("lang", "")
        locale = asked if asked in LOCALES else browser_locale(connection.headers.get("accept-language", ""))
        return (await self._server.open(visitor, locale)).id


REFUSALS = {
    "too_long": N_("That is longer than 4,096 characters. Please send it in shorter parts."),
    "empty": N_("There is nothing in that message."),
    "unknown_message": N_("That button is out of date. Send /start for a fresh menu."),
    "blocked": N_("You have blocked this chat."),
    "rate": N_("That is a little fast for me. Please wait a moment and try again."),
    "bad_frame": N_("The page sent something I do not understand. Please reload it."),
}


class Assets(StaticFiles):
    """Asks browsers to check for a newer one each time, or an upgrade would mix modules of two versions."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class SecurityHeaders:
    """Nothing from elsewhere, no framing, no sniffing."""

    HEADERS = (
        (b"content-security-policy", CSP.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"x-frame-options", b"DENY"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def build_app(door: WebChatDoor, hosts: Sequence[str]) -> ASGIApp:
    """`hosts`: the names, without port, under which this server may be addressed."""
    known_hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    # around all of it, as errors and refusals are answered by the outermost layers
    return SecurityHeaders(Starlette(routes=door.routes(), middleware=[known_hosts]))


def allowed_origins(host: str, port: int, public_url: str | None) -> tuple[list[str], list[str]]:
    """The origins pages may come from, and the hosts this server answers for."""
    hosts = {"127.0.0.1", "localhost", "[::1]", bracketed(host)} - {"0.0.0.0", "[::]"}  # noqa: S104  taken out, not bound
    origins = [f"http://{name}:{port}" for name in sorted(hosts)]
    if public_url is not None:
        parts = urlsplit(public_url)
        origins.append(f"{parts.scheme}://{parts.netloc}")
        hosts.add(bracketed(parts.hostname or ""))
    return origins, sorted(hosts)


def _event_frame(event: Event) -> dict[str, Any]:
    if isinstance(event, Typing):
        return {"type": "typing"}
    assert isinstance(event, Answered)
    return {
        "type": "callback",
        "key": event.key,
        "text": event.text,
        "alert": event.alert,
        "url": event.url,
    }


def _frame(text: str) -> dict[str, Any]:
    """A frame as the page sent it; whatever is not an object becomes one that no case takes."""
    try:
        frame = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        frame = None
    if not isinstance(frame, dict):
        return {"type": None, "key": None}
    key = frame.get("key")
    sayable = isinstance(key, str) and key.isascii() and key.isprintable()
    return {"type": None, **frame, "key": key if sayable else None}


def _no_number(constant: str) -> None:
    """NaN and Infinity are no JSON, whatever Python's reader says."""
    raise ValueError(constant)


async def _body(request: Request) -> str | None:
    """The body as text; None when it is longer than a frame may be.

    One that is to be refused is read too, unless it is far too long: whoever still sends when the connection is
    closed never sees why.
    """
    body, length = b"", 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= FRAME_LIMIT:
            body += chunk
        elif length > DISCARD_LIMIT:
            break
    return body.decode(errors="replace") if length <= FRAME_LIMIT else None


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0


def _refusal(status: int) -> Response:
    """Also ends the connection, so that the rest of a refused body is not read."""
    return JSONResponse({"type": "error", "code": status}, status_code=status, headers={"Connection": "close"})


def _report(done: set[asyncio.Task[Any]]) -> None:
    """A page that went away is no error; anything else is."""
    for task in done:
        error = task.exception()
        if error is not None and not isinstance(error, WebSocketDisconnect | RuntimeError):
            log.error("socket failed", exc_info=error)
