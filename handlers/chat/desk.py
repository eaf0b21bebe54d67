"""Questions for a person: sent by anyone, answered by staff in this same chat."""

from functools import partial

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.desk.desk import Question, question_buttons
from bot.texts import Button, Message, Translator
from bot.texts.actions import (
    AskExpert,
    CloseDeskQuestion,
    ConfirmClosing,
    ReplyToDeskQuestion,
    ShowDesk,
    ShowDeskQuestion,
)
from bot.texts.markdown import split
from bot.texts.message import Buttons
from handlers.chat.buttons import Page, cancel, label, main_menu
from handlers.chat.filters import Holds, NoText, Pressed, Typed
from handlers.chat.talk import Talk

REPLY_LIMIT = 3000
"""Characters: with its heading and the question's beginning the reply must fit one message to the asker."""

FIRST_WORDS = 50
"""Characters of a question on its button."""


class Writing(StatesGroup):
    question = State()
    reply = State()


def setup() -> Router:
    router = Router(name="desk")
    router.message.register(question_wanted, Command("ask"))
    router.callback_query.register(expert_wanted, Pressed(AskExpert))
    router.message.register(question_typed, StateFilter(Writing.question), Typed())
    router.message.register(not_typed, StateFilter(Writing.question), NoText())
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


async def question_wanted(message: ChatMessage, talk: Talk) -> None:
    await _ask_for_question(talk)


async def expert_wanted(press: CallbackQuery, action: AskExpert, talk: Talk) -> None:
    """Send what was asked before; without it, or when it is gone, ask for the text."""
    text = await talk.services.questions.text_of(talk.contact_id, action.question) if action.question else None
    if text is None:
        await _ask_for_question(talk)
        return
    await talk.services.desk.ask(talk.contact_id, text, talk.update_id)
    await talk.reply.send(_received(text, talk.say))


async def question_typed(message: ChatMessage, talk: Talk) -> None:
    text = (message.text or "").strip()
    await talk.services.desk.ask(talk.contact_id, text, talk.update_id)
    await talk.state.clear()
    await talk.reply.send(_received(text, talk.say))


async def _ask_for_question(talk: Talk) -> None:
    await talk.state.set_state(Writing.question)
    text = talk.say(
        "Write your question in one message and I pass it to our experts; the reply comes to this chat.\n\n"
        "Please leave out details of unfiled inventions: "
        "until they are filed they should stay between you and your adviser."
    )
    await talk.prompt(text)


def _received(text: str, say: Translator) -> Message:
    html = say.page("desk/received.html", text=text)
    return Message(html, ((main_menu(say),),))


async def not_typed(message: ChatMessage, talk: Talk) -> None:
    """A photo or a sticker where a text is wanted."""
    await talk.prompt(talk.say("I can read text only. Please type your answer."))


async def desk_wanted(message: ChatMessage, talk: Talk) -> None:
    await talk.reply.send(await _open_questions(0, talk))


async def desk_pressed(press: CallbackQuery, action: ShowDesk, talk: Talk) -> None:
    await talk.reply.show(await _open_questions(action.page or 0, talk))


async def _open_questions(page: int, talk: Talk) -> Message:
    say = talk.say
    waiting = await talk.services.desk.open_questions(page)
    if not waiting.questions:
        return Message(say("No open questions. Well done."))
    shown = Page(waiting.questions, waiting.page, waiting.last)
    buttons = tuple((Button(label(each.text, FIRST_WORDS), ShowDeskQuestion(each.id)),) for each in shown.items)
    heading = say.count("<b>{n} open question</b>", "<b>{n} open questions</b>, oldest first", waiting.total)
    return Message(heading, (*buttons, shown.turning(partial(ShowDesk, None), say)))


async def question_pressed(press: CallbackQuery, action: ShowDeskQuestion, talk: Talk) -> None:
    question = await talk.services.desk.view(action.question)
    if question is None:
        await talk.reply.toast(talk.say.plain("That question is no longer here."))
        return
    first, *more = _whole(question, talk.say)
    await talk.reply.show(first)
    for part in more:
        await talk.reply.send(part)


def _whole(question: Question, say: Translator) -> list[Message]:
    """The question in as many messages as it takes, each with a button that names it: see `Desk.shown`."""
    is_open = question.status == "open"
    every: Buttons = ((Button(say.plain("All open questions"), ShowDesk(question.id)),),)
    under_parts: Buttons = ((Button(say.plain("Reply"), ReplyToDeskQuestion(question.id)),),) if is_open else every
    *parts, last = split(say.page("desk/question.html", question=question, limit=None))
    buttons = question_buttons(say, question.id) if is_open else every
    return [*(Message(part, under_parts) for part in parts), Message(last, buttons)]


async def reply_wanted(press: CallbackQuery, action: ReplyToDeskQuestion, talk: Talk) -> None:
    say = talk.say
    question = await _still_open(action.question, talk)
    if question is None:
        return
    await talk.expect(Writing.reply, question=question.id)
    html = say.page("desk/write_reply.html", question=question)
    whole = Button(say.plain("Read it whole"), ShowDeskQuestion(question.id))
    await talk.reply.send(Message(html, ((whole, cancel(say)),)))


async def _still_open(number: int, talk: Talk) -> Question | None:
    """The question; None when the person was told that it is no longer open."""
    question = await talk.services.desk.view(number)
    if question is not None and question.status == "open":
        return question
    await _closed_already(talk)
    return None


async def _closed_already(talk: Talk) -> None:
    await talk.reply.toast(talk.say.plain("That question is no longer open."), alert=True)


async def reply_typed(message: ChatMessage, talk: Talk) -> None:
    say = talk.say
    text = (message.text or "").strip()
    if len(text) > REPLY_LIMIT:
        too_long = say("That is longer than {limit} characters. Please send a shorter version.", limit=REPLY_LIMIT)
        await talk.reply.send(Message(too_long))
        return
    question = (await talk.state.get_data()).get("question", 0)
    sent = await talk.services.desk.reply(talk.contact_id, question, text)
    await talk.state.clear()
    outcome = (
        say("Sent. The asker gets your reply in their own chat.")
        if sent
        else say("Somebody else has dealt with that question in the meantime; your reply was not sent.")
    )
    await talk.reply.send(Message(outcome, ((Button(say.plain("All open questions"), ShowDesk()),),)))


async def close_pressed(press: CallbackQuery, action: CloseDeskQuestion, talk: Talk) -> None:
    say = talk.say
    question = await _still_open(action.question, talk)
    if question is None:
        return
    yes = Button(say.plain("Yes, close it"), ConfirmClosing(question.id), style="danger")
    no = Button(say.plain("No, keep it open"), ShowDeskQuestion(question.id))
    await talk.reply.show(Message(say.page("desk/close.html", question=question), ((yes,), (no,))))


async def closing_confirmed(press: CallbackQuery, action: ConfirmClosing, talk: Talk) -> None:
    if await talk.services.desk.close(talk.contact_id, action.question):
        await talk.reply.show(await _open_questions(0, talk))
    else:
        await _closed_already(talk)
