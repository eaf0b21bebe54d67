"""For staff: why a question was decided as it was; for curators: questions without a good answer, made into answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage
from markupsafe import Markup

from bot.people.contacts import Person
from bot.texts import N_, Button, Message, Translator
from bot.texts.actions import (
    AddPhrasing,
    AnswerEntryStep,
    ChangeField,
    Leave,
    PreviewRevision,
    PromoteToEntry,
    PromoteToPhrasing,
    SendMissToDesk,
    SetMissAside,
    ShowEntryHistory,
    ShowMiss,
    ShowMisses,
    ShowRevision,
    ShowWhy,
    TypeEntryId,
    TypeWording,
)
from bot.texts.message import Buttons
from handlers.chat.filters import Holds, Pressed, Typed
from handlers.chat.reply import Reply, cut, rows
from handlers.services import Services
from knowledge.check import Finding
from knowledge.curation import Gone as NoEntry
from knowledge.curation import Refused, Revision, Unchanged
from knowledge.library import CATEGORIES
from knowledge.misses import (
    LONGEST_WORDING,
    AlreadyDealt,
    Cluster,
    Dealt,
    Gone,
    NewEntry,
    NobodyAgreed,
)

PAGE = 6
BUTTON_TEXT = 50
MOST_UNHELPFUL = 3
LONGEST_ANSWER: Final = 4000
PLACES = {"HK": ("HK",), "CN": ("CN",), "CN+HK": ("CN", "HK"), "INT": ("INT",)}

NO_LONGER_THERE = N_("Those questions are no longer here.")
DEALT = {
    "phrasing": N_("Somebody has already made a way to ask of these questions."),
    "entry": N_("Somebody has already drafted an entry for these questions."),
    "desk": N_("Somebody has already sent these questions to the desk."),
    "aside": N_("Somebody has already set these questions aside."),
}


class Promoting(StatesGroup):
    """A curator types an entry's id, other words, or the form of a new entry; the cluster is in the data."""

    entry_id = State()
    wording = State()
    form = State()


def setup() -> Router:
    router = Router(name="misses")
    staff = Router(name="why")
    staff.callback_query.filter(Holds("curator", "expert"))
    staff.callback_query.register(why_pressed, Pressed(ShowWhy))
    curators = Router(name="misses for curators")
    curators.message.filter(Holds("curator"))
    curators.callback_query.filter(Holds("curator"))
    curators.message.register(misses_wanted, Command("misses"))
    curators.callback_query.register(misses_pressed, Pressed(ShowMisses))
    curators.callback_query.register(miss_pressed, Pressed(ShowMiss))
    curators.callback_query.register(phrasing_pressed, Pressed(PromoteToPhrasing))
    curators.callback_query.register(entry_id_wanted, Pressed(TypeEntryId))
    curators.callback_query.register(wording_wanted, Pressed(TypeWording))
    curators.callback_query.register(desk_pressed, Pressed(SendMissToDesk))
    curators.callback_query.register(aside_pressed, Pressed(SetMissAside))
    curators.callback_query.register(entry_pressed, Pressed(PromoteToEntry))
    curators.callback_query.register(step_pressed, Pressed(AnswerEntryStep))
    typed = Typed()
    curators.message.register(entry_id_typed, StateFilter(Promoting.entry_id), typed)
    curators.message.register(wording_typed, StateFilter(Promoting.wording), typed)
    curators.message.register(step_typed, StateFilter(Promoting.form), typed)
    router.include_routers(staff, curators)
    return router


# Why


