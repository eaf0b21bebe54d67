"""Forums and training for administrators: list, announce, move and cancel, in the same chat."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.outbox.report import Trouble
from bot.texts import LOCALES, N_, Button, Message, Translator
from bot.texts.actions import (
    AnswerEventStep,
    AskEventStep,
    CancelEvent,
    ConfirmEventChange,
    KeepEventAnswer,
    Leave,
    ManageEvent,
    ManageEvents,
    MoveEvent,
    NewEvent,
    ShowEvent,
)
from bot.texts.message import Buttons
from handlers.chat.buttons import Page, cut, label, rows
from handlers.chat.event_form import (
    KINDS,
    ZONES,
    BadAnswerError,
    Form,
    Question,
    asked_again,
    moved,
    preview,
)
from handlers.chat.filters import Holds, Pressed, Typed
from handlers.chat.talk import Talk
from scheduler.events.values import (
    Added,
    Changed,
    EventView,
    Gone,
    Refused,
    Stale,
    Unchanged,
)

PAGE = 5
KEPT_TEXT = 40
NEW_EVENT = N_("New event, {number} of {of}")
NEW_TIME = N_("New time, {number} of {of}")


class Filling(StatesGroup):
    """An administrator fills in the form of a new or a moved event; the data are the form's."""

    form = State()


def setup() -> Router:
    router = Router(name="manage")
    router.message.filter(Holds("admin"))
    router.callback_query.filter(Holds("admin"))
    router.message.register(manage_wanted, Command("manage"))
    router.callback_query.register(manage_pressed, Pressed(ManageEvents))
    router.callback_query.register(event_pressed, Pressed(ManageEvent))
    router.callback_query.register(cancel_pressed, Pressed(CancelEvent))
    router.callback_query.register(new_pressed, Pressed(NewEvent))
    router.callback_query.register(move_pressed, Pressed(MoveEvent))
    form = StateFilter(Filling.form)
    router.message.register(answer_typed, form, Typed())
    router.callback_query.register(answer_pressed, form, Pressed(AnswerEventStep))
    router.callback_query.register(keep_pressed, form, Pressed(KeepEventAnswer))
    router.callback_query.register(ask_pressed, form, Pressed(AskEventStep))
    router.callback_query.register(confirm_pressed, form, Pressed(ConfirmEventChange))
    dialog = Pressed(AnswerEventStep, KeepEventAnswer, AskEventStep, ConfirmEventChange)
    router.callback_query.register(form_is_gone, dialog)
    return router


# What there is


async def manage_wanted(message: ChatMessage, talk: Talk) -> None:
    troubles = await talk.services.outbox_report.troubles()
    await talk.reply.send(await _list(0, talk, troubles))


async def manage_pressed(press: CallbackQuery, action: ManageEvents, talk: Talk) -> None:
    await talk.reply.show(await _list(action.page, talk))


async def _list(page: int, talk: Talk, troubles: Sequence[Trouble] = ()) -> Message:
    """A page of the events ahead, with how many come; and which of the messages sent to people came to a bad end."""
    say = talk.say
    shown = Page.of(await talk.services.events.upcoming(), page, PAGE)
    html = say.page("events/manage.html", events=shown.items, troubles=troubles)
    details = ((Button(label(say.localized(e.title)), ManageEvent(e.id)),) for e in shown.items)
    new = Button(say.plain("Announce an event"), NewEvent(), style="primary")
    return Message(html, (*details, shown.turning(ManageEvents, say), (new,)))


async def event_pressed(press: CallbackQuery, action: ManageEvent, talk: Talk) -> None:
    event = await talk.services.events.detail(action.event)
    await _show_managed(event, None, talk)


async def _show_managed(event: EventView | None, note: str | None, talk: Talk) -> None:
    """The event as it stands now; the list where it is gone."""
    if event is None:
        await talk.reply.show(await _list(0, talk))
        await talk.reply.toast(talk.say.plain("That event is no longer here."), alert=True)
    else:
        await talk.reply.show(_managed(event, note, talk.now, talk.say))


def _managed(event: EventView, note: str | None, now: datetime, say: Translator) -> Message:
    """One event for staff; `note` is what just became of it."""
    html = say.page("events/managed.html", event=event, note=note, now=now)
    see = Button(say.plain("As people see it"), ShowEvent(event.id))
    every = Button(say.plain("All events"), ManageEvents())
    if event.cancelled or event.ends_at <= now:
        return Message(html, ((see, every),))
    move = Button(say.plain("Move"), MoveEvent(event.id))
    off = Button(say.plain("Cancel the event"), CancelEvent(event.id, event.revision, False))
    return Message(html, ((move, off), (see, every)))


# Calling one off


