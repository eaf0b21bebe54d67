"""Booking an appointment: topic, expert, time, a few typed details, consent, a last look, done."""

from datetime import datetime
from functools import partial

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import LOCALES, N_, Button, Message, ReplyKeyboard, Texts, Translator
from bot.texts.actions import (
    ConfirmBooking,
    DropHold,
    EditDetails,
    EditField,
    GiveConsent,
    KeepDetails,
    PickExpert,
    PickSlot,
    PickTopic,
    ShowAppointment,
    ShowSummary,
    StartBooking,
)
from handlers.chat import appointments, times
from handlers.chat.buttons import ask_person, main_menu, my_appointments, rows, show_appointment
from handlers.chat.filters import NoText, Pressed, Typed
from handlers.chat.talk import Talk
from handlers.chat.times import Wish
from scheduler.appointments.values import (
    TOPICS,
    AppointmentView,
    ExpertCard,
    Expired,
    HoldView,
    Taken,
    TooLong,
    TooMany,
    topic_name,
)

LANGUAGES = {
    "en": N_("English"),
    "cmn": N_("Mandarin"),
    "yue": N_("Cantonese"),
    "zh": N_("Chinese"),
    "zh-Hans": N_("Chinese"),
    "zh-Hant": N_("Chinese"),
    "ja": N_("Japanese"),
    "ko": N_("Korean"),
    "de": N_("German"),
    "fr": N_("French"),
    "es": N_("Spanish"),
    "pt": N_("Portuguese"),
}

FIELDS = {
    "company": N_("Company"),
    "name": N_("Name"),
    "contact_details": N_("Contact"),
    "question": N_("Question"),
}
"""What is typed, in this order."""

PROMPTS = {
    "company": N_("For which <b>company</b> do you come? It helps the expert prepare."),
    "name": N_("What is your <b>name</b>, so that the expert knows whom to expect?"),
    "contact_details": N_(
        "How can we <b>reach you</b> if something comes up: a phone number, an e-mail address or a WeChat ID?"
    ),
    "question": N_(
        "What is your <b>question</b>? A few lines help the expert prepare. "
        "Please leave out details of unfiled inventions."
    ),
}

SKIPPABLE = frozenset({"company", "question"})
SKIP, CANCEL, KEEP = N_("Skip"), N_("Cancel"), N_("Keep what is there")

SUGGESTED = 60
"""Characters of an earlier value that still read well as a suggested reply."""


class Details(StatesGroup):
    """Everything is asked in turn."""

    company = State()
    name = State()
    contact_details = State()
    question = State()


class Change(StatesGroup):
    """One field is written anew; the summary follows."""

    company = State()
    name = State()
    contact_details = State()
    question = State()


def setup() -> Router:
    router = Router(name="book")
    router.message.register(book_wanted, Command("book"))
    router.callback_query.register(book_pressed, Pressed(StartBooking))
    router.callback_query.register(topic_picked, Pressed(PickTopic))
    router.callback_query.register(expert_picked, Pressed(PickExpert))
    router.callback_query.register(slot_picked, Pressed(PickSlot))
    router.callback_query.register(details_kept, Pressed(KeepDetails))
    router.callback_query.register(hold_dropped, Pressed(DropHold))
    router.callback_query.register(consent_given, Pressed(GiveConsent))
    router.callback_query.register(summary_wanted, Pressed(ShowSummary))
    router.callback_query.register(edit_wanted, Pressed(EditDetails))
    router.callback_query.register(field_picked, Pressed(EditField))
    router.callback_query.register(confirmed, Pressed(ConfirmBooking))
    router.message.register(field_typed, StateFilter(Details, Change), Typed())
    router.message.register(not_typed, StateFilter(Details, Change), NoText())
    router.include_routers(times.setup(), appointments.setup())
    return router


# Topic and expert


async def book_wanted(message: ChatMessage, talk: Talk) -> None:
    await talk.reply.send(await _topics(talk))