async def why_pressed(
    press: CallbackQuery, action: ShowWhy, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    """Experts see it of their own questions, curators of all."""
    asker = None if person.may("curator") else person.contact_id
    evidence = await services.answers.why(action.question, asker)
    if evidence is None:
        await reply.toast(say.plain(NO_LONGER_THERE), alert=True)
    else:
        html = say.page("answers/why.html", logged=evidence.logged, ranking=evidence.ranking, same=evidence.same)
        await reply.send(Message(html, ((_all_misses(say),),) if person.may("curator") else ()))


# Looking


async def misses_wanted(message: ChatMessage, services: Services, say: Translator, reply: Reply) -> None:
    await reply.send(await _list(0, None, services, say))


async def misses_pressed(
    press: CallbackQuery, action: ShowMisses, services: Services, say: Translator, reply: Reply
) -> None:
    await reply.show(await _list(action.page, None, services, say))


async def _list(page: int, note: str | None, services: Services, say: Translator) -> Message:
    clusters = await services.misses.clusters()
    page = max(0, min(page, (len(clusters) - 1) // PAGE))
    shown = [await services.misses.with_nearest(each) for each in clusters[page * PAGE : (page + 1) * PAGE]]
    questions = sum(cluster.size for cluster in clusters)
    html = say.page("misses/list.html", note=note, clusters=shown, groups=len(clusters), questions=questions)
    listed = [(Button(_cut(f"{each.size}× {each.misses[0].text}"), ShowMiss(each.id)),) for each in shown]
    back = (Button(say.plain("‹ Previous"), ShowMisses(page - 1)),) * (page > 0)
    on = (Button(say.plain("Next ›"), ShowMisses(page + 1)),) * ((page + 1) * PAGE < len(clusters))
    return Message(html, (*listed, back + on))


def _cut(text: str) -> str:
    return cut(" ".join(text.split()), BUTTON_TEXT)


async def miss_pressed(
    press: CallbackQuery, action: ShowMiss, services: Services, say: Translator, reply: Reply
) -> None:
    cluster = await services.misses.cluster(action.question)
    if cluster is None:
        await reply.show(await _list(0, say(NO_LONGER_THERE), services, say))
    else:
        await reply.show(_cluster_message(cluster, None, say))


def _cluster_message(cluster: Cluster, note: str | None, say: Translator) -> Message:
    html = say.page("misses/cluster.html", note=note, cluster=cluster)
    number = cluster.id
    vain = [
        Button(say.plain("Edit {entry} (👎 {count})", entry=entry, count=count), ShowEntryHistory(entry))
        for entry, count in cluster.unhelpful[:MOST_UNHELPFUL]
    ]
    return Message(
        html,
        (
            *rows(vain, 1),
            (Button(say.plain("Add as a way to ask"), PromoteToPhrasing(number, None), style="primary"),),
            (Button(say.plain("Write a new entry"), PromoteToEntry(number)),),
            (
                Button(say.plain("Send to the desk"), SendMissToDesk(number)),
                Button(say.plain("Set aside"), SetMissAside(number)),
            ),
            (Button(say.plain("Why?"), ShowWhy(number)), _all_misses(say)),
        ),
    )


def _all_misses(say: Translator) -> Button:
    return Button(say.plain("All of them"), ShowMisses())


# A way to ask


async def phrasing_pressed(
    press: CallbackQuery, action: PromoteToPhrasing, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    if action.entry is not None:
        await _add_phrasings(action.question, action.entry, None, services, person, say, reply)
        return
    cluster = await services.misses.cluster(action.question)
    if cluster is None:
        await reply.show(await _list(0, say(NO_LONGER_THERE), services, say))
        return
    near = tuple(
        (
            Button(
                _cut(f"{each.entry_id}: {say.localized(each.question)}"), PromoteToPhrasing(cluster.id, each.entry_id)
            ),
        )
        for each in cluster.nearest
    )
    other = Button(say.plain("Another entry"), TypeEntryId(cluster.id))
    back = Button(say.plain("‹ Back"), ShowMiss(cluster.id))
    await reply.show(Message(say.page("misses/phrasing.html", cluster=cluster), (*near, (other, back))))


async def entry_id_wanted(
    press: CallbackQuery, action: TypeEntryId, state: FSMContext, say: Translator, reply: Reply
) -> None:
    await state.set_state(Promoting.entry_id)
    await state.set_data({"question": action.question})
    text = say("Which entry? Write its id, for instance: {example}", example="cipo-01")
    await reply.send(Message(text, _leave(say)))


async def entry_id_typed(
    message: ChatMessage,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    question = int((await state.get_data()).get("question", 0))
    entry = (message.text or "").strip().lower()
    if await services.answers.entry(entry, say.locale) is None:
        await reply.send(Message(say("There is no such entry. Write another id."), _leave(say)))
        return
    await state.clear()
    await _add_phrasings(question, entry, None, services, person, say, reply)


async def wording_wanted(
    press: CallbackQuery, action: TypeWording, state: FSMContext, say: Translator, reply: Reply
) -> None:
    await state.set_state(Promoting.wording)
    await state.set_data({"question": action.question, "entry": action.entry})
    text = say(
        "How do people ask for <b>{entry}</b>? Write it in one message of at most {limit} characters.",
        entry=action.entry,
        limit=LONGEST_WORDING,
    )
    await reply.send(Message(text, _leave(say)))


async def wording_typed(
    message: ChatMessage,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    words = " ".join((message.text or "").split())
    if len(words) > LONGEST_WORDING:
        await reply.send(Message(say("Please keep it to {limit} characters.", limit=LONGEST_WORDING), _leave(say)))
        return
    data = await state.get_data()
    await state.clear()
    await _add_phrasings(int(data["question"]), str(data["entry"]), words, services, person, say, reply)


async def _add_phrasings(
    question: int, entry: str, words: str | None, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.misses.add_phrasings(person.contact_id, question, entry, words)
    other_words = ((Button(say.plain("Other words"), TypeWording(question, entry)), _all_misses(say)),)
    match outcome:
        case Dealt(questions, revision):
            note = say.count("Noted as a draft for {n} question.", "Noted as a draft for {n} questions.", questions)
            await reply.show(_drafted(note, revision, (), say))
        case Unchanged():
            text = say("The entry has these words already, and yet it was not found or did not help.")
            await reply.show(Message(text, other_words))
        case Refused(findings):
            await reply.show(Message(_problems(findings, say), other_words))
        case NoEntry():
            text = say("There is no such entry, or there are no words for it.")
            await reply.show(Message(text, other_words))
        case AlreadyDealt() | Gone():
            await _dealt_by_others(outcome, services, say, reply)


async def _dealt_by_others(outcome: AlreadyDealt | Gone, services: Services, say: Translator, reply: Reply) -> None:
    note = say(DEALT[outcome.how] if isinstance(outcome, AlreadyDealt) else NO_LONGER_THERE)
    await reply.show(await _list(0, note, services, say))


def _drafted(note: str, revision: Revision | None, problems: Sequence[Finding], say: Translator) -> Message:
    """A draft was made of a cluster; from here on it is one of the knowledge base."""
    told = [say.plain(finding.template, **finding.values) for finding in problems]
    html = say.page("misses/drafted.html", note=note, revision=revision, problems=told)
    if revision is None:
        return Message(html, ((_all_misses(say),),))
    see = Button(say.plain("See the draft"), ShowRevision(revision.id))
    if problems:
        more = (
            Button(say.plain("Add a way to ask"), AddPhrasing(revision.entry_id)),
            Button(say.plain("Change something else"), ChangeField(revision.entry_id, None, None)),
        )
        return Message(html, (more, (see, _all_misses(say))))
    preview = Button(say.plain("What would change?"), PreviewRevision(revision.id), style="primary")
    return Message(html, ((preview, see), (_all_misses(say),)))


def _problems(findings: Sequence[Finding], say: Translator) -> Markup:
    told = (say.plain(finding.template, **finding.values) for finding in findings)
    return say("That cannot be taken:") + Markup().join(Markup("\n• {}").format(each) for each in told)


def _leave(say: Translator) -> Buttons:
    return ((Button(say.plain("Cancel"), Leave()),),)


# The desk, and setting aside


async def desk_pressed(
    press: CallbackQuery, action: SendMissToDesk, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.misses.to_desk(person.contact_id, action.question)
    match outcome:
        case Dealt(questions):
            note = say.count(
                "{n} question is at the desk; the reply reaches the asker.",
                "{n} questions are at the desk; the replies reach the askers.",
                questions,
            )
            await reply.show(await _list(0, note, services, say))
        case NobodyAgreed():
            text = say.plain("None of the askers agreed to hear from us about this, so it cannot go to the desk.")
            await reply.toast(text, alert=True)
        case AlreadyDealt() | Gone():
            await _dealt_by_others(outcome, services, say, reply)


async def aside_pressed(
    press: CallbackQuery, action: SetMissAside, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.misses.set_aside(person.contact_id, action.question)
    if isinstance(outcome, Dealt):
        note = say.count("Set {n} question aside.", "Set {n} questions aside.", outcome.questions)
        await reply.show(await _list(0, note, services, say))
    else:
        await _dealt_by_others(outcome, services, say, reply)


# A new entry

STEPS: Final = ("category", "places", "en.question", "en.answer", "zh-Hans.question", "zh-Hans.answer")
ASKED = {
    "category": N_("New entry: which topic?"),
    "places": N_("Where does the answer apply?"),
    "en.question": N_("The question in English, in one message."),
    "en.answer": N_("The answer in English; **bold**, lists and links may be written in Markdown."),
    "zh-Hans.question": N_("The question in Chinese, in one message."),
    "zh-Hans.answer": N_("The answer in Chinese; **bold**, lists and links may be written in Markdown."),
}
PLACE_NAMES = {
    "HK": N_("Hong Kong"),
    "CN": N_("Mainland China"),
    "CN+HK": N_("Mainland China and Hong Kong"),
    "INT": N_("International"),
}
KEEP, SKIP = "keep", "skip"


@dataclass(frozen=True, slots=True)
class _Form:
    """A new entry on its way: for the cluster of `question`, whose words by language can be taken as its question.

    `given` are the answers by step; a language left out has an empty question.
    """

    question: int
    asked: Mapping[str, str]
    given: Mapping[str, str]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(int(data["question"]), data["asked"], data["given"])

    def data(self) -> dict[str, Any]:
        """What is kept between two steps."""
        return {"question": self.question, "asked": dict(self.asked), "given": dict(self.given)}

    @property
    def step(self) -> str | None:
        """The first step without an answer; a language left out has no answer to ask for."""
        missing = (step for step in STEPS if step not in self.given)
        return next((step for step in missing if self.given.get(f"{_language(step)}.question") != ""), None)

    def answered(self, value: str) -> Self:
        assert self.step is not None, "all steps are answered"
        return replace(self, given={**self.given, self.step: value})

    def offers(self, step: str, value: str) -> bool:
        """Whether there is such a button."""
        if step == "category":
            return value in {category.id for category in CATEGORIES}
        if step == "places":
            return value in PLACES
        return step.endswith(".question") and (value == SKIP or (value == KEEP and _language(step) in self.asked))

    def meant(self, step: str, value: str) -> str:
        """What a button stands for."""
        return {KEEP: self.asked.get(_language(step), ""), SKIP: ""}.get(value, value)

    def entry(self) -> NewEntry | None:
        """The whole; None while it speaks no language."""
        texts = {
            locale: (question, self.given[f"{locale}.answer"])
            for locale in ("en", "zh-Hans")
            if (question := self.given[f"{locale}.question"])
        }
        return NewEntry(self.given["category"], PLACES[self.given["places"]], texts) if texts else None


def _language(step: str) -> str:
    return step.partition(".")[0]


async def entry_pressed(
    press: CallbackQuery, action: PromoteToEntry, state: FSMContext, services: Services, say: Translator, reply: Reply
) -> None:
    cluster = await services.misses.cluster(action.question)
    if cluster is None:
        await reply.show(await _list(0, say(NO_LONGER_THERE), services, say))
        return
    asked = {("en" if locale == "en" else "zh-Hans"): text for locale, text in reversed(cluster.wordings)}
    await _ask(_Form(cluster.id, asked, {}), "category", state, say, reply)


async def _ask(form: _Form, step: str, state: FSMContext, say: Translator, reply: Reply) -> None:
    choices: list[Button] = []
    if step == "category":
        choices = [Button(say.localized(each.names), AnswerEntryStep(step, each.id)) for each in CATEGORIES]
    elif step == "places":
        choices = [Button(say.plain(PLACE_NAMES[place]), AnswerEntryStep(step, place)) for place in PLACES]
    elif step.endswith(".question"):
        if words := form.asked.get(_language(step)):
            choices.append(Button(_cut(words), AnswerEntryStep(step, KEEP)))
        choices.append(Button(say.plain("Leave this language out for now"), AnswerEntryStep(step, SKIP)))
    await state.set_state(Promoting.form)
    await state.set_data(form.data())
    await reply.send(Message(say(ASKED[step]), (*rows(choices, 1), *_leave(say))))


async def step_pressed(
    press: CallbackQuery,
    action: AnswerEntryStep,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    in_form = await state.get_state() == Promoting.form.state
    form = _Form.of(await state.get_data()) if in_form else None
    if form is None or form.step != action.step or not form.offers(action.step, action.value):
        await reply.toast(say.plain("That step is no longer open. /cancel leaves it, then ask me anything."))
        return
    value = form.meant(action.step, action.value)
    await _take_step(form.answered(value), state, services, person, say, reply)


async def step_typed(
    message: ChatMessage,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    form = _Form.of(await state.get_data())
    text = (message.text or "").strip()
    if form.step is None or form.step in ("category", "places"):
        await reply.send(Message(say("Please press one of the buttons."), _leave(say)))
        return
    limit = LONGEST_WORDING if form.step.endswith(".question") else LONGEST_ANSWER
    if not 0 < len(text) <= limit:
        await reply.send(Message(say("Please keep it to {limit} characters.", limit=limit), _leave(say)))
        return
    await _take_step(form.answered(text), state, services, person, say, reply)


async def _take_step(
    form: _Form, state: FSMContext, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    if following := form.step:
        await _ask(form, following, state, say, reply)
        return
    entry = form.entry()
    if entry is None:
        await reply.toast(say.plain("An entry needs at least one language."), alert=True)
        return
    await state.clear()
    await _show_new_entry(form.question, entry, services, person, say, reply)


async def _show_new_entry(
    question: int, entry: NewEntry, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.misses.new_entry(person.contact_id, question, entry)
    match outcome:
        case Dealt(_, revision):
            preview = await services.curation.preview(revision.id) if revision else None
            note = say("The new entry is a draft.")
            await reply.send(_drafted(note, revision, preview.errors if preview else (), say))
        case Refused(findings):
            await reply.send(Message(_problems(findings, say), ((_all_misses(say),),)))
        case AlreadyDealt() | Gone():
            await _dealt_by_others(outcome, services, say, reply)
