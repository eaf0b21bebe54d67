"""One aiogram dispatcher for all channels, and the feeder that hands it accepted updates."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from aiogram import Bot, Dispatcher
from aiogram.types import Update

from bot.channels.conversation import Handling, handling
from bot.channels.send_keys import sending
from bot.channels.state import ConversationStorage
from bot.inbox import Accepted
from bot.outbox.port import ChatRef
from bot.people.contacts import Contacts
from bot.texts import Texts
from handlers.chat import ask, book, curate, desk, events, fallback, manage, misses, privacy, start
from handlers.chat.dialogs import CommandsLeaveDialogs, ForgottenDialogs, LookingElsewhereLeaves
from handlers.chat.filters import InPrivate
from handlers.chat.middlewares import KnowThePerson, Pace, sorry
from handlers.chat.reply import Reply
from handlers.locale import guess_locale
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
        observer.outer_middleware(KnowThePerson(services))
        observer.outer_middleware(Pace(services.clock, per_minute))
    dispatcher.message.outer_middleware(ForgottenDialogs(storage))
    dispatcher.message.outer_middleware(CommandsLeaveDialogs())
    dispatcher.callback_query.outer_middleware(LookingElsewhereLeaves())
    rooms = (ask, start, privacy, manage, desk, curate, misses, book, events, fallback)
    dispatcher.include_routers(*(room.setup() for room in rooms), fallback.setup_membership())
    return dispatcher


class Feeder:
    """Hands updates of the inbox to the dispatcher; raises only when the database is away."""

    def __init__(self, dispatcher: Dispatcher, bots: Mapping[int, Bot], contacts: Contacts, texts: Texts) -> None:
        self._dispatcher = dispatcher
        self._bots = bots
        self._contacts = contacts
        self._texts = texts

    async def __call__(self, accepted: Accepted) -> None:
        update = self._read(accepted)
        if update is not None:
            with _at_work_on(accepted, "update"):
                await self._dispatcher.feed_update(self._bots[accepted.lane.bot_id], update)

    def _read(self, accepted: Accepted) -> Update | None:
        bot = self._bots.get(accepted.lane.bot_id)
        if bot is None or not accepted.payload:
            log.warning("update of an unknown bot, or erased", update_id=accepted.id)
            return None
        try:
            raw = {**json.loads(accepted.payload), "update_id": accepted.id}
            return Update.model_validate(raw, context={"bot": bot})
        except ValueError:
            log.exception("update not understood", update_id=accepted.id)
            return None

    async def given_up(self, accepted: Accepted, reference: str) -> None:
        """Tell the person that their message or press came to nothing, with the code that the log has."""
        update = self._read(accepted)
        event = (update.message or update.callback_query) if update is not None else None
        if event is None or event.from_user is None:
            return
        bot = self._bots[accepted.lane.bot_id]
        reply = Reply(bot, event)
        person = await self._contacts.known(ChatRef(bot.id, reply.chat_id))
        say = self._texts.translator(person.locale if person else guess_locale(event.from_user.language_code))
        with _at_work_on(accepted, "given up"):
            await reply.send(sorry(say, reference))
            await reply.acknowledge()


@contextmanager
def _at_work_on(accepted: Accepted, how: str) -> Iterator[None]:
    """What is sent inside has keys of its own, and gets through floods and bad lines."""
    token = handling.set(Handling(accepted.id))
    try:
        with sending(f"{how}:{accepted.id}"):
            yield
    finally:
        handling.reset(token)