async def book_pressed(press: CallbackQuery, action: StartBooking, talk: Talk) -> None:
    if action.expert is None:
        await talk.reply.show(await _topics(talk))
    elif not await open_expert(action.expert, talk):
        await _expert_gone(talk)


async def open_expert(expert_id: int, talk: Talk) -> bool:
    """Show an expert; False when nobody of that id can be booked."""
    expert = await talk.services.appointments.expert(expert_id)
    if expert is not None:
        await talk.reply.show(_expert_card(expert, talk.now, talk.say))
    return expert is not None


async def _expert_gone(talk: Talk) -> None:
    await talk.reply.show(await _topics(talk))
    await talk.reply.toast(talk.say.plain("That expert cannot be booked at present. Here is what you can book."), True)


async def topic_picked(press: CallbackQuery, action: PickTopic, talk: Talk) -> None:
    experts = await talk.services.appointments.experts(action.topic)
    if not experts:
        await _expert_gone(talk)
        return
    await talk.reply.show(_experts(action.topic, experts, talk))


async def expert_picked(press: CallbackQuery, action: PickExpert, talk: Talk) -> None:
    experts = await talk.services.appointments.experts(action.topic)
    if not experts or action.expert not in (None, *(expert.id for expert in experts)):
        await _expert_gone(talk)
        return
    await times.show_first_month(Wish(action.topic, action.expert), talk)


async def _topics(talk: Talk) -> Message:
    say = talk.say
    if too_many := await talk.services.appointments.too_many(talk.contact_id):
        return _too_many(too_many, say)
    topics = await talk.services.appointments.topics()
    if not topics:
        text = say("No expert can be booked at present. You can send your question to a person instead.")
        return Message(text, ((ask_person(say, "primary"),),))
    text = say("<b>A one-on-one appointment</b>\n\nWhat would you like to talk about?")
    buttons = rows([Button(topic_name(say, topic), PickTopic(topic)) for topic in topics], 1)
    return Message(text, (*buttons, (main_menu(say),)))


def _too_many(outcome: TooMany, say: Translator) -> Message:
    """Each of those ahead behind a button, to move or to cancel."""
    text = say.count(
        "You have {n} appointment ahead, and one person can have no more at a time. "
        "You can move or cancel it, and book again afterwards.",
        "You have {n} appointments ahead, and one person can have no more at a time. "
        "You can move one of them, or cancel one and book again.",
        len(outcome.ahead),
    )
    shown = outcome.ahead[: appointments.LISTED]
    each = tuple((Button(appointments.label(view, say), ShowAppointment(view.id)),) for view in shown)
    return Message(text, (*each, (main_menu(say),)))


def _experts(topic: str, experts: tuple[ExpertCard, ...], talk: Talk) -> Message:
    say = talk.say
    speaks = partial(_languages, say=say)
    html = say.page(
        "booking/experts.html", topic=topic_name(say, topic), experts=experts, languages=speaks, now=talk.now
    )
    each = rows([Button(say.localized(e.name), PickExpert(topic, e.id)) for e in experts], 1)
    anyone = Button(say.plain("Any expert who is free"), PickExpert(topic, None), style="primary")
    back = (Button(say.plain("‹ Topics"), StartBooking(None)),)
    return Message(html, ((anyone,), *each, back))


def _expert_card(expert: ExpertCard, now: datetime, say: Translator) -> Message:
    speaks = partial(_languages, say=say)
    html = say.page("booking/expert.html", expert=expert, languages=speaks, now=now)
    topics = [topic for topic in TOPICS if topic in expert.topics]
    buttons = rows([Button(topic_name(say, topic), PickExpert(topic, expert.id)) for topic in topics], 1)
    return Message(html, (*buttons, (Button(say.plain("Other experts"), StartBooking(None)),)))


def _languages(expert: ExpertCard, say: Translator) -> str:
    names = [say.plain(LANGUAGES[code]) if code in LANGUAGES else code for code in expert.languages]
    return ", ".join(dict.fromkeys(names)) if say.locale == "en" else "、".join(dict.fromkeys(names))


# The slot, kept while the person fills in


