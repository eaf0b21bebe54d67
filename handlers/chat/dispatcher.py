"""One aiogram dispatcher for all channels, and the feeder that hands it accepted updates."""

import json
from collections.abc import Mapping

import structlog
from aiogram import Bot, Dispatcher
from aiogram.types import Update
from pydantic import ValidationError

from bot.channels.conversation import Handling, handling
from bot.channels.send_keys import sending
from bot.channels.state import ConversationStorage
from bot.inbox import Accepted
from handlers.chat import ask, book, curate, desk, events, fallback, manage, misses, privacy, start
from handlers.chat.filters import InPrivate
from handlers.chat.middlewares import CommandsLeaveDialogs, KnowThePerson, Pace
from handlers.services import Services

log = structlog.get_logger(__name__)

ALLOWED_UPDATES = ["message", "callback_query", "my_chat_member"]


def build_dispatcher(services: Services, storage: ConversationStorage, per_minute: int) -> Dispatcher:
    """Commands come before the steps of dialogs, and the fallback last.

    Questions, which most updates are, come before everything: text typed outside of every dialog is nobody else's.
    """
    dispatcher = Dispatcher(storage=storage, services=services)
    for observer in (dispatcher.message, dispatcher.callback_query):
        observer.filter(InPrivate())
        observer.outer_middleware(KnowThePerson(services.contacts, services.texts))
        observer.outer_middleware(Pace(services.clock, per_minute))
    dispatcher.message.outer_middleware(CommandsLeaveDialogs())
    rooms = (ask, start, privacy, manage, desk, curate, misses, book, events, fallback)
    dispatcher.include_routers(*(room.setup() for room in rooms), fallback.setup_membership())
    return dispatcher


class Feeder:
    """Hands updates of the inbox to the dispatcher; never raises for what is in them."""

    def __init__(self, dispatcher: Dispatcher, bots: Mapping[int, Bot]) -> None:
        self._dispatcher = dispatcher
        self._bots = bots

    async def __call__(self, accepted: Accepted) -> None:
        bot = self._bots.get(accepted.lane.bot_id)
        if bot is None or not accepted.payload:
            log.warning("update of an unknown bot, or erased", update_id=accepted.id)
            return
        token = handling.set(Handling(accepted.id))
        try:
            update = Update.model_validate(
                {**json.loads(accepted.payload), "update_id": accepted.id}, context={"bot": bot}
            )
            with sending(f"update:{accepted.id}"):
                await self._dispatcher.feed_update(bot, update)
        except (ValidationError, ValueError):
            log.exception("update not understood", update_id=accepted.id)
        finally:
            handling.reset(token)
