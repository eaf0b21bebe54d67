"""What is kept of a person's chats: what was said, where the conversation stands, what is in the inbox."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from bot.channels.conversation import forget
from bot.channels.webchat.visitors import erase_chat, export_chat
from bot.inbox import Inbox, Lane
from bot.outbox.port import ChatRef
from bot.people.models import Chat
from bot.storage import Tx


class ChatsData:
    """Owner of a contact's chats; comes before the contact, by whom it finds them."""

    name = "chats"

    def __init__(self, inbox: Inbox, web_bot_id: int) -> None:
        self._inbox = inbox
        self._web_bot_id = web_bot_id

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        """What was said in the web chat; Telegram keeps its own."""
        chats = await self._chats(tx, contact_id)
        said = [await export_chat(tx, chat.chat_id) for chat in chats if self._is_web(chat)]
        return {"web_chat": [message for messages in said for message in messages]}

    async def erase(self, tx: Tx, contact_id: int) -> None:
        for chat in await self._chats(tx, contact_id):
            await forget(tx, chat)
            await self._inbox.forget_chat(tx, Lane(chat.bot_id, chat.chat_id))
            if self._is_web(chat):
                await erase_chat(tx, chat.chat_id)

    async def _chats(self, tx: Tx, contact_id: int) -> list[ChatRef]:
        theirs = select(Chat.bot_id, Chat.chat_id).where(Chat.contact_id == contact_id)
        return [ChatRef(row.bot_id, row.chat_id) for row in await tx.execute(theirs)]

    def _is_web(self, chat: ChatRef) -> bool:
        return chat.bot_id == self._web_bot_id
