"""What no other handler took: unknown commands, stickers and photos, buttons of another day, people who block us."""

from aiogram import F, Router
from aiogram.types import CallbackQuery, ChatMemberUpdated
from aiogram.types import Message as ChatMessage

from bot.outbox.port import ChatRef
from bot.texts import Message
from handlers.chat.buttons import main_menu
from handlers.chat.start import welcome
from handlers.chat.talk import Talk
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


async def unknown_command(message: ChatMessage, talk: Talk) -> None:
    text = talk.say("I do not know that command. /help shows what I can do, or just type your question.")
    await talk.reply.send(Message(text, ((main_menu(talk.say),),)))


async def unexpected_text(message: ChatMessage, talk: Talk) -> None:
    """Text typed in a dialog whose step the person may no longer take."""
    await talk.reply.send(Message(talk.say("That step is no longer open. /cancel leaves it, then ask me anything.")))


async def not_text(message: ChatMessage, talk: Talk) -> None:
    text = talk.say("I can read text only: no pictures, stickers, voice or files. Please type your question.")
    await talk.reply.send(Message(text))


async def unknown_button(press: CallbackQuery, talk: Talk) -> None:
    """A button from an older version, or data that no button of ours carries."""
    await talk.reply.toast(talk.say.plain("That button is out of date. Here is a fresh menu."))
    await talk.reply.send(welcome(talk.say))


async def membership_changed(change: ChatMemberUpdated, services: Services) -> None:
    """Telegram's word that a person blocked the bot, or came back."""
    assert change.bot is not None
    chat = ChatRef(change.bot.id, change.chat.id)
    if change.new_chat_member.status in ("kicked", "left"):
        await services.contacts.blocked(chat)
    else:
        await services.contacts.unblocked(chat)
