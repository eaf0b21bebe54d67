"""For staff: why a question was decided as it was; for curators: questions without a good answer, made into answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import N_, Button, Message, Translator
from bot.texts.actions import (
    AddPhrasing,
    AnswerEntryStep,
    ChangeField,
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
from handlers.chat.buttons import Page, label, rows
from handlers.chat.curate import told, with_findings
from handlers.chat.filters import Holds, Pressed, Typed
from handlers.chat.talk import Talk
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
FIRST_WORDS = 50
"""Characters of a question on its button."""

MOST_UNHELPFUL = 3
LONGEST_ANSWER: Final = 4000
PLACES = {"HK": ("HK",), "CN": ("CN",), "CN+HK": ("CN", "HK"), "INT": ("INT",)}

NO_LONGER_THERE = N_("Those questions are no longer here.")
NOT_TAKEN = N_("That cannot be taken:")
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


async def why_pressed(press: CallbackQuery, action: ShowWhy, talk: Talk) -> None:
    """Experts see it of their own questions, curators of all."""
    asker = None if talk.person.may("curator") else talk.contact_id
    evidence = await talk.services.answers.why(action.question, asker)
    if evidence is None:
        await talk.reply.toast(talk.say.plain(NO_LONGER_THERE), alert=True)
    else:
        html = talk.say.page("answers/why.html", logged=evidence.logged, ranking=evidence.ranking, same=evidence.same)
        await talk.reply.send(Message(html, ((_all_misses(talk.say),),) if talk.person.may("curator") else ()))


# Looking


async def misses_wanted(message: ChatMessage, talk: Talk) -> None:
    await _show_list(None, talk)


async def misses_pressed(press: CallbackQuery, action: ShowMisses, talk: Talk) -> None:
    await _show_list(None, talk, action.page)


async def _show_list(note: str | None, talk: Talk, page: int = 0) -> None:
    """A page of the clusters; `note` is what just happened."""
    clusters = await talk.services.misses.clusters()
    shown = Page.of(clusters, page, PAGE)
    near = [await talk.services.misses.with_nearest(each) for each in shown.items]
    questions = sum(cluster.size for cluster in clusters)
    html = talk.say.page("misses/list.html", note=note, clusters=near, groups=len(clusters), questions=questions)
    each = [(Button(label(f"{c.size}× {c.misses[0].text}", FIRST_WORDS), ShowMiss(c.id)),) for c in near]
    await talk.reply.show(Message(html, (*each, shown.turning(ShowMisses, talk.say))))


async def miss_pressed(press: CallbackQuery, action: ShowMiss, talk: Talk) -> None:
    cluster = await _cluster(action.question, talk)
    if cluster is not None:
        await talk.reply.show(_cluster_message(cluster, talk.say))


async def _cluster(question: int, talk: Talk) -> Cluster | None:
    """What the question is in now; None when the person was shown that it is gone."""
    cluster = await talk.services.misses.cluster(question)
    if cluster is None:
        await _show_list(talk.say(NO_LONGER_THERE), talk)
    return cluster


def _cluster_message(cluster: Cluster, say: Translator) -> Message:
    html = say.page("misses/cluster.html", cluster=cluster)
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


async def phrasing_pressed(press: CallbackQuery, action: PromoteToPhrasing, talk: Talk) -> None:
    say = talk.say
    if action.entry is not None:
        await _add_phrasings(action.question, action.entry, None, talk)
        return
    cluster = await _cluster(action.question, talk)
    if cluster is None:
        return
    near = [
        Button(
            label(f"{e.entry_id}: {say.localized(e.question)}", FIRST_WORDS), PromoteToPhrasing(cluster.id, e.entry_id)
        )
        for e in cluster.nearest
    ]
    other = Button(say.plain("Another entry"), TypeEntryId(cluster.id))
    back = Button(say.plain("‹ Back"), ShowMiss(cluster.id))
    await talk.reply.show(Message(say.page("misses/phrasing.html", cluster=cluster), (*rows(near, 1), (other, back))))


async def entry_id_wanted(press: CallbackQuery, action: TypeEntryId, talk: Talk) -> None:
    await talk.expect(Promoting.entry_id, question=action.question)
    await talk.prompt(talk.say("Which entry? Write its id, for instance: {example}", example="cipo-01"))


async def entry_id_typed(message: ChatMessage, talk: Talk) -> None:
    question = int((await talk.state.get_data()).get("question", 0))
    entry = (message.text or "").strip().lower()
    if await talk.services.answers.entry(entry, talk.say.locale) is None:
        await talk.prompt(talk.say("There is no such entry. Write another id."))
        return
    await talk.state.clear()
    await _add_phrasings(question, entry, None, talk)


async def wording_wanted(press: CallbackQuery, action: TypeWording, talk: Talk) -> None:
    await talk.expect(Promoting.wording, question=action.question, entry=action.entry)
    text = talk.say(
        "How do people ask for <b>{entry}</b>? Write it in one message of at most {limit} characters.",
        entry=action.entry,
        limit=LONGEST_WORDING,
    )
    await talk.prompt(text)


async def wording_typed(message: ChatMessage, talk: Talk) -> None:
    words = " ".join((message.text or "").split())
    if len(words) > LONGEST_WORDING:
        await talk.prompt(talk.say("Please keep it to {limit} characters.", limit=LONGEST_WORDING))
        return
    data = await talk.state.get_data()
    await talk.state.clear()
    await _add_phrasings(int(data["question"]), str(data["entry"]), words, talk)


async def _add_phrasings(question: int, entry: str, words: str | None, talk: Talk) -> None:
    say = talk.say
    outcome = await talk.services.misses.add_phrasings(talk.contact_id, question, entry, words)
    other_words = ((Button(say.plain("Other words"), TypeWording(question, entry)), _all_misses(say)),)
    match outcome:
        case Dealt(questions, revision):
            note = say.count("Noted as a draft for {n} question.", "Noted as a draft for {n} questions.", questions)
            await talk.reply.show(_drafted(note, revision, (), say))
        case Unchanged():
            text = say("The entry has these words already, and yet it was not found or did not help.")
            await talk.reply.show(Message(text, other_words))
        case Refused(findings):
            await talk.reply.show(Message(with_findings(say(NOT_TAKEN), findings, say), other_words))
        case NoEntry():
            text = say("There is no such entry, or there are no words for it.")
            await talk.reply.show(Message(text, other_words))
        case AlreadyDealt() | Gone():
            await _dealt_by_others(outcome, talk)


async def _dealt_by_others(outcome: AlreadyDealt | Gone, talk: Talk) -> None:
    note = talk.say(DEALT[outcome.how] if isinstance(outcome, AlreadyDealt) else NO_LONGER_THERE)
    await _show_list(note, talk)


def _drafted(note: str, revision: Revision | None, problems: Sequence[Finding], say: Translator) -> Message:
    """A draft was made of a cluster; from here on it is one of the knowledge base."""
    html = say.page("misses/drafted.html", note=note, revision=revision, problems=told(problems, say))
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


# The desk, and setting aside


async def desk_pressed(press: CallbackQuery, action: SendMissToDesk, talk: Talk) -> None:
    outcome = await talk.services.misses.to_desk(talk.contact_id, action.question)
    match outcome:
        case Dealt(questions):
            note = talk.say.count(
                "{n} question is at the desk; the reply reaches the asker.",
                "{n} questions are at the desk; the replies reach the askers.",
                questions,
            )
            await _show_list(note, talk)
        case NobodyAgreed():
            text = talk.say.plain("None of the askers agreed to hear from us about this, so it cannot go to the desk.")
            await talk.reply.toast(text, alert=True)
        case AlreadyDealt() | Gone():
            await _dealt_by_others(outcome, talk)


async def aside_pressed(press: CallbackQuery, action: SetMissAside, talk: Talk) -> None:
    outcome = await talk.services.misses.set_aside(talk.contact_id, action.question)
    if isinstance(outcome, Dealt):
        note = talk.say.count("Set {n} question aside.", "Set {n} questions aside.", outcome.questions)
        await _show_list(note, talk)
    else:
        await _dealt_by_others(outcome, talk)


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


async def entry_pressed(press: CallbackQuery, action: PromoteToEntry, talk: Talk) -> None:
    cluster = await _cluster(action.question, talk)
    if cluster is None:
        return
    asked = {("en" if locale == "en" else "zh-Hans"): text for locale, text in reversed(cluster.wordings)}
    await _ask(_Form(cluster.id, asked, {}), "category", talk)


async def _ask(form: _Form, step: str, talk: Talk) -> None:
    say = talk.say
    choices: list[Button] = []
    if step == "category":
        choices = [Button(say.localized(each.names), AnswerEntryStep(step, each.id)) for each in CATEGORIES]
    elif step == "places":
        choices = [Button(say.plain(PLACE_NAMES[place]), AnswerEntryStep(step, place)) for place in PLACES]
    elif step.endswith(".question"):
        if words := form.asked.get(_language(step)):
            choices.append(Button(label(words, FIRST_WORDS), AnswerEntryStep(step, KEEP)))
        choices.append(Button(say.plain("Leave this language out for now"), AnswerEntryStep(step, SKIP)))
    await talk.expect(Promoting.form, **form.data())
    await talk.prompt(say(ASKED[step]), *rows(choices, 1))


async def step_pressed(press: CallbackQuery, action: AnswerEntryStep, talk: Talk) -> None:
    in_form = await talk.state.get_state() == Promoting.form.state
    form = _Form.of(await talk.state.get_data()) if in_form else None
    if form is None or form.step != action.step or not form.offers(action.step, action.value):
        await talk.reply.toast(talk.say.plain("That step is no longer open. /cancel leaves it, then ask me anything."))
        return
    value = form.meant(action.step, action.value)
    await _take_step(form.answered(value), talk)


async def step_typed(message: ChatMessage, talk: Talk) -> None:
    form = _Form.of(await talk.state.get_data())
    text = (message.text or "").strip()
    if form.step is None or form.step in ("category", "places"):
        await talk.prompt(talk.say("Please press one of the buttons."))
        return
    limit = LONGEST_WORDING if form.step.endswith(".question") else LONGEST_ANSWER
    if not 0 < len(text) <= limit:
        await talk.prompt(talk.say("Please keep it to {limit} characters.", limit=limit))
        return
    await _take_step(form.answered(text), talk)


async def _take_step(form: _Form, talk: Talk) -> None:
    if following := form.step:
        await _ask(form, following, talk)
        return
    entry = form.entry()
    if entry is None:
        await talk.reply.toast(talk.say.plain("An entry needs at least one language."), alert=True)
        return
    await talk.state.clear()
    await _show_new_entry(form.question, entry, talk)


async def _show_new_entry(question: int, entry: NewEntry, talk: Talk) -> None:
    say = talk.say
    outcome = await talk.services.misses.new_entry(talk.contact_id, question, entry)
    match outcome:
        case Dealt(_, revision):
            preview = await talk.services.curation.preview(revision.id) if revision else None
            note = say("The new entry is a draft.")
            await talk.reply.send(_drafted(note, revision, preview.errors if preview else (), say))
        case Refused(findings):
            await talk.reply.send(Message(with_findings(say(NOT_TAKEN), findings, say), ((_all_misses(say),),)))
        case AlreadyDealt() | Gone():
            await _dealt_by_others(outcome, talk)
