"""The outbox's way out through an aiogram `Bot`, the same for Telegram and the web chat."""

import structlog
from aiogram import Bot
from aiogram.exceptions import AiogramError

from bot.channels.outcomes import outcome_of
from bot.channels.send_keys import sending
from bot.channels.translate import send_method
from bot.channels.webchat.session import WebChatSession
from bot.outbox.port import ChatRef, Outcome, Result
from bot.texts import Message

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 25
"""Less than the sender allows a send, so that the network's own answer comes first."""


class BotChannel:
    """Sends to the chats of one bot. The web chat, which keeps its messages in our database, knows the key again."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self.bot_id = bot.id
        self.exactly_once = isinstance(bot.session, WebChatSession)

    async def send(self, chat: ChatRef, message: Message, key: str) -> Outcome:
        try:
            method = send_method(chat.chat_id, message)
        except Exception as error:
            log.exception("a message cannot be put into the channel's words", key=key)
            return Outcome(Result.REJECTED, detail=type(error).__name__)
        try:
            with sending(key):
                sent = await self._bot(method, request_timeout=REQUEST_SECONDS)
        except AiogramError as error:
            return outcome_of(error)
        return Outcome(Result.SENT, message_id=sent.message_id)