async def cancel_pressed(press: CallbackQuery, action: CancelEvent, talk: Talk) -> None:
    if not action.sure:
        await _ask_whether_sure(action.event, talk)
        return
    outcome = await talk.services.events.cancel(talk.contact_id, action.event, action.revision)
    note = None if isinstance(outcome, Unchanged) else _done(outcome, talk.say)
    await _show_managed(outcome.event, note, talk)


async def _ask_whether_sure(event_id: int, talk: Talk) -> None:
    event = await _changeable(event_id, talk)
    if event is not None:
        await talk.reply.show(_sure(event, talk.say))


async def _changeable(event_id: int, talk: Talk) -> EventView | None:
    """The event; None when it is too late to change it, and the person was shown why."""
    event = await talk.services.events.detail(event_id)
    if event is not None and not event.cancelled and event.ends_at > talk.now:
        return event
    await _show_managed(event, None, talk)
    return None


def _sure(event: EventView, say: Translator) -> Message:
    sure = CancelEvent(event.id, event.revision, True)
    yes = Button(say.plain("Yes, cancel the event"), sure, style="danger")
    no = Button(say.plain("No, it takes place"), ManageEvent(event.id))
    return Message(say.page("events/cancel.html", event=event), ((yes,), (no,)))


Outcome = Added | Changed | Unchanged | Stale | Gone


def _done(outcome: Outcome, say: Translator) -> str | None:
    """What became of it, to stand over the event."""
    match outcome:
        case Added(told=told) | Changed(told=told):
            return say.count("Done. {n} person is told.", "Done. {n} people are told.", told)
        case Unchanged():
            return say("Nothing changed, so nobody is notified.")
        case Stale():
            return say(
                "Somebody else changed this event in the meantime, so nothing was done. Here it is as it stands now."
            )
        case Gone():
            return None


# Filling in the form


async def new_pressed(press: CallbackQuery, talk: Talk) -> None:
    await _begin(Form(None, 0, talk.say.locale), talk)


async def move_pressed(press: CallbackQuery, action: MoveEvent, talk: Talk) -> None:
    event = await _changeable(action.event, talk)
    if event is not None:
        await _begin(Form.of(event, talk.say.locale), talk)


async def _begin(form: Form, talk: Talk) -> None:
    await talk.state.set_state(Filling.form)
    await talk.reply.show(await _ask_on(form, None, talk))


async def answer_typed(message: ChatMessage, talk: Talk) -> None:
    form = await _form(talk)
    if form.open is None:
        problem = talk.say("Please confirm with the button, or press what you want to change.")
        await talk.reply.send(await _next(form, problem, talk))
    else:
        await talk.reply.send(await _take(form, (message.text or "").strip(), talk))


async def answer_pressed(press: CallbackQuery, action: AnswerEventStep, talk: Talk) -> None:
    form = await _form(talk)
    if form.asks(action.step):
        await talk.reply.show(await _take(form, action.value, talk))
    else:
        await _not_asked(talk)


async def keep_pressed(press: CallbackQuery, action: KeepEventAnswer, talk: Talk) -> None:
    form = await _form(talk)
    if form.asks(action.step) and action.step in form.before:
        await talk.reply.show(await _go_on(form.kept(), talk))
    else:
        await _not_asked(talk)


async def ask_pressed(press: CallbackQuery, action: AskEventStep, talk: Talk) -> None:
    form = await _form(talk)
    if action.step in form.answers:
        await talk.reply.show(await _ask_on(form.asking(action.step), None, talk))
    else:
        await _not_asked(talk)


async def _form(talk: Talk) -> Form:
    return Form.from_data(await talk.state.get_data())


async def _not_asked(talk: Talk) -> None:
    await talk.reply.toast(talk.say.plain("You have answered that already; please go on from the newest message."))


async def form_is_gone(press: CallbackQuery, talk: Talk) -> None:
    await talk.reply.show(await _list(0, talk))
    await talk.reply.toast(talk.say.plain("That dialog has ended; here are the events as they stand."))


async def _take(form: Form, text: str, talk: Talk) -> Message:
    """The next question, or the same again with what was wrong with the answer."""
    try:
        form = form.answered(text, talk.now)
    except BadAnswerError as bad:
        return await _next(form, talk.say(bad.message, **bad.values), talk)
    return await _go_on(form, talk)


async def _go_on(form: Form, talk: Talk) -> Message:
    """To the next question; what the times make impossible is asked again."""
    trouble = form.trouble(talk.now)
    if trouble is None:
        return await _ask_on(form, None, talk)
    step, problem = trouble
    return await _ask_on(form.without(step), talk.say(problem), talk)


