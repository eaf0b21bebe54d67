"""How a handler answers: a new message, an edit of the one whose button was pressed, or a toast."""

from contextlib import suppress

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest
from aiogram.types import CallbackQuery, InaccessibleMessage
from aiogram.types import Message as ChatMessage
from markupsafe import escape

from bot.channels.translate import edit_method, send_method
from bot.texts import Message
from bot.texts.markdown import split

TOAST_LIMIT = 200
_GONE = ("message to edit not found", "message can't be edited")
_UNCHANGED = "message is not modified"


class Reply:
    """Answers one update. `show` edits where it can, so that a dialog stays one message."""

    def __init__(self, bot: Bot, event: ChatMessage | CallbackQuery) -> None:
        self.bot = bot
        self._press = event if isinstance(event, CallbackQuery) else None
        self._message = event.message if isinstance(event, CallbackQuery) else event
        self.chat_id = self._message.chat.id if self._message else event.from_user.id  # type: ignore[union-attr]

    async def send(self, message: Message) -> None:
        """A new message; one too long for the channel goes out in parts, its buttons under the last."""
        parts = split(message.html)
        for part in parts[:-1]:
            await self.bot(send_method(self.chat_id, Message(part)))
        last = Message(parts[-1], message.buttons, message.document, message.keyboard, message.silent)
        await self.bot(send_method(self.chat_id, last))

    async def show(self, message: Message) -> None:
        """Put the message in place of the one whose button was pressed; else send it."""
        if self._press is None or message.document or message.keyboard or not await self._edit(message):
            await self.send(message)

    async def _edit(self, message: Message) -> bool:
        pressed = self._message
        if pressed is None or isinstance(pressed, InaccessibleMessage) or pressed.document:
            return False
        try:
            await self.bot(edit_method(self.chat_id, pressed.message_id, message))
        except TelegramBadRequest as error:
            if _UNCHANGED in error.message:
                return True
            if any(reason in error.message for reason in _GONE):
                return False
            raise
        return True

    async def toast(self, text: str, alert: bool = False) -> None:
        """A short notice over the chat for a press; as a message of its own where nothing was pressed."""
        if self._press is None:
            await self.send(Message(str(escape(text))))
            return
        await self.acknowledge(text[:TOAST_LIMIT], alert)

    async def acknowledge(self, text: str | None = None, alert: bool = False) -> None:
        """Answer the press, once: without it the button keeps spinning. Too late is no error."""
        if self._press is None:
            return
        press, self._press = self._press, None
        with suppress(TelegramBadRequest):
            await self.bot.answer_callback_query(press.id, text=text, show_alert=alert)

    async def typing(self) -> None:
        """Only a courtesy: whoever is not shown it still gets the answer."""
        with suppress(AiogramError):
            await self.bot.send_chat_action(self.chat_id, "typing")
