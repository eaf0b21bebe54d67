"""The serving process: channels and doors in front of the core, started and stopped in order.

Start: bind the port, serve the page, then take up the knowledge. Stop: no new tick, nothing new accepted, what
is in flight ends, then the rest is closed; what was accepted and not begun stays in the database.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
import uvicorn
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from bot.channels.bot_channel import BotChannel
from bot.channels.patience import Patience
from bot.channels.state import ConversationStorage
from bot.channels.telegram import Poller
from bot.channels.webchat.push import Push, StateChanged
from bot.channels.webchat.rows import BotUser, Json
from bot.channels.webchat.server import ChatServer
from bot.channels.webchat.session import WebChatSession
from bot.inbox import Accepted, Lane
from bot.outbox.port import ChatRef
from bot.outbox.sender import Sender
from bot.settings import OperatorError
from bot.storage import Tx
from handlers.chat.commands import introduce, needs_own_menu, offer_commands
from handlers.chat.dispatcher import ALLOWED_UPDATES, Feeder, build_dispatcher
from handlers.pace import Buckets
from handlers.services import Core
from handlers.web.app import Visit, WebChatDoor, allowed_origins, build_app
from knowledge.live import LOOK_SECONDS
from scheduler.ticks import Tick, Ticks

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 20.0
DOOR_FACTOR = 4
"""The door of the web chat lets in this many times what the bot will answer: above that nothing is even kept."""


class CannotServeError(OperatorError):
    """Serving cannot begin; the text says in one line why and how to mend it."""


class Server(uvicorn.Server):
    """uvicorn, with the signals left to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class App:
    def __init__(self, core: Core, web_bot_id: int) -> None:
        self.core = core
        settings = core.settings
        self.push = Push()
        self.chat_server = ChatServer(
            core.db,
            core.clock,
            BotUser(web_bot_id, settings.bot_name, "cipo_web_bot"),
            self._accept,
            self.push,
            core.inbox.take,
        )
        self.web_bot = Bot(f"{web_bot_id}:web-chat", session=WebChatSession(self.chat_server))
        self.telegram_bot = self._telegram_bot()
        bots = {bot.id: bot for bot in (self.web_bot, self.telegram_bot) if bot is not None}
        dispatcher = build_dispatcher(
            core.services, ConversationStorage(core.db, core.clock), settings.messages_per_minute
        )
        feeder = Feeder(dispatcher, bots, core.services.contacts, core.texts)
        core.inbox.handle, core.inbox.given_up = feeder, feeder.given_up
        self.sender = Sender(
            core.db,
            core.clock,
            core.kinds,
            {bot_id: BotChannel(bot) for bot_id, bot in bots.items()},
            core.services.contacts,
            core.texts,
            core.replica,
        )
        core.outbox.due = self.sender.wake
        self.ticks = Ticks(self._ticks(), core.in_flight)
        self.poller: Poller | None = None
        self.stopping = asyncio.Event()
        self.address = ""

    def _telegram_bot(self) -> Bot | None:
        token = self.core.settings.telegram_token
        if token is None:
            return None
        api = TelegramAPIServer.from_base(self.core.settings.telegram_api_url)
        session = AiohttpSession(api=api)
        session.middleware(Patience())
        return Bot(token.get_secret_value(), session=session)

    def _ticks(self) -> list[Tick]:
        core = self.core
        return [
            Tick("inbox", core.inbox.tick, seconds=1),
            Tick("knowledge", core.live.tick, seconds=LOOK_SECONDS, at_start=True),
            Tick("web chat", lambda: self.push.poll(core.db), seconds=1),
            Tick("holds", core.services.appointments.sweep, seconds=30),
            Tick("zones", lambda: core.services.events.rederive(core.clock.now()), cron="17 3 * * *"),
            Tick("answers to wishes", core.services.wishes.look, seconds=5),
            Tick("reviews due", core.services.freshness.remind, cron="*/15 * * * *", at_start=True),
            Tick("old questions", core.services.questions.forget_old, cron="27 3 * * *"),
            Tick("old updates", core.inbox.forget_old, cron="47 3 * * *"),
            Tick("old presses", self.chat_server.forget_old, cron="52 3 * * *"),
            Tick("deleted texts", core.db.empty_log, cron="57 3 * * *"),
        ]

    async def _accept(self, tx: Tx, update: Json) -> Accepted | None:
        """The chat server's updates go to the inbox, each under the number of what caused it."""
        if "callback_query" in update:
            press = update["callback_query"]
            return await self._keep(tx, press["message"]["chat"]["id"], f"press {press['id']}", update)
        if "message" in update:
            message = update["message"]
            chat_id = message["chat"]["id"]
            return await self._keep(tx, chat_id, f"message {chat_id} {message['message_id']}", update)
        change = update["my_chat_member"]
        chat_id = change["chat"]["id"]
        return await self._keep(tx, chat_id, f"member {chat_id} {change['date']}", update)

    async def _keep(self, tx: Tx, chat_id: int, key: str, update: Json) -> Accepted | None:
        payload = json.dumps(update, ensure_ascii=False)
        return await self.core.inbox.accept(tx, Lane(self.web_bot.id, chat_id), key, payload)

    # Life

    async def run(self) -> int:
        """Serve until a signal or `stop`; the exit code."""
        self._own_signals()
        sock = listen(self.core.settings.web_host, self.core.settings.web_port)
        await self.start(sock)
        await self.stopping.wait()
        await self.close()
        return 0

    async def start(self, sock: socket.socket) -> None:
        """Serve on the bound socket, and begin what runs beside."""
        core = self.core
        self.door, server = self._web(sock)
        self._serving = core.background.start(server.serve(sockets=[sock]), "web server")
        self._server = server
        while not server.started and not self._serving.done():  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.005)
        await introduce(self.web_bot, core.texts, core.settings.bot_name)
        self._sending = core.background.start(self.sender.run(self.stopping), "sender")
        self._polling = self._start_polling()
        self.ticks.start()
        core.background.start(self._keep_once_ready(), "what is built")
        log.info("serving", address=self.address)

    async def _keep_once_ready(self) -> None:
        await self.core.live.view()
        keep_what_is_built()

    def _web(self, sock: socket.socket) -> tuple[WebChatDoor, Server]:
        core, settings = self.core, self.core.settings
        port = sock.getsockname()[1]
        origins, hosts = allowed_origins(settings.web_host, port, settings.public_url)
        self.address = settings.public_url or settings.local_address(port)
        secure = (settings.public_url or "").startswith("https://")
        door = WebChatDoor(
            self.chat_server,
            core.texts,
            Visit(settings.signing_key(), secure),
            origins,
            core.in_flight,
            Buckets(core.clock, DOOR_FACTOR * settings.messages_per_minute),
            self._settle,
            self._speak,
            self._greet,
            core.services.sample.exists,
            self._health,
        )
        config = uvicorn.Config(
            build_app(door, hosts),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=256 * 1024,
            timeout_graceful_shutdown=10,
        )
        return door, Server(config)

    def _start_polling(self) -> asyncio.Task[Any] | None:
        bot, core = self.telegram_bot, self.core
        if bot is None:
            return None
        core.background.start(introduce(bot, core.texts, core.settings.bot_name), "telegram profile")
        self.poller = Poller(bot, core.db, core.inbox, ALLOWED_UPDATES, self._may_poll, core.clock)
        return core.background.start(self.poller.run(self.stopping), "telegram polling")

    async def _may_poll(self) -> bool:
        assert self.telegram_bot is not None
        return await self.core.inbox.hold(Lane(self.telegram_bot.id, 0))

    async def _settle(self, chat_id: int, zone: str) -> None:
        """Where the browser is: a first guess for somebody new, who can say otherwise at any time."""
        locale = await self.chat_server.locale(chat_id)
        await self.core.services.contacts.meet(ChatRef(self.web_bot.id, chat_id), locale, zone)

    async def _speak(self, chat_id: int, locale: str) -> None:
        """The page's language switch: the bot follows, its menu too."""
        contacts = self.core.services.contacts
        person = await contacts.meet(ChatRef(self.web_bot.id, chat_id), locale)
        await contacts.speak(person.contact_id, locale)
        await offer_commands(self.web_bot, self.core.texts, chat_id, locale, person.roles)
        self.push.publish(chat_id, StateChanged())

    async def _greet(self, chat_id: int) -> None:
        """Traditional Chinese has no command menu of its own but chat by chat: see handlers/chat/commands.py."""
        person = await self.core.services.contacts.known(ChatRef(self.web_bot.id, chat_id))
        locale = person.locale if person else await self.chat_server.locale(chat_id)
        if needs_own_menu(locale):
            roles = person.roles if person else frozenset()
            await offer_commands(self.web_bot, self.core.texts, chat_id, locale, roles)

    async def _health(self) -> Mapping[str, Any]:
        """What is served at /healthz; an error of the database when it is away."""
        told: dict[str, Any] = {"status": "ok", "answers": self.core.services.answers.is_ready}
        told["outbox"] = await self.core.services.outbox_report.health()
        if self.poller is not None:
            told["telegram"] = self.poller.health()
        return told

    def stop(self) -> None:
        self.stopping.set()

    def _own_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        """The second time at once: what is in flight is then repeated after the next start."""
        if self.stopping.is_set():
            os._exit(130)
        log.info("stopping")
        self.stop()

    async def close(self) -> None:
        core = self.core
        self.stopping.set()
        self.ticks.pause()
        core.inbox.pause()  # or one update after the other would be in flight, and the last be cut off
        self.door.stop()
        self._server.should_exit = True
        await core.in_flight.drained(DRAIN_SECONDS)
        waiting = [task for task in (self._serving, self._sending, self._polling) if task is not None]
        await asyncio.wait(waiting, timeout=DRAIN_SECONDS)
        await core.inbox.stop()
        await self.ticks.shutdown()
        await core.background.close()
        for bot in (self.web_bot, self.telegram_bot):
            if bot is not None:
                await bot.session.close()
        await core.close()
        log.info("stopped")


def keep_what_is_built() -> None:
    """Let no garbage collection look through what is built once and stays: that stops every chat for 0.2 s."""
    gc.freeze()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; CannotServeError when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise CannotServeError(
            f"{host}:{port} cannot be used ({error.strerror}); set CIPO_WEB_HOST or CIPO_WEB_PORT to a free one"
        ) from None
    sock.set_inheritable(True)
    return sock