async def slot_picked(press: CallbackQuery, action: PickSlot, talk: Talk) -> None:
    say = talk.say
    start = times.instant(action.start)
    if start is None:
        await talk.reply.toast(say.plain("I do not know that time."))
        return
    outcome = await talk.services.appointments.hold(talk.contact_id, action.topic, action.expert, start, talk.update_id)
    if isinstance(outcome, TooMany):
        await talk.reply.show(_too_many(outcome, say))
        return
    if isinstance(outcome, Taken):
        await talk.reply.show(times.taken_message(outcome, Wish(action.topic, action.expert), say))
        return
    await talk.reply.show(_held(outcome.hold, say))
    await _ask(Details.company, outcome.hold, "", talk)


def _held(hold: HoldView, say: Translator) -> Message:
    known = bool(hold.name and hold.contact_details)
    keep = (Button(say.plain("Use these details"), KeepDetails(hold.id), style="primary"),)
    drop = (Button(say.plain("Give the time back"), DropHold(hold.id)),)
    html = say.page("booking/held.html", **_values(hold, say), known=known)
    return Message(html, ((keep, drop) if known else (drop,)))


def _values(hold: HoldView, say: Translator) -> dict[str, object]:
    return {"hold": hold, "topic": topic_name(say, hold.topic)}


async def details_kept(press: CallbackQuery, action: KeepDetails, talk: Talk) -> None:
    hold = await _alive(action.hold, talk)
    if hold is None or not await _complete(hold, "", talk):
        return
    if hold.question:
        await _finish(hold, "", talk)
    else:
        await _ask(Details.question, hold, "", talk)


async def hold_dropped(press: CallbackQuery, action: DropHold, talk: Talk) -> None:
    hold = await talk.services.appointments.held(action.hold, talk.contact_id)
    if hold is None:
        await talk.reply.toast(talk.say.plain("There is nothing to give back any more."))
        return
    await talk.services.appointments.drop(hold.id, talk.contact_id)
    await talk.reply.show(_dropped(hold, talk.say))
    await _leave_dialog(talk)


def _dropped(hold: HoldView, say: Translator) -> Message:
    text = say("The time is free again, and nothing was booked.")
    again = Button(say.plain("Another time"), PickExpert(hold.topic, _wish(hold).expert))
    return Message(text, ((again, main_menu(say)),))


def _wish(hold: HoldView) -> Wish:
    return Wish(hold.topic, None if hold.any_expert else hold.expert.id)


async def _alive(hold_id: int, talk: Talk) -> HoldView | None:
    """The hold, its time kept a little longer; None when the person was told that it is gone."""
    outcome = await talk.services.appointments.fill(hold_id, talk.contact_id)
    if isinstance(outcome, HoldView):
        return outcome
    assert isinstance(outcome, Expired)
    await _lapsed(outcome.hold, talk)
    return None


async def _lapsed(hold: HoldView | None, talk: Talk) -> None:
    """Nothing typed is lost: it fills in the next hold."""
    await _leave_dialog(talk)
    if hold is None:
        await talk.reply.toast(talk.say.plain("That booking is no longer open. /book starts a new one."), True)
        return
    fresh = await times.near(hold.start, _wish(hold), talk)
    await talk.reply.show(times.lapsed_message(hold.start, fresh, _wish(hold), talk.say))


async def _leave_dialog(talk: Talk) -> None:
    """Leave whatever was being typed, and take its suggested replies away."""
    if await talk.state.get_state() is not None:
        await talk.state.clear()
        await talk.reply.send(Message(talk.say("All right, we leave that there."), keyboard=ReplyKeyboard()))


# Typed details


async def _ask(step: State, hold: HoldView, consent: str, talk: Talk) -> None:
    """`consent` is the language in which it was given, if it was."""
    await talk.expect(step, hold=hold.id, consent=consent)
    await talk.reply.send(_prompt(_field(step.state), hold, talk.say))


def _field(state: str | None) -> str:
    return (state or "").partition(":")[2]


def _prompt(field: str, hold: HoldView, say: Translator) -> Message:
    return Message(say(PROMPTS[field]), keyboard=_keyboard(field, hold, say))


