"""What no other handler took: unknown commands, stickers and photos, buttons of another day, people who block us."""

from aiogram import F, Router
from aiogram.types import CallbackQuery, ChatMemberUpdated
from aiogram.types import Message as ChatMessage

from bot.outbox.port import ChatRef
from bot.texts import Button, Message, Translator
from bot.texts.actions import GoHome
from handlers.chat.reply import Reply
from handlers.chat.start import welcome
from handlers.services import Services


def setup() -> Router:
    router = Router(name="fallback")
    router.message.register(unknown_command, F.text.startswith("/"))
    router.message.register(unexpected_text, F.text)
    router.message.register(not_text)
    router.callback_query.register(unknown_button)
    return router


def setup_membership() -> Router:
    router = Router(name="membership")
    router.my_chat_member.register(membership_changed, F.chat.type == "private")
    return router


async def unknown_command(message: ChatMessage, say: Translator, reply: Reply) -> None:
    await reply.send(
        Message(
            say("I do not know that command. /help shows what I can do, or just type your question."),
            ((Button(say.plain("Main menu"), GoHome()),),),
        )
    )


async def unexpected_text(message: ChatMessage, say: Translator, reply: Reply) -> None:
    """Text typed in a dialog whose step the person may no longer take."""
    await reply.send(Message(say("That step is no longer open. /cancel leaves it, then ask me anything.")))


async def not_text(message: ChatMessage, say: Translator, reply: Reply) -> None:
    await reply.send(
        Message(say("I can read text only: no pictures, stickers, voice or files. Please type your question."))
    )


async def unknown_button(press: CallbackQuery, say: Translator, reply: Reply) -> None:
    """A button from an older version, or data that no button of ours carries."""
    await reply.toast(say.plain("That button is out of date. Here is a fresh menu."))
    await reply.send(welcome(say))


async def membership_changed(change: ChatMemberUpdated, services: Services) -> None:
    """Telegram's word that a person blocked the bot, or came back."""
    assert change.bot is not None
    chat = ChatRef(change.bot.id, change.chat.id)
    if change.new_chat_member.status in ("kicked", "left"):
        await services.contacts.blocked(chat)
    else:
        await services.contacts.unblocked(chat)