async def _ask_on(form: Form, problem: str | None, talk: Talk) -> Message:
    """Keep the form as it is now, and go on from there."""
    await talk.state.set_data(form.data())
    return await _next(form, problem, talk)


async def _next(form: Form, problem: str | None, talk: Talk) -> Message:
    now = talk.now
    if form.open is not None:
        return question_message(form, problem, now, talk.say)
    if form.event is None:
        return draft_message(form, problem, now, talk.say)
    event = await talk.services.events.detail(form.event)
    if event is None:
        return await _list(0, talk)
    return _move_message(form, event, problem, talk.say)


def question_message(form: Form, problem: str | None, now: datetime, say: Translator) -> Message:
    """The open question, with the answers that need no typing."""
    question = form.open
    assert question is not None
    heading = NEW_EVENT if form.event is None else NEW_TIME
    html = say.page(
        "events/question.html",
        problem=problem,
        heading=say(heading, number=form.number, of=len(form.questions)),
        question=say(question.text),
    )
    back = Button(say.plain("‹ Back"), AskEventStep(form.previous.step)) if form.previous else None
    return Message(html, (*_offered(form, question, now, say), (back, _leave(say)) if back else (_leave(say),)))


def _offered(form: Form, question: Question, now: datetime, say: Translator) -> Buttons:
    step = question.step
    buttons = _keep(form, question, now, say)
    if step == "kind":
        kinds = tuple(Button(say.plain(KINDS[k]), AnswerEventStep(step, k)) for k in KINDS)
        return (*buttons, kinds)
    if step == "zone":
        zones = [Button(say.zone_name(z, now), AnswerEventStep(step, z)) for z in ZONES]
        return (*buttons, *rows(zones, 2))
    if question.without is not None:
        return (*buttons, (Button(say.plain(question.without), AnswerEventStep(step, "")),))
    return buttons


def _keep(form: Form, question: Question, now: datetime, say: Translator) -> Buttons:
    """The answer that stood before; where it was left out there is a button for that anyway."""
    if not (value := form.before.get(question.step)):
        return ()
    keep = say.plain("Keep: {answer}", answer=_shown(question.step, value, form, now, say))
    return ((Button(keep, KeepEventAnswer(question.step)),),)


def _shown(step: str, value: str, form: Form, now: datetime, say: Translator) -> str:
    if step == "date":
        return say.day(date.fromisoformat(value))
    if step == "zone":
        return say.zone_name(value, now)
    if step == "kind":
        return say.plain(KINDS[value])
    if step == "ends" and value.startswith("+"):
        days, clock = value[1:].split(" ")
        last = date.fromisoformat(form.answers["date"]) + timedelta(days=int(days))
        return f"{say.day(last)} {clock}"
    return cut(value, KEPT_TEXT)


# The summary, and doing it


def draft_message(form: Form, problem: str | None, now: datetime, say: Translator) -> Message:
    """A new event as people will see it."""
    draft = form.draft()
    own = say.localized(draft.title)
    html = say.page(
        "events/draft.html",
        problem=problem,
        event=preview(draft, now),
        titles=[f"{LOCALES[code]}: {text}" for code, text in draft.title.items() if text != own],
        now=now,
    )
    return Message(html, _summary_buttons(form, say.plain("Announce it"), say))


def _move_message(form: Form, event: EventView, problem: str | None, say: Translator) -> Message:
    """A moved event as people will see it, beside when it was."""
    html = say.page("events/move.html", problem=problem, event=event, moved=moved(event, form.times))
    return Message(html, _summary_buttons(form, say.plain("Move it"), say))


def _summary_buttons(form: Form, do_it: str, say: Translator) -> Buttons:
    confirm = Button(do_it, ConfirmEventChange(form.digest), style="success")
    change = [Button(f"✎ {say.plain(q.name)}", AskEventStep(q.step)) for q in form.questions]
    return ((confirm,), *rows(change, 3), (_leave(say),))


def _leave(say: Translator) -> Button:
    return Button(say.plain("Leave it"), Leave())


async def confirm_pressed(press: CallbackQuery, action: ConfirmEventChange, talk: Talk) -> None:
    form = await _form(talk)
    if form.open is not None or form.digest != action.digest:
        await _not_asked(talk)
        return
    outcome = await _do(form, talk)
    if isinstance(outcome, Refused):
        step, problem = asked_again(outcome.problem)
        await talk.reply.show(await _ask_on(form.without(step), talk.say(problem), talk))
        return
    await talk.state.clear()
    await _show_managed(outcome.event, _done(outcome, talk.say), talk)


async def _do(form: Form, talk: Talk) -> Outcome | Refused:
    if form.event is None:
        return await talk.services.events.add(talk.contact_id, form.draft())
    return await talk.services.events.move(talk.contact_id, form.event, form.revision, form.times)
