"""Any free text is a question: answer, "did you mean", or a decline that offers a person. Topics to browse.

A message keeps the language of the question it answers, and so does what its buttons open.
"""

from dataclasses import replace

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    AskExpert,
    PickSuggestion,
    RateAnswer,
    ShowCategory,
    ShowEntry,
    ShowTopics,
    ShowWhy,
    TellMe,
)
from handlers.chat.buttons import Page, ask_expert, book_expert, label, main_menu, rows
from handlers.chat.filters import Pressed, Typed
from handlers.chat.talk import Talk
from knowledge.answers import Answer, Decline, Heading, ShownEntry, Suggestions

PAGE = 8


def setup() -> Router:
    router = Router(name="ask")
    router.message.register(asked, Typed(), StateFilter(None))
    router.message.register(topics_wanted, Command("topics"))
    router.callback_query.register(topics_pressed, Pressed(ShowTopics))
    router.callback_query.register(category_pressed, Pressed(ShowCategory))
    router.callback_query.register(entry_pressed, Pressed(ShowEntry))
    router.callback_query.register(suggestion_picked, Pressed(PickSuggestion))
    router.callback_query.register(answer_rated, Pressed(RateAnswer))
    router.callback_query.register(wish_pressed, Pressed(TellMe))
    return router


# A question


async def asked(message: ChatMessage, talk: Talk) -> None:
    answers = talk.services.answers
    if not answers.is_ready:
        await talk.reply.typing()
    outcome = await answers.ask(talk.contact_id, message.text or "", talk.person.locale, talk.update_id)
    locale = outcome.entry.locale if isinstance(outcome, Answer) else outcome.locale
    await talk.reply.send(_outcome_message(outcome, talk.in_language(locale)))


def _outcome_message(outcome: Answer | Suggestions | Decline, talk: Talk) -> Message:
    if isinstance(outcome, Answer):
        message = _answer(outcome.entry, outcome.question, talk)
    elif isinstance(outcome, Suggestions):
        message = _did_you_mean(outcome, talk.say)
    else:
        message = _declined(outcome, talk)
    return _with_why(message, outcome.question, talk)


def _with_why(message: Message, question: int, talk: Talk) -> Message:
    """Staff can look behind the answer."""
    if not talk.person.is_staff():
        return message
    why = (Button(talk.say.plain("Why this answer?"), ShowWhy(question)),)
    return replace(message, buttons=(*message.buttons, why))


def _answer(entry: ShownEntry, question: int, talk: Talk) -> Message:
    """An entry with its sources, what is related, and the way to a person; `question` 0 means it was browsed."""
    if entry.category == "smalltalk":
        return Message(entry.html)
    say, locale = talk.say, _locale(talk)
    html = say.page("answers/answer.html", entry=entry)
    related = tuple((_entry_button(heading, locale),) for heading in entry.related)
    rating = ((Button("👍", RateAnswer(question, True)), Button("👎", RateAnswer(question, False))),) * bool(question)
    more = Button(say.plain("More on this topic"), ShowCategory(entry.category, 0, locale))
    if entry.review_due:  # a person comes first where the text may be out of date
        people = (ask_expert(question, say, "primary"), book_expert(say))
        return Message(html, (people, *related, *rating, (more,)))
    return Message(html, (*related, *rating, (ask_expert(question, say), more)))


def _did_you_mean(outcome: Suggestions, say: Translator) -> Message:
    choices = tuple(
        (Button(label(heading.question), PickSuggestion(outcome.question, heading.id)),) for heading in outcome.entries
    )
    person = (Button(say.plain("None of these: ask an expert"), AskExpert(outcome.question)),)
    wish = (_wish(outcome.question, True, say),)
    return Message(say("I am not quite sure what you mean. Is it one of these?"), (*choices, person, wish))


def _declined(outcome: Decline, talk: Talk) -> Message:
    say = talk.say
    return Message(
        say.page("answers/decline.html"),
        (
            (ask_expert(outcome.question, say, "primary"),),
            (_wish(outcome.question, True, say),),
            (Button(say.plain("Browse the topics"), ShowTopics(_locale(talk))), book_expert(say)),
        ),
    )


# What the asker makes of it


async def suggestion_picked(press: CallbackQuery, action: PickSuggestion, talk: Talk) -> None:
    here = await _as_asked(action.question, talk)
    answer = await talk.services.answers.pick(talk.contact_id, action.question, action.entry, here.say.locale)
    if answer is None:
        await _no_longer_here(talk)
    else:
        await talk.reply.show(_outcome_message(answer, here))


