"""What is kept about a person: told, handed over as a file, erased."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import Button, Document, Message, Translator
from bot.texts.actions import EraseData, ExportData, ShowPrivacy
from handlers.chat.buttons import main_menu
from handlers.chat.filters import Pressed
from handlers.chat.talk import Event, Talk


def setup() -> Router:
    router = Router(name="privacy")
    router.message.register(notice_wanted, Command("privacy"))
    router.message.register(export_wanted, Command("export"))
    router.message.register(erase_wanted, Command("erase"))
    router.callback_query.register(notice_wanted, Pressed(ShowPrivacy))
    router.callback_query.register(export_wanted, Pressed(ExportData))
    router.callback_query.register(erase_pressed, Pressed(EraseData))
    return router


async def notice_wanted(event: Event, talk: Talk) -> None:
    await talk.reply.show(_notice(talk.services.questions.kept_for.days, talk.say))


def _notice(days: int, say: Translator) -> Message:
    return Message(
        say.page("privacy/notice.html", days=days),
        (
            (Button(say.plain("A copy of my data"), ExportData()),),
            (Button(say.plain("Erase my data"), EraseData(False), style="danger"),),
            (main_menu(say),),
        ),
    )


async def export_wanted(event: Event, talk: Talk) -> None:
    data = await talk.services.privacy.export(talk.contact_id)
    document = Document("my-data.json", data, "application/json")
    await talk.reply.send(Message(talk.say("Everything kept about you, in one file."), document=document))


async def erase_wanted(message: ChatMessage, talk: Talk) -> None:
    await talk.reply.send(_sure(talk.say))


async def erase_pressed(press: CallbackQuery, action: EraseData, talk: Talk) -> None:
    if not action.sure:
        await talk.reply.show(_sure(talk.say))
        return
    await talk.reply.acknowledge()  # what the page waits for is erased too
    await talk.state.clear()
    await talk.services.privacy.erase(talk.contact_id)
    text = talk.say("Done: what was kept about you is erased. If you write again, we start afresh.")
    await talk.reply.send(Message(text))


def _sure(say: Translator) -> Message:
    return Message(
        say.page("privacy/erase.html"),
        (
            (Button(say.plain("Yes, erase everything"), EraseData(True), style="danger"),),
            (Button(say.plain("No, keep it"), ShowPrivacy()),),
        ),
    )
