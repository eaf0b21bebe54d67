"""Questions for a person: sent by anyone, answered by staff in this same chat."""

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.desk.desk import Question, question_buttons
from bot.people.contacts import Person
from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    AskExpert,
    CloseDeskQuestion,
    ConfirmClosing,
    GoHome,
    Leave,
    ReplyToDeskQuestion,
    ShowDesk,
    ShowDeskQuestion,
)
from bot.texts.markdown import split
from bot.texts.message import Buttons
from handlers.chat.filters import Holds, NoText, Pressed, Typed
from handlers.chat.reply import Reply, cut
from handlers.services import Services

REPLY_LIMIT = 3000
"""Characters: with its heading and the question's beginning the reply must fit one message to the asker."""


class Writing(StatesGroup):
    question = State()
    reply = State()


def setup() -> Router:
    router = Router(name="desk")
    router.message.register(question_wanted, Command("ask"))
    router.callback_query.register(expert_wanted, Pressed(AskExpert))
    router.message.register(question_typed, Writing.question, Typed())

    router.message.register(not_typed, Writing.question, NoText())

    staff = Router(name="desk for staff")
    staff.message.filter(Holds("expert", "curator"))
    staff.callback_query.filter(Holds("expert", "curator"))
    staff.message.register(desk_wanted, Command("desk"))
    staff.callback_query.register(desk_pressed, Pressed(ShowDesk))
    staff.callback_query.register(question_pressed, Pressed(ShowDeskQuestion))
    staff.callback_query.register(reply_wanted, Pressed(ReplyToDeskQuestion))
    staff.callback_query.register(close_pressed, Pressed(CloseDeskQuestion))
    staff.callback_query.register(closing_confirmed, Pressed(ConfirmClosing))
    staff.message.register(reply_typed, StateFilter(Writing.reply), Typed())
    staff.message.register(not_typed, StateFilter(Writing.reply), NoText())
    router.include_router(staff)
    return router


async def question_wanted(message: ChatMessage, state: FSMContext, say: Translator, reply: Reply) -> None:
    await state.set_state(Writing.question)
    await reply.send(_ask_for_question(say))


async def expert_wanted(
    press: CallbackQuery,
    action: AskExpert,
    state: FSMContext,
    services: Services,
    person: Person,
    update_id: int,
    say: Translator,
    reply: Reply,
) -> None:
    """Send what was asked before; without it, or when it is gone, ask for the text."""
    text = await services.questions.text_of(person.contact_id, action.question) if action.question else None
    if text is None:
        await state.set_state(Writing.question)
        await reply.send(_ask_for_question(say))
        return
    await services.desk.ask(person.contact_id, text, update_id)
    await reply.send(_received(text, say))


async def question_typed(
    message: ChatMessage,
    state: FSMContext,
    services: Services,
    person: Person,
    update_id: int,
    say: Translator,
    reply: Reply,
) -> None:
    text = (message.text or "").strip()
    await services.desk.ask(person.contact_id, text, update_id)
    await state.clear()
    await reply.send(_received(text, say))


def _ask_for_question(say: Translator) -> Message:
    text = say(
        "Write your question in one message and I pass it to our experts; the reply comes to this chat.\n\n"
        "Please leave out details of unfiled inventions: "
        "until they are filed they should stay between you and your adviser."
    )
    return Message(text, ((Button(say.plain("Cancel"), Leave()),),))


def _too_long(say: Translator) -> Message:
    return Message(say("That is longer than {limit} characters. Please send a shorter version.", limit=REPLY_LIMIT))


def _received(text: str, say: Translator) -> Message:
    html = say.page("desk/received.html", text=text)
    return Message(html, ((Button(say.plain("Main menu"), GoHome()),),))


async def not_typed(message: ChatMessage, say: Translator, reply: Reply) -> None:
    """A photo or a sticker where a text is wanted."""
    text = say("I can read text only. Please type your answer.")
    await reply.send(Message(text, ((Button(say.plain("Cancel"), Leave()),),)))


async def desk_wanted(message: ChatMessage, services: Services, say: Translator, reply: Reply) -> None:
    await reply.send(await _open_questions(0, services, say))