def _keyboard(field: str, hold: HoldView, say: Translator) -> ReplyKeyboard:
    """What was said before as a suggestion, and the ways out."""
    before: str | None = getattr(hold, field)
    short = before is not None and len(before) <= SUGGESTED and "\n" not in before
    suggestion = ((before if short else say.plain(KEEP),),) if before else ()
    out = (say.plain(SKIP), say.plain(CANCEL)) if field in SKIPPABLE else (say.plain(CANCEL),)
    return ReplyKeyboard((*suggestion, out), placeholder=say.plain(FIELDS[field]))


async def field_typed(message: ChatMessage, raw_state: str, talk: Talk) -> None:
    text, field = (message.text or "").strip(), _field(raw_state)
    data = await talk.state.get_data()
    hold = await talk.services.appointments.held(data["hold"], talk.contact_id)
    if hold is not None and _says(CANCEL, text, talk):
        await _cancelled(hold, talk)
        return
    value = _value(text, field, hold, talk)
    outcome = await talk.services.appointments.fill(data["hold"], talk.contact_id, **{field: value})
    if isinstance(outcome, TooLong):
        await talk.reply.send(_too_long(outcome, len(text), hold, talk.say))
    elif isinstance(outcome, Expired):
        await _lapsed(outcome.hold, talk)
    else:
        await _go_on(raw_state, outcome, data["consent"], talk)


def is_suggested_reply(text: str, texts: Texts) -> bool:
    """Whether it is a word of our own that stood above the input, and so never a question."""
    return any(_is_word(word, text, texts) for word in (SKIP, CANCEL, KEEP))


def _is_word(word: str, text: str, texts: Texts) -> bool:
    """In any of our languages: the keyboard may be older than the last change of language."""
    return any(text == texts.translator(locale).plain(word) for locale in LOCALES)


def _says(word: str, text: str, talk: Talk) -> bool:
    return _is_word(word, text, talk.services.texts)


def _value(text: str, field: str, hold: HoldView | None, talk: Talk) -> str | None:
    """What to fill in: None leaves the field as it is, "" clears it."""
    if field in SKIPPABLE and _says(SKIP, text, talk):
        return ""
    if hold is not None and getattr(hold, field) and _says(KEEP, text, talk):
        return None
    return text


def _too_long(outcome: TooLong, length: int, hold: HoldView | None, say: Translator) -> Message:
    text = say(
        "That has {length} characters, and {limit} is the most that fits. "
        "Please send a shorter version; everything else is kept.",
        length=length,
        limit=outcome.limit,
    )
    return Message(text, keyboard=_keyboard(outcome.field, hold, say) if hold else None)


async def _cancelled(hold: HoldView, talk: Talk) -> None:
    await talk.services.appointments.drop(hold.id, talk.contact_id)
    await _leave_dialog(talk)
    await talk.reply.send(_dropped(hold, talk.say))


async def _go_on(step: str, hold: HoldView, consent: str, talk: Talk) -> None:
    """To the next field, or to consent and summary once all are filled in."""
    following = _following(step)
    if following is not None:
        await _ask(following, hold, consent, talk)
    elif await _complete(hold, consent, talk):
        await _finish(hold, consent, talk)


async def _finish(hold: HoldView, consent: str, talk: Talk) -> None:
    """Two messages: a suggested-replies keyboard goes away only with one that has no buttons."""
    say = talk.say
    await talk.state.clear()
    await talk.reply.send(Message(say("Thank you, I have noted that."), keyboard=ReplyKeyboard()))
    await talk.reply.send(_summary(hold, consent, say) if consent else _consent(hold, say))


def _following(step: str) -> State | None:
    steps = [each.state for each in Details.__all_states__]
    if step not in steps[:-1]:
        return None
    return Details.__all_states__[steps.index(step) + 1]


async def _complete(hold: HoldView, consent: str, talk: Talk) -> bool:
    """Whether nothing is missing; asks for the first thing that is."""
    missing = next(
        (step for step in (Change.name, Change.contact_details) if not getattr(hold, _field(step.state))), None
    )
    if missing is not None:
        await _ask(missing, hold, consent, talk)
    return missing is None


