"""Any free text is a question: answer, "did you mean", or a decline that offers a person. Topics to browse."""

from dataclasses import replace

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.people.contacts import Person
from bot.texts import LOCALES, Button, Message, Translator
from bot.texts.actions import (
    AskExpert,
    GoHome,
    PickSuggestion,
    RateAnswer,
    ShowCategory,
    ShowEntry,
    ShowTopics,
    ShowWhy,
    StartBooking,
    TellMe,
)
from handlers.chat.filters import Pressed, Typed
from handlers.chat.reply import Reply, cut, rows
from handlers.services import Services
from knowledge.answers import Answer, Decline, Heading, ShownEntry, Suggestions

PAGE = 8
BUTTON_TEXT = 60
"""Longer questions are cut on buttons: a phone shows no more."""


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


async def asked(
    message: ChatMessage,
    services: Services,
    person: Person,
    update_id: int,
    reply: Reply,
) -> None:
    if not services.answers.is_ready:
        await reply.typing()
    text = message.text or ""
    outcome = await services.answers.ask(person.contact_id, text, person.locale, update_id)
    await reply.send(_shown(outcome, services, person))


async def suggestion_picked(
    press: CallbackQuery, action: PickSuggestion, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    here = await _of_question(action.question, services, person, say)
    answer = await services.answers.pick(person.contact_id, action.question, action.entry, here.locale)
    if answer is None:
        await reply.toast(say.plain("That answer is no longer here. Please ask again."))
    else:
        await reply.show(_outcome_message(answer, here, person))


async def answer_rated(
    press: CallbackQuery, action: RateAnswer, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    if not await services.questions.rate(person.contact_id, action.question, action.helpful):
        await reply.toast(say.plain("That answer is no longer here. Please ask again."))
    elif action.helpful:
        await reply.toast(say.plain("Thank you, good to know."))
    else:
        await reply.send(await _not_helped(action.question, services, person, say))


async def _not_helped(question: int, services: Services, person: Person, say: Translator) -> Message:
    stands = await services.wishes.stands(person.contact_id, question)
    expert = Button(say.plain("Ask an expert"), AskExpert(question))
    return Message(say.page("answers/not_helped.html", wished=stands), ((expert,), (_wish(question, not stands, say),)))


async def wish_pressed(
    press: CallbackQuery, action: TellMe, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    """The asker wants to be told of an answer, or not any more."""
    wishes, asker = services.wishes, person.contact_id
    here = await _of_question(action.question, services, person, say)
    if action.on:
        stands = await wishes.wish(asker, action.question, here.locale)
    else:
        stands = await wishes.withdraw(asker, action.question)
    if stands:
        await reply.show(_wish_noted(action.question, action.on, here))
    else:
        await reply.toast(say.plain("That question is no longer here. Please ask again."), alert=True)


def _wish_noted(question: int, on: bool, say: Translator) -> Message:
    person = Button(say.plain("Ask an expert"), AskExpert(question))
    if on:
        return Message(say.page("answers/wished.html"), ((person, _wish(question, False, say)),))
    text = say("All right, I will not tell you about that question.")
    return Message(text, ((person, _wish(question, True, say)),))


def _wish(question: int, on: bool, say: Translator) -> Button:
    label = say.plain("Tell me when there is an answer") if on else say.plain("Do not tell me after all")
    return Button(label, TellMe(question, on))


async def topics_wanted(
    message: ChatMessage, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await reply.send(await topics(services, say, person))


async def topics_pressed(
    press: CallbackQuery, action: ShowTopics, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await reply.show(await topics(services, _in(action.locale, services, say), person))


async def category_pressed(
    press: CallbackQuery, action: ShowCategory, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    here = _in(action.locale, services, say)
    entries = await services.answers.category(action.category, here.locale)
    if not entries:
        await reply.show(await topics(services, here, person))
        return
    page = max(0, min(action.page, (len(entries) - 1) // PAGE))
    await reply.show(await _category(action.category, entries, page, services, here, person))


async def entry_pressed(
    press: CallbackQuery, action: ShowEntry, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    if not await open_entry(action.entry, services, person, _in(action.locale, services, say), reply):
        await reply.toast(say.plain("That answer is no longer here. Please ask again."))


async def open_entry(entry_id: str, services: Services, person: Person, say: Translator, reply: Reply) -> bool:
    """Show one entry in the language of `say`; False when there is none of that id."""
    entry = await services.answers.open(person.contact_id, entry_id, say.locale)
    if entry is None:
        return False
    await reply.show(answer_message(entry, 0, say, person))
    return True


# Languages. A message keeps the language of the question it answers, and so does what its buttons open.


def _in(locale: str | None, services: Services, say: Translator) -> Translator:
    """Speaks the language a button names; without one, the person's."""
    return services.texts.translator(locale, say.zone) if locale is not None and locale in LOCALES else say


async def _of_question(question: int, services: Services, person: Person, say: Translator) -> Translator:
    """Speaks the language of a question that this person asked."""
    logged = await services.questions.logged(question, person.contact_id)
    return _in(logged.locale if logged else None, services, say)


def _named(say: Translator, person: Person) -> str | None:
    """The language for the buttons of a message; None, which follows every switch, for the person's own."""
    return say.locale if say.locale != person.locale else None


async def topics(services: Services, say: Translator, person: Person) -> Message:
    locale = _named(say, person)
    categories = [
        (Button(say.localized(category.names), ShowCategory(category.id, 0, locale)),)
        for category in await services.answers.categories()
    ]
    text = say("<b>Topics</b>\n\nPick one, or just type your question in your own words.")
    return Message(text, (*categories, (Button(say.plain("Main menu"), GoHome()),)))


async def _category(
    category: str, entries: list[Heading], page: int, services: Services, say: Translator, person: Person
) -> Message:
    locale = _named(say, person)
    categories = await services.answers.categories()
    name = next((c.names for c in categories if c.id == category), category)
    listed = [_entry_button(heading, locale) for heading in entries[page * PAGE : (page + 1) * PAGE]]
    turn = []
    if page > 0:
        turn.append(Button(say.plain("‹ Previous"), ShowCategory(category, page - 1, locale)))
    if (page + 1) * PAGE < len(entries):
        turn.append(Button(say.plain("Next ›"), ShowCategory(category, page + 1, locale)))
    html = say("<b>{name}</b>\n\n{count} questions.", name=say.localized(name), count=len(entries))
    back = (Button(say.plain("All topics"), ShowTopics(locale)),)
    return Message(html, (*rows(listed, 1), *([tuple(turn)] if turn else []), back))


def _shown(outcome: Answer | Suggestions | Decline, services: Services, person: Person) -> Message:
    """Speaks the language of the question, which need not be the person's."""
    locale = outcome.entry.locale if isinstance(outcome, Answer) else outcome.locale
    return _outcome_message(outcome, services.texts.translator(locale, person.zone), person)


def _outcome_message(outcome: Answer | Suggestions | Decline, say: Translator, person: Person) -> Message:
    if isinstance(outcome, Answer):
        message = answer_message(outcome.entry, outcome.question, say, person)
    elif isinstance(outcome, Suggestions):
        message = _did_you_mean(outcome, say)
    else:
        message = _declined(outcome, say, person)
    return _with_why(message, outcome.question, person, say)


def _with_why(message: Message, question: int, person: Person, say: Translator) -> Message:
    """Staff can look behind the answer."""
    if not person.is_staff():
        return message
    why = (Button(say.plain("Why this answer?"), ShowWhy(question)),)
    return replace(message, buttons=(*message.buttons, why))


def answer_message(entry: ShownEntry, question: int, say: Translator, person: Person) -> Message:
    """An entry with its sources, what is related, and the way to a person; `question` 0 means it was browsed."""
    if entry.category == "smalltalk":
        return Message(entry.html)
    html = say.page("answers/answer.html", entry=entry)
    locale = _named(say, person)
    related = tuple((_entry_button(heading, locale),) for heading in entry.related)
    rating = ((Button("👍", RateAnswer(question, True)), Button("👎", RateAnswer(question, False))),) * bool(question)
    more = Button(say.plain("More on this topic"), ShowCategory(entry.category, 0, locale))
    if entry.review_due:  # a person comes first where the text may be out of date
        expert = Button(say.plain("Ask an expert"), AskExpert(question), style="primary")
        return Message(html, ((expert, _book(say)), *related, *rating, (more,)))
    ask = Button(say.plain("Ask an expert"), AskExpert(question))
    return Message(html, (*related, *rating, (ask, more)))


def _did_you_mean(outcome: Suggestions, say: Translator) -> Message:
    choices = tuple(
        (Button(cut(heading.question, BUTTON_TEXT), PickSuggestion(outcome.question, heading.id)),)
        for heading in outcome.entries
    )
    person = (Button(say.plain("None of these: ask an expert"), AskExpert(outcome.question)),)
    wish = (_wish(outcome.question, True, say),)
    return Message(say("I am not quite sure what you mean. Is it one of these?"), (*choices, person, wish))


def _declined(outcome: Decline, say: Translator, person: Person) -> Message:
    return Message(
        say.page("answers/decline.html"),
        (
            (Button(say.plain("Ask an expert"), AskExpert(outcome.question), style="primary"),),
            (_wish(outcome.question, True, say),),
            (Button(say.plain("Browse the topics"), ShowTopics(_named(say, person))), _book(say)),
        ),
    )


def _book(say: Translator) -> Button:
    return Button(say.plain("Book an expert"), StartBooking(None))


def _entry_button(heading: Heading, locale: str | None) -> Button:
    return Button(cut(heading.question, BUTTON_TEXT), ShowEntry(heading.id, locale))