async def desk_pressed(
    press: CallbackQuery, action: ShowDesk, services: Services, say: Translator, reply: Reply
) -> None:
    await reply.show(await _open_questions(action.page or 0, services, say))


async def _open_questions(page: int, services: Services, say: Translator) -> Message:
    waiting = await services.desk.open_questions(page)
    if not waiting.questions:
        return Message(say("No open questions. Well done."))
    buttons = tuple((Button(_first_words(each), ShowDeskQuestion(each.id)),) for each in waiting.questions)
    back = Button(say.plain("‹ Previous"), ShowDesk(None, waiting.page - 1))
    on = Button(say.plain("Next ›"), ShowDesk(None, waiting.page + 1))
    turn = (back,) * (waiting.page > 0) + (on,) * (waiting.page < waiting.last)
    heading = say.count("<b>{n} open question</b>", "<b>{n} open questions</b>, oldest first", waiting.total)
    return Message(heading, (*buttons, turn))


def _first_words(question: Question) -> str:
    return cut(" ".join(question.text.split()), 50)


async def question_pressed(
    press: CallbackQuery, action: ShowDeskQuestion, services: Services, say: Translator, reply: Reply
) -> None:
    question = await services.desk.view(action.question)
    if question is None:
        await reply.toast(say.plain("That question is no longer here."))
        return
    first, *more = _whole(question, say)
    await reply.show(first)
    for part in more:
        await reply.send(part)


def _whole(question: Question, say: Translator) -> list[Message]:
    """The question in as many messages as it takes, each with a button that names it: see `Desk.shown`."""
    is_open = question.status == "open"
    every: Buttons = ((Button(say.plain("All open questions"), ShowDesk(question.id)),),)
    under_parts: Buttons = ((Button(say.plain("Reply"), ReplyToDeskQuestion(question.id)),),) if is_open else every
    *parts, last = split(say.page("desk/question.html", question=question, limit=None))
    buttons = question_buttons(say, question.id) if is_open else every
    return [*(Message(part, under_parts) for part in parts), Message(last, buttons)]


async def reply_wanted(
    press: CallbackQuery,
    action: ReplyToDeskQuestion,
    state: FSMContext,
    services: Services,
    say: Translator,
    reply: Reply,
) -> None:
    question = await services.desk.view(action.question)
    if question is None or question.status != "open":
        await reply.toast(say.plain("That question is no longer open."), alert=True)
        return
    await state.set_state(Writing.reply)
    await state.set_data({"question": action.question})
    html = say.page("desk/write_reply.html", question=question)
    whole = Button(say.plain("Read it whole"), ShowDeskQuestion(question.id))
    await reply.send(Message(html, ((whole, Button(say.plain("Cancel"), Leave())),)))


async def reply_typed(
    message: ChatMessage, state: FSMContext, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    text = (message.text or "").strip()
    if len(text) > REPLY_LIMIT:
        await reply.send(_too_long(say))
        return
    question = (await state.get_data()).get("question", 0)
    sent = await services.desk.reply(person.contact_id, question, text)
    await state.clear()
    outcome = (
        say("Sent. The asker gets your reply in their own chat.")
        if sent
        else say("Somebody else has dealt with that question in the meantime; your reply was not sent.")
    )
    await reply.send(Message(outcome, ((Button(say.plain("All open questions"), ShowDesk()),),)))


async def close_pressed(
    press: CallbackQuery, action: CloseDeskQuestion, services: Services, say: Translator, reply: Reply
) -> None:
    question = await services.desk.view(action.question)
    if question is None or question.status != "open":
        await reply.toast(say.plain("That question is no longer open."), alert=True)
        return
    yes = Button(say.plain("Yes, close it"), ConfirmClosing(question.id), style="danger")
    no = Button(say.plain("No, keep it open"), ShowDeskQuestion(question.id))
    await reply.show(Message(say.page("desk/close.html", question=question), ((yes,), (no,))))


async def closing_confirmed(
    press: CallbackQuery, action: ConfirmClosing, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    if not await services.desk.close(person.contact_id, action.question):
        await reply.toast(say.plain("That question is no longer open."), alert=True)
        return
    await reply.show(await _open_questions(0, services, say))
