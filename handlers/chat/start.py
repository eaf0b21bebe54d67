"""Greeting, help, language, and what a deep link or an invitation opens."""

from aiogram import Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import LOCALES, Button, Message, ReplyKeyboard, Translator
from bot.texts.actions import GoHome, Idle, Leave, PickLanguage, ShowEvents, ShowTopics
from handlers.chat import ask, book, events
from handlers.chat.buttons import ask_person, book_expert
from handlers.chat.commands import offer_commands
from handlers.chat.dialogs import leave
from handlers.chat.filters import Pressed
from handlers.chat.talk import Event, Talk

LONGEST_NUMBER = 18
"""Digits of an id; more would not fit the database's numbers."""


def setup() -> Router:
    router = Router(name="start")
    router.message.register(started, CommandStart())
    router.message.register(welcomed, Command("help"))
    router.message.register(left, Command("cancel"))
    router.message.register(language_wanted, Command("language"))
    router.callback_query.register(welcomed, Pressed(GoHome))
    router.callback_query.register(left_by_button, Pressed(Leave))
    router.callback_query.register(picked_language, Pressed(PickLanguage))
    router.callback_query.register(pressed_a_label, Pressed(Idle))
    return router


async def started(message: ChatMessage, command: CommandObject, talk: Talk) -> None:
    payload = (command.args or "").strip()
    if payload and await _opened(payload, talk):
        return
    if payload:
        await talk.reply.send(Message(talk.say("I do not know that link; it may be incomplete or out of date.")))
    await talk.reply.send(welcome(talk.say))


async def _opened(payload: str, talk: Talk) -> bool:
    """Open what a deep link names: an entry, an expert's calendar, an event or an invitation."""
    match payload.partition("_"):
        case "faq", _, entry:
            return await ask.open_entry(entry, talk)
        case "book", _, rest:
            expert = _number(rest)
            return expert is not None and await book.open_expert(expert, talk)
        case "event", _, rest:
            event = _number(rest)
            return event is not None and await events.open_event(event, talk)
        case _:
            return await _accepted_invitation(payload, talk)


def _number(text: str) -> int | None:
    well_formed = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return int(text) if well_formed else None


async def _accepted_invitation(token: str, talk: Talk) -> bool:
    services, reply = talk.services, talk.reply
    granted = await services.invitations.accept(token, talk.contact_id)
    if granted is None:
        return False
    if granted.expert_id is not None:
        # the second time only what a crash may have left undone: never take the expert from somebody else
        await services.appointments.link_expert(granted.expert_id, talk.contact_id, take_over=granted.first)
    await reply.send(Message(talk.say.page("staff/welcome.html", role=granted.role)))
    known = await services.contacts.known(talk.person.chat)
    if known is not None:
        await offer_commands(reply.bot, services.texts, reply.chat_id, known.locale, known.roles)
    return True


async def welcomed(event: Event, talk: Talk) -> None:
    await talk.reply.show(welcome(talk.say))


def welcome(say: Translator) -> Message:
    """What there is to do here, and the languages to do it in."""
    return Message(
        say.page("start.html"),
        (
            (Button(say.plain("Browse the topics"), ShowTopics(), style="primary"),),
            (book_expert(say), Button(say.plain("Forums and training"), ShowEvents(False))),
            (ask_person(say),),
            tuple(Button(name, PickLanguage(code)) for code, name in LOCALES.items()),
        ),
    )


async def left(message: ChatMessage, talk: Talk) -> None:
    """Works in any dialog, and outside of one; a time held for a booking is given back."""
    busy = await talk.state.get_state() is not None
    await leave(talk)
    text = (
        talk.say("All right, we leave it there. What can I do for you?")
        if busy
        else talk.say("Nothing was in progress. What can I do for you?")
    )
    await talk.reply.send(Message(text, keyboard=ReplyKeyboard()))


async def left_by_button(press: CallbackQuery, talk: Talk) -> None:
    await leave(talk)
    await talk.reply.show(welcome(talk.say))


async def pressed_a_label(press: CallbackQuery, talk: Talk) -> None:
    await talk.reply.acknowledge()


async def language_wanted(message: ChatMessage, talk: Talk) -> None:
    choices = tuple((Button(name, PickLanguage(code)),) for code, name in LOCALES.items())
    await talk.reply.send(Message(talk.say("Which language shall I speak?"), choices))


async def picked_language(press: CallbackQuery, action: PickLanguage, talk: Talk) -> None:
    if action.locale not in LOCALES:
        return
    await talk.services.contacts.speak(talk.contact_id, action.locale)
    reply, say = talk.reply, talk.in_language(action.locale).say
    await reply.show(welcome(say))
    await reply.acknowledge(say.plain("I speak English now."))
    await offer_commands(reply.bot, talk.services.texts, reply.chat_id, action.locale, talk.person.roles)
