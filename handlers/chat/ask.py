"""Any free text is a question: answer, "did you mean", or a decline that offers a person. Topics to browse."""

from dataclasses import replace

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.people.contacts import Person
from bot.texts import Button, Message, Translator
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
from handlers.chat.reply import Reply, rows
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
    answer = await services.answers.pick(person.contact_id, action.question, action.entry, say.locale)
    if answer is None:
        await reply.toast(say.plain("That answer is no longer here. Please ask again."))
    else:
        await reply.show(_with_why(answer_message(answer.entry, answer.question, say), answer.question, person, say))


async def answer_rated(
    press: CallbackQuery, action: RateAnswer, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    if not await services.questions.rate(person.contact_id, action.question, action.helpful):
        await reply.toast(say.plain("That answer is no longer here. Please ask again."))
    elif action.helpful:
        await reply.toast(say.plain("Thank you, good to know."))
    else:
        await reply.toast(say.plain("Thank you. You can send the question to a person with the button below."))


async def wish_pressed(
    press: CallbackQuery, action: TellMe, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    """The asker wants to be told of an answer, or not any more."""
    wishes, asker = services.wishes, person.contact_id
    if action.on:
        stands = await wishes.wish(asker, action.question, say.locale)
    else:
        stands = await wishes.withdraw(asker, action.question)
    if stands:
        await reply.show(_wish_noted(action.question, action.on, say))
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


async def topics_wanted(message: ChatMessage, services: Services, say: Translator, reply: Reply) -> None:
    await reply.send(await topics(services, say))


async def topics_pressed(press: CallbackQuery, services: Services, say: Translator, reply: Reply) -> None:
    await reply.show(await topics(services, say))


async def category_pressed(
    press: CallbackQuery, action: ShowCategory, services: Services, say: Translator, reply: Reply
) -> None:
    entries = await services.answers.category(action.category, say.locale)
    if not entries:
        await reply.show(await topics(services, say))
        return
    page = max(0, min(action.page, (len(entries) - 1) // PAGE))
    await reply.show(await _category(action.category, entries, page, services, say))


async def entry_pressed(
    press: CallbackQuery, action: ShowEntry, services: Services, say: Translator, reply: Reply
) -> None:
    if not await open_entry(action.entry, services, say, reply):
        await reply.toast(say.plain("That answer is no longer here. Please ask again."))


async def open_entry(entry_id: str, services: Services, say: Translator, reply: Reply) -> bool:
    """Show one entry; False when there is none of that id."""
    entry = await services.answers.entry(entry_id, say.locale)
    if entry is None:
        return False
    await reply.show(answer_message(entry, 0, say))
    return True


async def topics(services: Services, say: Translator) -> Message:
    categories = [
        (Button(say.localized(category.names), ShowCategory(category.id, 0)),)
        for category in await services.answers.categories()
    ]
    text = say("<b>Topics</b>\n\nPick one, or just type your question in your own words.")
    return Message(text, (*categories, (Button(say.plain("Main menu"), GoHome()),)))


async def _category(category: str, entries: list[Heading], page: int, services: Services, say: Translator) -> Message:
    categories = await services.answers.categories()
    name = next((c.names for c in categories if c.id == category), category)
    listed = [_entry_button(heading) for heading in entries[page * PAGE : (page + 1) * PAGE]]
    turn = []
    if page > 0:
        turn.append(Button(say.plain("‹ Previous"), ShowCategory(category, page - 1)))
    if (page + 1) * PAGE < len(entries):
        turn.append(Button(say.plain("Next ›"), ShowCategory(category, page + 1)))
    html = say("<b>{name}</b>\n\n{count} questions.", name=say.localized(name), count=len(entries))
    back = (Button(say.plain("All topics"), ShowTopics()),)
    return Message(html, (*rows(listed, 1), *([tuple(turn)] if turn else []), back))


def _shown(outcome: Answer | Suggestions | Decline, services: Services, person: Person) -> Message:
    """Speaks the language of the question, which need not be the person's."""
    locale = outcome.entry.locale if isinstance(outcome, Answer) else outcome.locale
    say = services.texts.translator(locale, person.zone)
    return _with_why(_outcome_message(outcome, say), outcome.question, person, say)


def _outcome_message(outcome: Answer | Suggestions | Decline, say: Translator) -> Message:
    if isinstance(outcome, Answer):
        return answer_message(outcome.entry, outcome.question, say)
    if isinstance(outcome, Suggestions):
        return _did_you_mean(outcome, say)
    return _declined(outcome, say)


def _with_why(message: Message, question: int, person: Person, say: Translator) -> Message:
    """Staff can look behind the answer."""
    if not person.is_staff():
        return message
    why = (Button(say.plain("Why this answer?"), ShowWhy(question)),)
    return replace(message, buttons=(*message.buttons, why))


def answer_message(entry: ShownEntry, question: int, say: Translator) -> Message:
    """An entry with its sources, what is related, and the way to a person; `question` 0 means it was browsed."""
    if entry.category == "smalltalk":
        return Message(entry.html)
    html = say.page("answers/answer.html", entry=entry)
    related = tuple((_entry_button(heading),) for heading in entry.related)
    rating = ((Button("👍", RateAnswer(question, True)), Button("👎", RateAnswer(question, False))),) * bool(question)
    more = Button(say.plain("More on this topic"), ShowCategory(entry.category, 0))
    if entry.review_due:  # a person comes first where the text may be out of date
        expert = Button(say.plain("Ask an expert"), AskExpert(question), style="primary")
        return Message(html, ((expert, _book(say)), *related, *rating, (more,)))
    person = Button(say.plain("Ask an expert"), AskExpert(question))
    return Message(html, (*related, *rating, (person, more)))


def _did_you_mean(outcome: Suggestions, say: Translator) -> Message:
    choices = tuple(
        (Button(_cut(heading.question), PickSuggestion(outcome.question, heading.id)),) for heading in outcome.entries
    )
    person = (Button(say.plain("None of these: ask an expert"), AskExpert(outcome.question)),)
    wish = (_wish(outcome.question, True, say),)
    return Message(say("I am not quite sure what you mean. Is it one of these?"), (*choices, person, wish))


def _declined(outcome: Decline, say: Translator) -> Message:
    return Message(
        say.page("answers/decline.html"),
        (
            (Button(say.plain("Ask an expert"), AskExpert(outcome.question), style="primary"),),
            (_wish(outcome.question, True, say),),
            (Button(say.plain("Browse the topics"), ShowTopics()), _book(say)),
        ),
    )


def _book(say: Translator) -> Button:
    return Button(say.plain("Book an expert"), StartBooking(None))


def _entry_button(heading: Heading) -> Button:
    return Button(_cut(heading.question), ShowEntry(heading.id))


def _cut(text: str) -> str:
    return text if len(text) <= BUTTON_TEXT else text[: BUTTON_TEXT - 1].rstrip() + "…"
