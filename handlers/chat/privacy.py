"""What is kept about a person: told, handed over as a file, erased."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.people.contacts import Person
from bot.texts import Button, Document, Message, Translator
from bot.texts.actions import EraseData, ExportData, GoHome, ShowPrivacy
from handlers.chat.filters import Pressed
from handlers.chat.reply import Reply
from handlers.services import Services


def setup() -> Router:
    router = Router(name="privacy")
    router.message.register(privacy_wanted, Command("privacy"))
    router.message.register(export_wanted, Command("export"))
    router.message.register(erase_wanted, Command("erase"))
    router.callback_query.register(privacy_pressed, Pressed(ShowPrivacy))
    router.callback_query.register(export_pressed, Pressed(ExportData))
    router.callback_query.register(erase_pressed, Pressed(EraseData))
    return router


async def privacy_wanted(message: ChatMessage, services: Services, say: Translator, reply: Reply) -> None:
    await reply.send(_notice(services, say))


async def privacy_pressed(press: CallbackQuery, services: Services, say: Translator, reply: Reply) -> None:
    await reply.show(_notice(services, say))


def _notice(services: Services, say: Translator) -> Message:
    return Message(
        say.page("privacy/notice.html", days=services.questions.kept_for.days),
        (
            (Button(say.plain("A copy of my data"), ExportData()),),
            (Button(say.plain("Erase my data"), EraseData(False), style="danger"),),
            (Button(say.plain("Main menu"), GoHome()),),
        ),
    )


async def export_wanted(
    message: ChatMessage, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await _export(services, person, say, reply)


async def export_pressed(
    press: CallbackQuery, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await _export(services, person, say, reply)


async def _export(services: Services, person: Person, say: Translator, reply: Reply) -> None:
    data = await services.privacy.export(person.contact_id)
    document = Document("my-data.json", data, "application/json")
    await reply.send(Message(say("Everything kept about you, in one file."), document=document))


async def erase_wanted(message: ChatMessage, say: Translator, reply: Reply) -> None:
    await reply.send(_sure(say))


async def erase_pressed(
    press: CallbackQuery,
    action: EraseData,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if not action.sure:
        await reply.show(_sure(say))
        return
    await reply.acknowledge()  # what the page waits for is erased too
    await state.clear()
    await services.privacy.erase(person.contact_id)
    await reply.send(Message(say("Done: what was kept about you is erased. If you write again, we start afresh.")))


def _sure(say: Translator) -> Message:
    return Message(
        say.page("privacy/erase.html"),
        (
            (Button(say.plain("Yes, erase everything"), EraseData(True), style="danger"),),
            (Button(say.plain("No, keep it"), ShowPrivacy()),),
        ),
    )
