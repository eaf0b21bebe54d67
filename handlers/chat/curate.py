"""The knowledge base for curators: drafts, conflicts, an entry's history, what a text would change, publishing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from aiogram import Router
from aiogram.filters import Command, CommandObject, StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage
from markupsafe import Markup

from bot.people.contacts import Person
from bot.texts import LOCALES, N_, Button, Message, Translator
from bot.texts.actions import (
    AddPhrasing,
    ChangeField,
    DiscardRevision,
    Leave,
    PreviewBatch,
    PreviewRevision,
    PublishBatch,
    PublishRevision,
    ReadEntry,
    RebaseRevision,
    RetireEntry,
    RewriteAnswer,
    RollBackTo,
    ShowEntryHistory,
    ShowKnowledge,
    ShowReviews,
    ShowRevision,
    StillRight,
)
from bot.texts.markdown import to_html
from bot.texts.message import Buttons
from handlers.chat.filters import Holds, Pressed, Typed
from handlers.chat.reply import Reply, cut, rows
from handlers.services import Services
from knowledge.changes import Change
from knowledge.check import Finding
from knowledge.curation import (
    Batch,
    Discarded,
    Drafted,
    Gone,
    Preview,
    Published,
    Refused,
    Revision,
    Stale,
    Unchanged,
)
from knowledge.engine import Decision
from knowledge.engine.analysis import detect_locale
from knowledge.fields import FIELDS as EDITABLE
from knowledge.fields import IN_EACH_LANGUAGE, LISTS, as_text, from_text
from knowledge.library import Source, Written
from knowledge.regression import Difference

PAGE = 8
BUTTON_TEXT = 60
MOST_SHOWN = 2600
"""Characters of a diff: with its heading it must fit one message."""
LONGEST_LINE = 400
MOST_QUESTIONS = 6
MOST_FINDINGS = 10
QUESTION_TEXT = 120
MOST_READ = 2000
"""Characters of an entry's answers beside its revisions."""
MOST_VERSIONS = 3
MOST_SOURCES = 3

FIELDS = {
    "question": N_("Question"),
    "phrasings": N_("Ways to ask"),
    "answer": N_("Answer"),
    "category": N_("Topic"),
    "basis": N_("Basis"),
    "jurisdictions": N_("Where it applies"),
    "as_of": N_("As of"),
    "review_by": N_("To be reviewed by"),
    "valid_from": N_("Holds from"),
    "valid_to": N_("Holds until"),
    "sources": N_("Sources"),
    "related": N_("Related entries"),
    "tags": N_("Tags"),
}
PUBLISHED = N_("Published. Everybody is answered from it from now on.")
IN_THE_MEANTIME = N_("Somebody else published another text of this entry in the meantime. Your draft is still here.")
NOT_YET = N_("This cannot be published yet:")
DUE = N_("Due for a review")
NO_SUCH_ENTRY = N_("There is no such entry.")
NO_LONGER_OPEN = N_("That draft is no longer open.")


class Writing(StatesGroup):
    """A curator types a way to ask for an entry, or a value for a field of the revision that they saw."""

    phrasing = State()
    value = State()


def setup() -> Router:
    router = Router(name="curate")
    router.message.filter(Holds("curator"))
    router.callback_query.filter(Holds("curator"))
    router.message.register(knowledge_wanted, Command("knowledge"))
    router.callback_query.register(knowledge_pressed, Pressed(ShowKnowledge))
    router.callback_query.register(reviews_pressed, Pressed(ShowReviews))
    router.callback_query.register(batch_pressed, Pressed(PreviewBatch))
    router.callback_query.register(batch_publish_pressed, Pressed(PublishBatch))
    router.callback_query.register(history_pressed, Pressed(ShowEntryHistory))
    router.callback_query.register(read_pressed, Pressed(ReadEntry))
    router.callback_query.register(still_right_pressed, Pressed(StillRight))
    router.callback_query.register(revision_pressed, Pressed(ShowRevision))
    router.callback_query.register(preview_pressed, Pressed(PreviewRevision))
    router.callback_query.register(publish_pressed, Pressed(PublishRevision))
    router.callback_query.register(roll_back_pressed, Pressed(RollBackTo))
    router.callback_query.register(discard_pressed, Pressed(DiscardRevision))
    router.callback_query.register(rebase_pressed, Pressed(RebaseRevision))
    router.callback_query.register(phrasing_wanted, Pressed(AddPhrasing))
    router.callback_query.register(answer_wanted, Pressed(RewriteAnswer))
    router.callback_query.register(field_wanted, Pressed(ChangeField))
    router.callback_query.register(retire_pressed, Pressed(RetireEntry))
    typed = Typed()
    router.message.register(phrasing_typed, StateFilter(Writing.phrasing), typed)
    router.message.register(value_typed, StateFilter(Writing.value), typed)
    return router


