"""Greeting, help, language, and what a deep link or an invitation opens."""

from aiogram import Bot, Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.people.contacts import Person
from bot.texts import LOCALES, Button, Message, ReplyKeyboard, Translator
from bot.texts.actions import AskExpert, GoHome, Idle, Leave, PickLanguage, ShowEvents, ShowTopics, StartBooking
from handlers.chat import ask, book, events
from handlers.chat.commands import offer_commands
from handlers.chat.dialogs import leave
from handlers.chat.filters import Pressed
from handlers.chat.reply import Reply
from handlers.services import Services


def welcome(say: Translator) -> Message:
    return Message(
        say.page("start.html"),
        (
            (Button(say.plain("Browse the topics"), ShowTopics(), style="primary"),),
            (
                Button(say.plain("Book an expert"), StartBooking(None)),
                Button(say.plain("Forums and training"), ShowEvents(False)),
            ),
            (Button(say.plain("Ask a person"), AskExpert(0)),),
            tuple(Button(name, PickLanguage(code)) for code, name in LOCALES.items()),
        ),
    )


def setup() -> Router:
    router = Router(name="start")
    router.message.register(started, CommandStart())
    router.message.register(helped, Command("help"))
    router.message.register(left, Command("cancel"))
    router.message.register(language_wanted, Command("language"))
    router.callback_query.register(went_home, Pressed(GoHome))
    router.callback_query.register(left_by_button, Pressed(Leave))
    router.callback_query.register(picked_language, Pressed(PickLanguage))
    router.callback_query.register(pressed_a_label, Pressed(Idle))
    return router


async def started(
    message: ChatMessage,
    command: CommandObject,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    payload = (command.args or "").strip()
    if not payload:
        await reply.send(welcome(say))
    elif not await _opened(payload, state, services, person, say, reply):
        await reply.send(Message(say("I do not know that link; it may be incomplete or out of date.")))
        await reply.send(welcome(say))


async def _opened(
    payload: str, state: FSMContext, services: Services, person: Person, say: Translator, reply: Reply
) -> bool:
    """Open what a deep link names: an invitation, an entry, an expert's calendar or an event."""
    kind, _, rest = payload.partition("_")
    if kind == "faq":
        return await ask.open_entry(rest, services, person, say, reply)
    if kind == "book":
        return await book.open_expert(rest, services, person, say, reply)
    if kind == "event":
        return await events.open_event(rest, services, person, say, reply)
    return await _accepted_invitation(payload, services, person, say, reply)


async def _accepted_invitation(token: str, services: Services, person: Person, say: Translator, reply: Reply) -> bool:
    granted = await services.invitations.accept(token, person.contact_id)
    if granted is None:
        return False
    if granted.expert_id is not None:
        # the second time only what a crash may have left undone: never take the expert from somebody else
        await services.appointments.link_expert(granted.expert_id, person.contact_id, take_over=granted.first)
    await reply.send(Message(say.page("staff/welcome.html", role=granted.role)))
    known = await services.contacts.known(person.chat)
    if known is not None:
        await offer_commands(reply.bot, services.texts, reply.chat_id, known.locale, known.roles)
    return True


async def helped(message: ChatMessage, say: Translator, reply: Reply) -> None:
    await reply.send(welcome(say))


async def left(
    message: ChatMessage, state: FSMContext, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    """Works in any dialog, and outside of one; a time held for a booking is given back."""
    busy = await state.get_state() is not None
    await leave(state, person, services)
    text = (
        say("All right, we leave it there. What can I do for you?")
        if busy
        else say("Nothing was in progress. What can I do for you?")
    )
    await reply.send(Message(text, keyboard=ReplyKeyboard()))


async def left_by_button(
    press: CallbackQuery, state: FSMContext, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await leave(state, person, services)
    await reply.show(welcome(say))


async def went_home(press: CallbackQuery, say: Translator, reply: Reply) -> None:
    await reply.show(welcome(say))


async def pressed_a_label(press: CallbackQuery, reply: Reply) -> None:
    await reply.acknowledge()


async def language_wanted(message: ChatMessage, say: Translator, reply: Reply) -> None:
    choices = tuple((Button(name, PickLanguage(code)),) for code, name in LOCALES.items())
    await reply.send(Message(say("Which language shall I speak?"), choices))


async def picked_language(
    press: CallbackQuery,
    action: PickLanguage,
    bot: Bot,
    services: Services,
    person: Person,
    reply: Reply,
) -> None:
    if action.locale not in LOCALES:
        return
    await services.contacts.speak(person.contact_id, action.locale)
    say = services.texts.translator(action.locale, person.zone)
    await reply.show(welcome(say))
    await reply.acknowledge(say.plain("I speak English now."))
    await offer_commands(bot, services.texts, reply.chat_id, action.locale, person.roles)