async def not_typed(message: ChatMessage, raw_state: str, talk: Talk) -> None:
    """A photo or a sticker where a text is wanted."""
    hold = await talk.services.appointments.held((await talk.state.get_data())["hold"], talk.contact_id)
    keyboard = _keyboard(_field(raw_state), hold, talk.say) if hold else None
    text = talk.say("I can read text only. Please type your answer.")
    await talk.reply.send(Message(text, keyboard=keyboard))


# Consent and the last look


def _consent(hold: HoldView, say: Translator) -> Message:
    agree = Button(say.plain("I agree"), GiveConsent(hold.id, say.locale), style="success")
    return Message(say.page("booking/consent.html"), ((agree, Button(say.plain("Cancel"), DropHold(hold.id))),))


def _summary(hold: HoldView, consent: str, say: Translator) -> Message:
    """`consent` is the language in which the notice was agreed to."""
    html = say.page("booking/summary.html", **_values(hold, say))
    confirm = Button(say.plain("Confirm"), ConfirmBooking(hold.id, consent), style="success")
    edit = Button(say.plain("Edit"), EditDetails(hold.id, consent))
    cancel = Button(say.plain("Cancel"), DropHold(hold.id), style="danger")
    return Message(html, ((confirm,), (edit, cancel)))


async def consent_given(press: CallbackQuery, action: GiveConsent, talk: Talk) -> None:
    await _look_again(action.hold, action.locale, talk)


async def summary_wanted(press: CallbackQuery, action: ShowSummary, talk: Talk) -> None:
    await _look_again(action.hold, action.locale, talk)


async def _look_again(hold_id: int, consent: str, talk: Talk) -> None:
    hold = await _alive(hold_id, talk)
    if hold is not None and await _complete(hold, consent, talk):
        await talk.reply.show(_summary(hold, consent, talk.say))


async def edit_wanted(press: CallbackQuery, action: EditDetails, talk: Talk) -> None:
    hold = await _alive(action.hold, talk)
    if hold is not None:
        await talk.reply.show(_editing(hold, action.locale, talk.say))


def _editing(hold: HoldView, consent: str, say: Translator) -> Message:
    fields = [Button(say.plain(label), EditField(hold.id, field, consent)) for field, label in FIELDS.items()]
    other = Button(say.plain("Another time"), PickExpert(hold.topic, _wish(hold).expert))
    back = Button(say.plain("‹ Back"), ShowSummary(hold.id, consent))
    text = say("<b>What shall we change?</b>\n\nYour time stays kept while you do.")
    return Message(text, (*rows(fields, 2), (other, back)))


async def field_picked(press: CallbackQuery, action: EditField, talk: Talk) -> None:
    hold = await _alive(action.hold, talk)
    if hold is not None and action.field in FIELDS:
        await _ask(getattr(Change, action.field), hold, action.locale, talk)


async def confirmed(press: CallbackQuery, action: ConfirmBooking, talk: Talk) -> None:
    hold = await talk.services.appointments.held(action.hold, talk.contact_id)
    if hold is not None and not await _complete(hold, action.locale, talk):
        return
    consent = action.locale if action.locale in LOCALES else talk.say.locale
    outcome = await talk.services.appointments.confirm(action.hold, talk.contact_id, consent)
    if isinstance(outcome, Expired):
        await _lapsed(outcome.hold, talk)
    elif outcome.appointment.status == "cancelled":
        await talk.reply.show(appointments.detail(outcome.appointment, talk))
    else:
        await talk.reply.show(_booked(outcome.appointment, talk.say))


def _booked(view: AppointmentView, say: Translator) -> Message:
    text = say(
        "<b>Booked</b>: {when}, {expert}.\n\nThe confirmation with a file for your calendar follows.",
        when=say.when(view.start, view.end),
        expert=say.localized(view.expert.name),
    )
    return Message(text, ((show_appointment(view.id, say), my_appointments(say)),))