# What waits


async def knowledge_wanted(
    message: ChatMessage, command: CommandObject, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    entry = (command.args or "").strip()
    if not entry:
        await reply.send(await overview(0, None, services, say))
    elif shown := await entry_message(entry, services, person, say):
        await reply.send(shown)
    else:
        await reply.send(await overview(0, say(NO_SUCH_ENTRY), services, say))


async def knowledge_pressed(
    press: CallbackQuery, action: ShowKnowledge, services: Services, say: Translator, reply: Reply
) -> None:
    await reply.show(await overview(action.page, None, services, say))


async def overview(page: int, note: str | None, services: Services, say: Translator) -> Message:
    """What came in together, then conflicts, then drafts, a page of them."""
    curation = services.curation
    conflicts, drafts, batches = await curation.conflicts(), await curation.drafts(), await curation.batches()
    due = (await services.freshness.due()).entries
    waiting = [*conflicts, *drafts]
    page = _page_within(page, len(waiting))
    together = [(_batch_button(batch, say),) for batch in batches if page == 0]
    listed = [(_waiting_button(each, say),) for each in waiting[page * PAGE : (page + 1) * PAGE]]
    reviews = ((Button(say.plain(DUE), ShowReviews()),),) * bool(due)
    html = say.page(
        "curate/overview.html",
        note=note,
        count=await services.answers.count(),
        conflicts=len(conflicts),
        drafts=len(drafts),
        due=len({entry.id for entry in due}),
    )
    return Message(html, (*together, *listed, _turning(ShowKnowledge, page, len(waiting), say), *reviews))


def _page_within(page: int, count: int) -> int:
    return max(0, min(page, (count - 1) // PAGE))


def _turning(to: type[ShowKnowledge] | type[ShowReviews], page: int, count: int, say: Translator) -> tuple[Button, ...]:
    back = (Button(say.plain("‹ Previous"), to(page - 1)),) * (page > 0)
    return back + (Button(say.plain("Next ›"), to(page + 1)),) * ((page + 1) * PAGE < count)


def _batch_button(batch: Batch, say: Translator) -> Button:
    label = say.plain("{count} drafts of {file}", count=len(batch.drafts), file=batch.note)
    return Button(cut(f"✎ {label}", BUTTON_TEXT), PreviewBatch(batch.newest))


async def reviews_pressed(
    press: CallbackQuery, action: ShowReviews, services: Services, say: Translator, reply: Reply
) -> None:
    """Entries due for a review, the longest due first."""
    due = {entry.id: entry for entry in reversed((await services.freshness.due()).entries)}
    entries = sorted(due.values(), key=lambda entry: (entry.review_by, entry.id))
    page = _page_within(action.page, len(entries))
    listed = [
        (Button(cut(f"{entry.id}: {entry.texts[say.locale].question}", BUTTON_TEXT), ShowEntryHistory(entry.id)),)
        for entry in entries[page * PAGE : (page + 1) * PAGE]
    ]
    html = say.page("curate/reviews.html", count=len(entries))
    await reply.show(Message(html, (*listed, _turning(ShowReviews, page, len(entries), say), _back(say))))


def _waiting_button(revision: Revision, say: Translator) -> Button:
    mark = "⚠️" if revision.origin == "shipped" or revision.stale else "✎"
    return Button(cut(f"{mark} {revision.entry_id}: {_title(revision, say)}", BUTTON_TEXT), ShowRevision(revision.id))


def _title(revision: Revision, say: Translator) -> str:
    return say.localized(revision.title) or say.plain("retired")


# One entry


async def history_pressed(
    press: CallbackQuery, action: ShowEntryHistory, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await _show_entry(action.entry, None, services, person, say, reply)


async def read_pressed(
    press: CallbackQuery, action: ReadEntry, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await _show_entry(action.entry, None, services, person, say, reply, locale=action.locale)


async def still_right_pressed(
    press: CallbackQuery, action: StillRight, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.curation.still_right(person.contact_id, action.revision)
    match outcome:
        case Published(revisions):
            await _show_entry(revisions[0].entry_id, say("Noted as reviewed today."), services, person, say, reply)
        case Stale(now):
            note = say("Somebody published another text since you read this. Here it is.")
            await _show_entry(now.entry_id, note, services, person, say, reply)
        case _:
            await _show_outcome(outcome, action.revision, services, person, say, reply)


async def _show_entry(
    entry: str,
    note: str | None,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
    locale: str | None = None,
    just_published: bool = False,
) -> None:
    shown = await entry_message(entry, services, person, say, note, locale, just_published)
    await reply.show(shown or await overview(0, say(NO_SUCH_ENTRY), services, say))


async def entry_message(
    entry: str,
    services: Services,
    person: Person,
    say: Translator,
    note: str | None = None,
    locale: str | None = None,
    just_published: bool = False,
) -> Message | None:
    """An entry's text in one language and its revisions, newest first; `note` is what just became of it.

    None for an unknown id.
    """
    history = await services.curation.history(entry)
    if not history:
        return None
    live = next((revision for revision in history if revision.state == "published"), None)
    seen = live or history[0]
    versions = await services.curation.standing(seen.id)
    written = [each for each in LOCALES if versions and all(version.get(each) for version in versions)]
    read_in = next((each for each in (locale, say.locale, "zh-Hans") if each in written), "en")
    due = services.freshness.is_due(versions)
    shown = history[:PAGE]
    html = say.page(
        "curate/entry.html",
        note=note,
        entry_id=entry,
        title=_title(seen, say),
        versions=[_Version.of(version, read_in, MOST_READ // len(versions)) for version in versions[:MOST_VERSIONS]],
        due=due,
        revisions=shown,
        earlier=len(history) - len(shown),
        me=person.contact_id,
    )
    languages = tuple(Button(LOCALES[each], ReadEntry(entry, each)) for each in written if each != read_in)
    right = Button(say.plain("Read and still right"), StillRight(seen.id), style="success")
    review = ((right,),) * (live is not None and not live.retired and (due or just_published))
    numbers = [Button(_number(each, say), ShowRevision(each.id)) for each in shown]
    back = (*((Button(say.plain(DUE), ShowReviews()),) * due), *_back(say))
    return Message(html, (languages, *review, *_editing(seen, say), *rows(numbers, 4), back))


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of an entry in one language; its answer is cut to a `share` of the characters of a message."""

    valid_from: date | None
    question: str
    answer: Markup
    as_of: date
    review_by: date
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, version: Written, locale: str, share: int) -> "_Version":
        days = {name: date.fromisoformat(version[name]) for name in ("as_of", "review_by")}
        begins = version.get("valid_from")
        return cls(
            valid_from=date.fromisoformat(begins) if begins else None,
            question=version[locale]["question"],
            answer=to_html(cut(version[locale]["answer"], share)),
            sources=tuple(Source(**source) for source in version["sources"][:MOST_SOURCES]),
            **days,
        )


def _number(revision: Revision, say: Translator) -> str:
    number = say.plain("No. {number}", number=revision.id)
    return f"↩ {number}" if revision.was_published else number


def _editing(seen: Revision, say: Translator) -> Buttons:
    """For what is published, or the draft of an entry that never was."""
    if seen.retired or seen.state not in ("published", "draft"):
        return ()
    entry_id = seen.entry_id
    retire = (Button(say.plain("Retire the entry"), RetireEntry(entry_id)),) * (seen.state == "published")
    return (
        (
            Button(say.plain("Add a way to ask"), AddPhrasing(entry_id)),
            Button(say.plain("Rewrite the answer"), RewriteAnswer(entry_id, None)),
        ),
        (Button(say.plain("Change something else"), ChangeField(entry_id, None, None)), *retire),
    )


def _back(say: Translator) -> tuple[Button, ...]:
    return (Button(say.plain("All drafts"), ShowKnowledge()),)


# One revision


async def revision_pressed(
    press: CallbackQuery, action: ShowRevision, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    await _show_revision(action.revision, None, services, person, say, reply)


async def _show_revision(
    number: int, note: str | None, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    message = await _revision_message(number, note, services, person, say)
    await reply.show(message or await overview(0, say(NO_LONGER_OPEN), services, say))


async def _revision_message(
    number: int, note: str | None, services: Services, person: Person, say: Translator
) -> Message | None:
    revision = await services.curation.revision(number)
    changes = await services.curation.diff(number)
    if revision is None or changes is None:
        return None
    shown, cut = _fitting(changes, say)
    html = say.page(
        "curate/revision.html",
        note=note,
        revision=revision,
        title=_title(revision, say),
        changes=shown,
        cut=cut,
        me=person.contact_id,
    )
    return Message(html, _revision_buttons(revision, say))


def _revision_buttons(revision: Revision, say: Translator) -> Buttons:
    history = Button(say.plain("All revisions of the entry"), ShowEntryHistory(revision.entry_id))
    discard = Button(say.plain("Discard"), DiscardRevision(revision.id), style="danger")
    preview = Button(say.plain("What would change?"), PreviewRevision(revision.id), style="primary")
    last = (history, *_back(say))
    if revision.stale:
        rebase = Button(say.plain("Bring up to date"), RebaseRevision(revision.id), style="primary")
        return ((rebase, discard), last)
    if revision.state == "draft":
        return ((preview, discard), last)
    if revision.was_published:
        return ((Button(say.plain("Roll back to this?"), PreviewRevision(revision.id)),), last)
    return (last,)


@dataclass(frozen=True, slots=True)
class _Field:
    label: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


def _fitting(changes: Iterable[Change], say: Translator) -> tuple[list[_Field], bool]:
    """As much of the changes as one message holds, and whether that is not all of them."""
    shown: list[_Field] = []
    room = _Room(MOST_SHOWN)
    for change in changes:
        field = _Field(_label(change, say), room.lines(change.removed), room.lines(change.added))
        if field.removed or field.added:
            shown.append(field)
    return shown, room.is_full


class _Room:
    """What is left of a message. Whatever does not fit is left out, and so is all that follows."""

    def __init__(self, characters: int) -> None:
        self._left = characters
        self.is_full = False

    def lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        return tuple(short for line in lines if self._holds(short := cut(line, LONGEST_LINE)))

    def _holds(self, line: str) -> bool:
        self._left -= len(line) + 3
        self.is_full = self.is_full or self._left < 0
        return not self.is_full


def _label(change: Change, say: Translator) -> str:
    *place, name = change.field.split(".")
    label = say.plain(FIELDS[name]) if name in FIELDS else LOCALES.get(name, name)
    if place:
        label = f"{label} · {LOCALES[place[0]]}"
    return f"{label} · {change.valid_from}" if change.valid_from else label


# What would change, and doing it


async def preview_pressed(
    press: CallbackQuery, action: PreviewRevision, services: Services, say: Translator, reply: Reply
) -> None:
    revision = await services.curation.revision(action.revision)
    if revision is None or revision.state in ("published", "discarded"):
        await reply.toast(say.plain(NO_LONGER_OPEN), alert=True)
        return
    await reply.typing()  # the regression questions are asked twice
    preview = await services.curation.preview(action.revision)
    assert preview is not None, action.revision
    pointing = await services.curation.pointing_to(revision.entry_id) if revision.retired else ()
    await reply.show(preview_message(revision, preview, say, pointing))


def preview_message(revision: Revision, preview: Preview, say: Translator, pointing: Sequence[str] = ()) -> Message:
    """`pointing` are the entries that lead to one that is to be retired."""
    heading = Markup("<b>{}</b> · {}").format(revision.entry_id, _title(revision, say))
    html = _preview(heading, preview, say, pointing)
    back = (Button(say.plain("‹ Back"), ShowRevision(revision.id)),)
    if preview.errors:
        return Message(html, (back,))
    if revision.state == "draft":
        do = Button(say.plain("Publish"), PublishRevision(revision.id), style="success")
    else:
        do = Button(say.plain("Roll back to this"), RollBackTo(revision.id), style="success")
    return Message(html, ((do,), back))


def _preview(heading: Markup, preview: Preview, say: Translator, pointing: Sequence[str] = ()) -> str:
    effect = preview.effect
    warnings = [finding for finding in preview.findings if finding.level == "warning"]
    return say.page(
        "curate/preview.html",
        heading=heading,
        pointing=", ".join(pointing),
        problems=_told(preview.errors, say),
        warnings=_told(warnings, say),
        effect=effect,
        better=[_Question.of(each, say) for each in effect.gained[:MOST_QUESTIONS]],
        worse=[_Question.of(each, say) for each in effect.lost[:MOST_QUESTIONS]],
        more=max(len(effect.gained), len(effect.lost)) > MOST_QUESTIONS,
    )


async def batch_pressed(
    press: CallbackQuery, action: PreviewBatch, services: Services, say: Translator, reply: Reply
) -> None:
    batch = await services.curation.batch(action.newest)
    if batch is None:
        await reply.show(await overview(0, say(NO_LONGER_OPEN), services, say))
        return
    await reply.typing()
    preview = await services.curation.preview(*batch.numbers)
    assert preview is not None, batch
    await reply.show(batch_message(batch, preview, say))


def batch_message(batch: Batch, preview: Preview, say: Translator) -> Message:
    ids = cut(", ".join(draft.entry_id for draft in batch.drafts), LONGEST_LINE)
    heading = Markup("<b>{}</b>\n{}").format(
        say("{count} drafts of {file}", count=len(batch.drafts), file=cut(batch.note, QUESTION_TEXT)), ids
    )
    publish = ((Button(say.plain("Publish all"), PublishBatch(batch.newest), style="success"),),)
    return Message(_preview(heading, preview, say), (*publish * (not preview.errors), _back(say)))


async def batch_publish_pressed(
    press: CallbackQuery, action: PublishBatch, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    batch = await services.curation.batch(action.newest)
    if batch is None:
        await reply.show(await overview(0, say(NO_LONGER_OPEN), services, say))
        return
    outcome = await services.curation.publish_together(person.contact_id, batch.numbers)
    match outcome:
        case Published(revisions):
            note = say.count("Published: {n} entry.", "Published: {n} entries.", len(revisions))
            await reply.show(await overview(0, note, services, say))
        case Refused(findings):
            problems = _listed(say(NOT_YET), findings, say)
            await reply.show(Message(problems, (_back(say),)))
        case Stale() | Gone():
            note = say("Some of these drafts were overtaken or are no longer open. Look at them again.")
            await reply.show(await overview(0, note, services, say))


def _told(findings: Sequence[Finding], say: Translator) -> list[str]:
    return [cut(say.plain(finding.template, **finding.values), LONGEST_LINE) for finding in findings[:MOST_FINDINGS]]


def _listed(heading: Markup, findings: Sequence[Finding], say: Translator) -> Markup:
    return heading + Markup().join(Markup("\n• {}").format(problem) for problem in _told(findings, say))


@dataclass(frozen=True, slots=True)
class _Question:
    """A test question, with what became and would become of it."""

    text: str
    before: str
    after: str

    @classmethod
    def of(cls, each: Difference, say: Translator) -> "_Question":
        return cls(cut(each.case.text, QUESTION_TEXT), _decided(each.before, say), _decided(each.after, say))


def _decided(decision: Decision, say: Translator) -> str:
    entries = ", ".join(candidate.entry_id for candidate in decision.candidates)
    if decision.kind == "answer":
        return say.plain("answered by {entries}", entries=entries)
    return say.plain("offered {entries}", entries=entries) if decision.kind == "suggest" else say.plain("no answer")


async def publish_pressed(
    press: CallbackQuery, action: PublishRevision, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.curation.publish(person.contact_id, action.revision)
    await _show_outcome(outcome, action.revision, services, person, say, reply)


async def roll_back_pressed(
    press: CallbackQuery, action: RollBackTo, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    revision = await services.curation.revision(action.revision)
    entry = revision.entry_id if revision else ""
    outcome = await services.curation.rollback(person.contact_id, entry, action.revision)
    await _show_outcome(outcome, action.revision, services, person, say, reply)


async def _show_outcome(
    outcome: Published | Unchanged | Stale | Refused | Gone,
    number: int,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    match outcome:
        case Published(revisions):
            entry = revisions[0].entry_id
            await _show_entry(entry, say(PUBLISHED), services, person, say, reply, just_published=True)
        case Unchanged(revision):
            note = say("That is what is published already.")
            await _show_entry(revision.entry_id, note, services, person, say, reply)
        case Stale():
            await _show_revision(number, say(IN_THE_MEANTIME), services, person, say, reply)
        case Refused(findings):
            problems = _listed(say(NOT_YET), findings, say)
            await _show_revision(number, problems, services, person, say, reply)
        case Gone():
            await reply.show(await overview(0, say(NO_LONGER_OPEN), services, say))


async def discard_pressed(
    press: CallbackQuery, action: DiscardRevision, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.curation.discard(person.contact_id, action.revision)
    note = say("Discarded.") if isinstance(outcome, Discarded) else say(NO_LONGER_OPEN)
    await reply.show(await overview(0, note, services, say))


async def rebase_pressed(
    press: CallbackQuery, action: RebaseRevision, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    outcome = await services.curation.rebase(person.contact_id, action.revision)
    match outcome:
        case Drafted(revision):
            await _show_revision(revision.id, None, services, person, say, reply)
        case Unchanged(revision):
            note = say("Nothing is left of that draft: what is published says it already.")
            await _show_entry(revision.entry_id, note, services, person, say, reply)
        case Gone():
            await reply.show(await overview(0, say(NO_LONGER_OPEN), services, say))


# Writing


async def phrasing_wanted(
    press: CallbackQuery, action: AddPhrasing, state: FSMContext, say: Translator, reply: Reply
) -> None:
    await state.set_state(Writing.phrasing)
    await state.set_data({"entry": action.entry})
    text = say(
        "How else do people ask for <b>{entry}</b>? Write it in one message, in any language.", entry=action.entry
    )
    await reply.send(Message(text, _leave(say)))


async def phrasing_typed(
    message: ChatMessage,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    entry = str((await state.get_data()).get("entry", ""))
    text = " ".join((message.text or "").split())
    outcome = await services.curation.add_phrasing(person.contact_id, entry, detect_locale(text, person.locale), text)
    await _show_drafted(outcome, state, services, person, say, reply)


async def answer_wanted(
    press: CallbackQuery,
    action: RewriteAnswer,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    await _ask_for(ChangeField(action.entry, "answer", action.locale), state, services, person, say, reply)


async def field_wanted(
    press: CallbackQuery,
    action: ChangeField,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    await _ask_for(action, state, services, person, say, reply)


async def _ask_for(
    wanted: ChangeField, state: FSMContext, services: Services, person: Person, say: Translator, reply: Reply
) -> None:
    """Ask which field, in which language, and for its new value, as far as that is not known."""
    editing = await services.curation.editing(person.contact_id, wanted.entry)
    if editing is None:
        await reply.toast(say.plain(NO_SUCH_ENTRY), alert=True)
        return
    entry, field, locale = wanted.entry, wanted.field, wanted.locale
    if field not in EDITABLE:
        fields = [Button(say.plain(FIELDS[each]), ChangeField(entry, each, None)) for each in EDITABLE]
        await reply.send(Message(say("What is to be changed?"), (*rows(fields, 3), *_leave(say))))
        return
    written = [each for each in LOCALES if editing.text.get(each)] if field in IN_EACH_LANGUAGE else [None]
    if locale not in written:
        choices = tuple(Button(LOCALES[each], ChangeField(entry, field, each)) for each in written if each)
        await reply.send(Message(say("In which language?"), (choices, *_leave(say))))
        return
    await state.set_state(Writing.value)
    await state.set_data({"seen": editing.revision, "field": field, "locale": locale})
    html = say.page(
        "curate/field.html",
        entry_id=entry,
        field=say(FIELDS[field]),
        language=LOCALES[locale] if locale else None,
        is_list=field in LISTS,
        name=field,
        present=as_text(editing.text, field, locale),
        others=editing.others,
    )
    see = [Button(_number(draft, say), ShowRevision(draft.id)) for draft in editing.others]
    await reply.send(Message(html, (*rows(see, 4), *_leave(say))))


async def value_typed(
    message: ChatMessage,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    data = await state.get_data()
    value = from_text(data["field"], message.text or "")
    outcome = await services.curation.edit(person.contact_id, data["seen"], data["field"], data["locale"], value)
    await _show_drafted(outcome, state, services, person, say, reply)


async def retire_pressed(
    press: CallbackQuery,
    action: RetireEntry,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    outcome = await services.curation.draft(person.contact_id, action.entry, ())
    await _show_drafted(outcome, state, services, person, say, reply)


async def _show_drafted(
    outcome: Drafted | Unchanged | Refused | Gone,
    state: FSMContext,
    services: Services,
    person: Person,
    say: Translator,
    reply: Reply,
) -> None:
    if isinstance(outcome, Refused):
        problems = _listed(say("That cannot be taken like this:"), outcome.findings, say)
        await reply.send(Message(problems, _leave(say)))
        return
    await state.clear()
    match outcome:
        case Drafted(revision):
            note = say("Noted as a draft. Nobody reads it before it is published.")
            if revision.stale:
                note = say(IN_THE_MEANTIME)
            await _show_revision(revision.id, note, services, person, say, reply)
        case Unchanged(revision):
            note = say("That is what is published already.")
            await _show_entry(revision.entry_id, note, services, person, say, reply)
        case Gone():
            await reply.show(await overview(0, say(NO_SUCH_ENTRY), services, say))


def _leave(say: Translator) -> Buttons:
    return ((Button(say.plain("Cancel"), Leave()),),)
