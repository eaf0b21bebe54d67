"""Forums and training for administrators: list, announce, move and cancel, in the same chat."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.outbox.report import Trouble
from bot.people.contacts import Person
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
from handlers.chat.reply import Reply, cut, rows
from handlers.services import Services
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
BUTTON_TEXT = 60
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


async def manage_wanted(message: ChatMessage, services: Services, say: Translator, reply: Reply) -> None:
    troubles = await services.outbox_report.troubles()
    await reply.send(managed_list(await services.events.upcoming(), 0, say, troubles))


async def manage_pressed(
    press: CallbackQuery, action: ManageEvents, services: Services, say: Translator, reply: Reply
) -> None:
    await reply.show(managed_list(await services.events.upcoming(), action.page, say))


async def event_pressed(
    press: CallbackQuery, action: ManageEvent, services: Services, say: Translator, reply: Reply
) -> None:
    event = await services.events.detail(action.event)
    await _show_managed(event, None, services, say, reply)


async def _show_managed(
    event: EventView | None, note: str | None, services: Services, say: Translator, reply: Reply
) -> None:
    """The event as it stands now; the list where it is gone."""
    if event is None:
        await reply.show(managed_list(await services.events.upcoming(), 0, say))
        await reply.toast(say.plain("That event is no longer here."), alert=True)
    else:
        await reply.show(managed_message(event, note, services.clock.now(), say))


def managed_list(events: Sequence[EventView], page: int, say: Translator, troubles: Sequence[Trouble] = ()) -> Message:
    """A page of the events ahead, with how many come; and which of the messages sent to people came to a bad end."""
    page = max(0, min(page, (len(events) - 1) // PAGE))
    shown = events[page * PAGE : (page + 1) * PAGE]
    details = ((Button(cut(say.localized(e.title), BUTTON_TEXT), ManageEvent(e.id)),) for e in shown)
    back = (Button(say.plain("‹ Previous"), ManageEvents(page - 1)),)
    on = (Button(say.plain("Next ›"), ManageEvents(page + 1)),)
    return Message(
        say.page("happenings/manage.html", events=shown, troubles=troubles),
        (
            *details,
            back * (page > 0) + on * ((page + 1) * PAGE < len(events)),
            (Button(say.plain("Announce an event"), NewEvent(), style="primary"),),
        ),
    )


def managed_message(event: EventView, note: str | None, now: datetime, say: Translator) -> Message:
    """One event for staff; `note` is what just became of it."""
    html = say.page("happenings/managed.html", event=event, note=note, now=now)
    see = Button(say.plain("As people see it"), ShowEvent(event.id))
    every = Button(say.plain("All events"), ManageEvents())
    if event.cancelled or event.ends_at <= now:
        return Message(html, ((see, every),))
    move = Button(say.plain("Move"), MoveEvent(event.id))
    off = Button(say.plain("Cancel the event"), CancelEvent(event.id, event.revision, False))
    return Message(html, ((move, off), (see, every)))


# Calling one off


async def cancel_pressed(
    press: CallbackQuery,
    action: CancelEvent,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if not action.sure:
        await _ask_whether_sure(action.event, services, say, reply)
        return
    outcome = await services.events.cancel(person.contact_id, action.event, action.revision)
    await _show_managed(outcome.event, _called_off(outcome, say), services, say, reply)


async def _ask_whether_sure(event_id: int, services: Services, say: Translator, reply: Reply) -> None:
    event = await services.events.detail(event_id)
    if event is None or event.cancelled or event.ends_at <= services.clock.now():
        await _show_managed(event, None, services, say, reply)
    else:
        await reply.show(cancel_message(event, say))


def cancel_message(event: EventView, say: Translator) -> Message:
    sure = CancelEvent(event.id, event.revision, True)
    yes = Button(say.plain("Yes, cancel the event"), sure, style="danger")
    no = Button(say.plain("No, it takes place"), ManageEvent(event.id))
    return Message(say.page("happenings/cancel.html", event=event), ((yes,), (no,)))


def _called_off(outcome: Changed | Unchanged | Stale | Gone, say: Translator) -> str | None:
    match outcome:
        case Changed():
            return _told(outcome.told, say)
        case Stale():
            return _stale(say)
        case Unchanged() | Gone():
            return None


def _told(people: int, say: Translator) -> str:
    return say.count("Done. {n} person is told.", "Done. {n} people are told.", people)


def _stale(say: Translator) -> str:
    return say("Somebody else changed this event in the meantime, so nothing was done. Here it is as it stands now.")


# Filling in the form


async def new_pressed(
    press: CallbackQuery, state: FSMContext, services: Services, say: Translator, reply: Reply
) -> None:
    form = Form(None, 0, say.locale)
    await state.set_state(Filling.form)
    await state.set_data(form.data())
    await reply.show(question_message(form, None, services.clock.now(), say))


async def move_pressed(
    press: CallbackQuery,
    action: MoveEvent,
    state: FSMContext,
    services: Services,
    say: Translator,
    reply: Reply,
) -> None:
    event, now = await services.events.detail(action.event), services.clock.now()
    if event is None or event.cancelled or event.ends_at <= now:
        await _show_managed(event, None, services, say, reply)
        return
    form = Form.of(event, say.locale)
    await state.set_state(Filling.form)
    await state.set_data(form.data())
    await reply.show(question_message(form, None, now, say))


async def answer_typed(
    message: ChatMessage, state: FSMContext, services: Services, say: Translator, reply: Reply
) -> None:
    form = await _form(state)
    if form.open is None:
        problem = say("Please confirm with the button, or press what you want to change.")
        await reply.send(await _next(form, problem, services, say))
        return
    await reply.send(await _take(form, (message.text or "").strip(), state, services, say))


async def answer_pressed(
    press: CallbackQuery,
    action: AnswerEventStep,
    state: FSMContext,
    services: Services,
    say: Translator,
    reply: Reply,
) -> None:
    form = await _form(state)
    if form.open is None or form.open.step != action.step:
        await _not_asked(say, reply)
        return
    await reply.show(await _take(form, action.value, state, services, say))


async def keep_pressed(
    press: CallbackQuery,
    action: KeepEventAnswer,
    state: FSMContext,
    services: Services,
    say: Translator,
    reply: Reply,
) -> None:
    form = await _form(state)
    if form.open is None or form.open.step != action.step or action.step not in form.before:
        await _not_asked(say, reply)
        return
    await reply.show(await _go_on(form.kept(), state, services, say))


async def ask_pressed(
    press: CallbackQuery,
    action: AskEventStep,
    state: FSMContext,
    services: Services,
    say: Translator,
    reply: Reply,
) -> None:
    form = await _form(state)
    if action.step not in form.answers:
        await _not_asked(say, reply)
        return
    form = form.asking(action.step)
    await state.set_data(form.data())
    await reply.show(await _next(form, None, services, say))


async def _form(state: FSMContext) -> Form:
    return Form.from_data(await state.get_data())


async def _not_asked(say: Translator, reply: Reply) -> None:
    await reply.toast(say.plain("You have answered that already; please go on from the newest message."))


async def form_is_gone(press: CallbackQuery, services: Services, say: Translator, reply: Reply) -> None:
    await reply.show(managed_list(await services.events.upcoming(), 0, say))
    await reply.toast(say.plain("That dialog has ended; here are the events as they stand."))


async def _take(form: Form, text: str, state: FSMContext, services: Services, say: Translator) -> Message:
    """The next question, or the same again with what was wrong with the answer."""
    try:
        form = form.answered(text, services.clock.now())
    except BadAnswerError as bad:
        problem = say(bad.message, **bad.values)
        return question_message(form, problem, services.clock.now(), say)
    return await _go_on(form, state, services, say)


async def _go_on(form: Form, state: FSMContext, services: Services, say: Translator) -> Message:
    """Keep the form and ask on; what the times make impossible is asked again."""
    trouble, problem = form.trouble(services.clock.now()), None
    if trouble is not None:
        form, problem = form.without(trouble[0]), say(trouble[1])
    await state.set_data(form.data())
    return await _next(form, problem, services, say)


async def _next(form: Form, problem: str | None, services: Services, say: Translator) -> Message:
    now = services.clock.now()
    if form.open is not None:
        return question_message(form, problem, now, say)
    if form.event is None:
        return draft_message(form, problem, now, say)
    event = await services.events.detail(form.event)
    if event is None:
        return managed_list(await services.events.upcoming(), 0, say)
    return move_message(form, event, problem, say)


def question_message(form: Form, problem: str | None, now: datetime, say: Translator) -> Message:
    """The open question, with the answers that need no typing."""
    question = form.open
    assert question is not None
    heading = NEW_EVENT if form.event is None else NEW_TIME
    html = say.page(
        "happenings/question.html",
        problem=problem,
        heading=say(heading, number=form.number, of=len(form.questions)),
        question=say(question.text),
    )
    back = Button(say.plain("‹ Back"), AskEventStep(form.previous.step)) if form.previous else None
    leave = Button(say.plain("Leave it"), Leave())
    return Message(html, (*_offered(form, question, now, say), (back, leave) if back else (leave,)))


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
    label = say.plain("Keep: {answer}", answer=_shown(question.step, value, form, now, say))
    return ((Button(label, KeepEventAnswer(question.step)),),)


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
        "happenings/draft.html",
        problem=problem,
        event=preview(draft, now),
        titles=[f"{LOCALES[code]}: {text}" for code, text in draft.title.items() if text != own],
        now=now,
    )
    return Message(html, _summary_buttons(form, say.plain("Announce it"), say))


def move_message(form: Form, event: EventView, problem: str | None, say: Translator) -> Message:
    """A moved event as people will see it, beside when it was."""
    html = say.page("happenings/move.html", problem=problem, event=event, moved=moved(event, form.times))
    return Message(html, _summary_buttons(form, say.plain("Move it"), say))


def _summary_buttons(form: Form, label: str, say: Translator) -> Buttons:
    confirm = Button(label, ConfirmEventChange(form.digest), style="success")
    change = [Button(f"✎ {say.plain(q.name)}", AskEventStep(q.step)) for q in form.questions]
    return ((confirm,), *rows(change, 3), (Button(say.plain("Leave it"), Leave()),))


async def confirm_pressed(
    press: CallbackQuery,
    action: ConfirmEventChange,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    form = await _form(state)
    if form.open is not None or form.digest != action.digest:
        await _not_asked(say, reply)
        return
    outcome = await _do(form, person, services)
    if isinstance(outcome, Refused):
        step, problem = asked_again(outcome.problem)
        form = form.without(step)
        await state.set_data(form.data())
        await reply.show(question_message(form, say(problem), services.clock.now(), say))
        return
    await state.clear()
    await _show_managed(outcome.event, _done(outcome, say), services, say, reply)


Outcome = Added | Changed | Unchanged | Stale | Gone


async def _do(form: Form, person: Person, services: Services) -> Outcome | Refused:
    if form.event is None:
        return await services.events.add(person.contact_id, form.draft())
    return await services.events.move(person.contact_id, form.event, form.revision, form.times)


def _done(outcome: Outcome, say: Translator) -> str | None:
    match outcome:
        case Added() | Changed():
            return _told(outcome.told, say)
        case Unchanged():
            return say("Nothing changed, so nobody is notified.")
        case Stale():
            return _stale(say)
        case Gone():
            return None