async def answer_rated(press: CallbackQuery, action: RateAnswer, talk: Talk) -> None:
    if not await talk.services.questions.rate(talk.contact_id, action.question, action.helpful):
        await _no_longer_here(talk)
    elif action.helpful:
        await talk.reply.toast(talk.say.plain("Thank you, good to know."))
    else:
        await talk.reply.send(await _not_helped(action.question, talk))


async def _not_helped(question: int, talk: Talk) -> Message:
    say = talk.say
    stands = await talk.services.wishes.stands(talk.contact_id, question)
    html = say.page("answers/not_helped.html", wished=stands)
    return Message(html, ((ask_expert(question, say),), (_wish(question, not stands, say),)))


async def wish_pressed(press: CallbackQuery, action: TellMe, talk: Talk) -> None:
    """The asker wants to be told of an answer, or not any more."""
    wishes, asker = talk.services.wishes, talk.contact_id
    here = await _as_asked(action.question, talk)
    if action.on:
        stands = await wishes.wish(asker, action.question, here.say.locale)
    else:
        stands = await wishes.withdraw(asker, action.question)
    if stands:
        await talk.reply.show(_wish_noted(action.question, action.on, here.say))
    else:
        await talk.reply.toast(talk.say.plain("That question is no longer here. Please ask again."), alert=True)


def _wish_noted(question: int, on: bool, say: Translator) -> Message:
    html = say.page("answers/wished.html") if on else say("All right, I will not tell you about that question.")
    return Message(html, ((ask_expert(question, say), _wish(question, not on, say)),))


def _wish(question: int, on: bool, say: Translator) -> Button:
    text = say.plain("Tell me when there is an answer") if on else say.plain("Do not tell me after all")
    return Button(text, TellMe(question, on))


async def _as_asked(question: int, talk: Talk) -> Talk:
    """Speaks the language of a question that this person asked."""
    logged = await talk.services.questions.logged(question, talk.contact_id)
    return talk.in_language(logged.locale if logged else None)


async def _no_longer_here(talk: Talk) -> None:
    await talk.reply.toast(talk.say.plain("That answer is no longer here. Please ask again."))


# Browsing


async def topics_wanted(message: ChatMessage, talk: Talk) -> None:
    await talk.reply.send(await _topics(talk))


async def topics_pressed(press: CallbackQuery, action: ShowTopics, talk: Talk) -> None:
    await talk.reply.show(await _topics(talk.in_language(action.locale)))


async def _topics(talk: Talk) -> Message:
    say, locale = talk.say, _locale(talk)
    categories = [
        (Button(say.localized(category.names), ShowCategory(category.id, 0, locale)),)
        for category in await talk.services.answers.categories()
    ]
    text = say("<b>Topics</b>\n\nPick one, or just type your question in your own words.")
    return Message(text, (*categories, (main_menu(say),)))


async def category_pressed(press: CallbackQuery, action: ShowCategory, talk: Talk) -> None:
    here = talk.in_language(action.locale)
    entries = await talk.services.answers.category(action.category, here.say.locale)
    if entries:
        await talk.reply.show(await _category(action.category, entries, action.page, here))
    else:
        await talk.reply.show(await _topics(here))


async def _category(category: str, entries: list[Heading], page: int, talk: Talk) -> Message:
    say, locale = talk.say, _locale(talk)
    categories = await talk.services.answers.categories()
    name = next((c.names for c in categories if c.id == category), category)
    shown = Page.of(entries, page, PAGE)
    listed = rows([_entry_button(heading, locale) for heading in shown.items], 1)
    turn = shown.turning(lambda number: ShowCategory(category, number, locale), say)
    html = say("<b>{name}</b>\n\n{count} questions.", name=say.localized(name), count=len(entries))
    return Message(html, (*listed, turn, (Button(say.plain("All topics"), ShowTopics(locale)),)))


async def entry_pressed(press: CallbackQuery, action: ShowEntry, talk: Talk) -> None:
    if not await open_entry(action.entry, talk.in_language(action.locale)):
        await _no_longer_here(talk)


async def open_entry(entry_id: str, talk: Talk) -> bool:
    """Show one entry in the language of `talk`; False when there is none of that id."""
    entry = await talk.services.answers.open(talk.contact_id, entry_id, talk.say.locale)
    if entry is None:
        return False
    await talk.reply.show(_answer(entry, 0, talk))
    return True


def _entry_button(heading: Heading, locale: str | None) -> Button:
    return Button(label(heading.question), ShowEntry(heading.id, locale))


def _locale(talk: Talk) -> str | None:
    """The language for the buttons of a message; None, which follows every switch, for the person's own."""
    return talk.say.locale if talk.say.locale != talk.person.locale else None
