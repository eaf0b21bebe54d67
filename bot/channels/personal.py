"""What is kept of a person's chats: what was said, where the conversation stands, what is in the inbox."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, select

from bot.channels.conversation import forget
from bot.channels.webchat.visitors import erase_chat, erase_messages, export_chat, set_language, with_buttons
from bot.inbox import Inbox, Lane
from bot.outbox.models import OutboxRow
from bot.outbox.port import ChatRef
from bot.people.contacts import Follow
from bot.people.models import Chat, Role
from bot.people.privacy import Shown
from bot.storage import Tx


def page_language(web_bot_id: int) -> Follow:
    """Makes the page of the web chat follow the language that its visitor chose to be addressed in."""

    async def follow(tx: Tx, chat: ChatRef, locale: str) -> None:
        if chat.bot_id == web_bot_id:
            await set_language(tx, chat.chat_id, locale)

    return follow


class ChatsData:
    """Owner of a contact's chats; comes before the contact, by whom it finds them."""

    name = "chats"

    def __init__(self, inbox: Inbox, web_bot_id: int) -> None:
        self._inbox = inbox
        self._web_bot_id = web_bot_id

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        """What was said in the web chat; Telegram keeps its own."""
        chats = await self._chats(tx, Chat.contact_id == contact_id)
        said = [await export_chat(tx, chat.chat_id) for chat in chats if self._is_web(chat)]
        return {"web_chat": [message for messages in said for message in messages]}

    async def erase(self, tx: Tx, contact_id: int) -> None:
        for chat in await self._chats(tx, Chat.contact_id == contact_id):
            await forget(tx, chat)
            await self._inbox.forget_chat(tx, Lane(chat.bot_id, chat.chat_id))
            if self._is_web(chat):
                await erase_chat(tx, chat.chat_id)

    async def take_back(self, tx: Tx, shown: Shown) -> None:
        """Delete from staff's web chats what they were shown; Telegram would let us for two days only, so we do not.

        What staff pressed quotes the message it stood under, so that is blanked too.
        """
        sent = select(OutboxRow.bot_id, OutboxRow.chat_id, OutboxRow.message_id).where(
            OutboxRow.subject.in_(shown.subjects), OutboxRow.message_id.is_not(None)
        )
        messages = {(ChatRef(row.bot_id, row.chat_id), row.message_id) for row in await tx.execute(sent)}
        staff = set(await self._chats(tx, Chat.contact_id.in_(select(Role.contact_id))))
        on_the_web = [chat.chat_id for chat in staff if self._is_web(chat)]
        found = await with_buttons(tx, on_the_web, shown.buttons)
        messages |= {(ChatRef(self._web_bot_id, chat_id), message_id) for chat_id, message_id in found}
        for chat in sorted({chat for chat, _ in messages}, key=lambda chat: (chat.bot_id, chat.chat_id)):
            if self._is_web(chat):
                await erase_messages(tx, chat.chat_id, [number for place, number in messages if place == chat])
        for chat in staff | {chat for chat, _ in messages}:
            await self._inbox.forget_chat(tx, Lane(chat.bot_id, chat.chat_id))

    async def _chats(self, tx: Tx, which: ColumnElement[bool]) -> list[ChatRef]:
        chats = select(Chat.bot_id, Chat.chat_id).where(which)
        return [ChatRef(row.bot_id, row.chat_id) for row in await tx.execute(chats)]

    def _is_web(self, chat: ChatRef) -> bool:
        return chat.bot_id == self._web_bot_id
