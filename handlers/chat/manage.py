"""Forums and training for administrators: list, add, move and cancel, in the same chat."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import Button, Message, Translator
from bot.texts.actions import ManageEvents, NewEvent
from handlers.chat.filters import Holds, Pressed
from handlers.chat.reply import Reply
from handlers.services import Services


def setup() -> Router:
    router = Router(name="manage")
    router.message.filter(Holds("admin"))
    router.callback_query.filter(Holds("admin"))
    router.message.register(manage_wanted, Command("manage"))
    router.callback_query.register(manage_pressed, Pressed(ManageEvents))
    return router


async def manage_wanted(
    message: ChatMessage, services: Services, say: Translator, reply: Reply
) -> None:
    await reply.send(await _upcoming(services, say))


async def manage_pressed(
    press: CallbackQuery, services: Services, say: Translator, reply: Reply
) -> None:
    await reply.show(await _upcoming(services, say))


async def _upcoming(services: Services, say: Translator) -> Message:
    events = await services.events.upcoming()
    html = say.page("happenings/manage.html", events=events)
    return Message(html, ((Button(say.plain("Add an event"), NewEvent()),),))
