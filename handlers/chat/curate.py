"""The knowledge base for curators: drafts, conflicts, an entry's history, what a text would change, publishing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from aiogram import Router
from aiogram.filters import Command, CommandObject, StateFilter
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage
from markupsafe import Markup

from bot.texts import LOCALES, N_, Button, Message, Translator
from bot.texts.actions import (
    AddPhrasing,
    ChangeField,
    DiscardRevision,
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
from handlers.chat.buttons import Page, cut, label, rows
from handlers.chat.filters import Holds, Pressed, Typed
from handlers.chat.talk import Talk
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


async def knowledge_wanted(message: ChatMessage, command: CommandObject, talk: Talk) -> None:
    entry = (command.args or "").strip()
    if entry:
        await _show_entry(entry, None, talk)
    else:
        await _show_overview(None, talk)


async def knowledge_pressed(press: CallbackQuery, action: ShowKnowledge, talk: Talk) -> None:
    await _show_overview(None, talk, action.page)


async def _show_overview(note: str | None, talk: Talk, page: int = 0) -> None:
    """What came in together, then conflicts, then drafts, a page of them; `note` is what just happened."""
    curation, say = talk.services.curation, talk.say
    conflicts, drafts, batches = await curation.conflicts(), await curation.drafts(), await curation.batches()
    due = (await talk.services.freshness.due()).entries
    shown = Page.of([*conflicts, *drafts], page, PAGE)
    together = [(_batch_button(batch, say),) for batch in batches if shown.number == 0]
    listed = [(_waiting_button(each, say),) for each in shown.items]
    reviews = ((_reviews(say),),) * bool(due)
    html = say.page(
        "curate/overview.html",
        note=note,
        count=await talk.services.answers.count(),
        conflicts=len(conflicts),
        drafts=len(drafts),
        due=len({entry.id for entry in due}),
    )
    await talk.reply.show(Message(html, (*together, *listed, shown.turning(ShowKnowledge, say), *reviews)))


async def _no_longer_open(talk: Talk) -> None:
    await _show_overview(talk.say(NO_LONGER_OPEN), talk)


def _batch_button(batch: Batch, say: Translator) -> Button:
    name = say.plain("{count} drafts of {file}", count=len(batch.drafts), file=batch.note)
    return Button(label(f"✎ {name}"), PreviewBatch(batch.newest))


def _waiting_button(revision: Revision, say: Translator) -> Button:
    mark = "⚠️" if revision.origin == "shipped" or revision.stale else "✎"
    return Button(label(f"{mark} {revision.entry_id}: {_title(revision, say)}"), ShowRevision(revision.id))


def _title(revision: Revision, say: Translator) -> str:
    return say.localized(revision.title) or say.plain("retired")


async def reviews_pressed(press: CallbackQuery, action: ShowReviews, talk: Talk) -> None:
    """Entries due for a review, the longest due first."""
    say = talk.say
    due = {entry.id: entry for entry in reversed((await talk.services.freshness.due()).entries)}
    entries = sorted(due.values(), key=lambda entry: (entry.review_by, entry.id))
    shown = Page.of(entries, action.page, PAGE)
    listed = [
        (Button(label(f"{entry.id}: {entry.texts[say.locale].question}"), ShowEntryHistory(entry.id)),)
        for entry in shown.items
    ]
    html = say.page("curate/reviews.html", count=len(entries))
    await talk.reply.show(Message(html, (*listed, shown.turning(ShowReviews, say), (_all_drafts(say),))))


def _reviews(say: Translator) -> Button:
    return Button(say.plain("Due for a review"), ShowReviews())


def _all_drafts(say: Translator) -> Button:
    return Button(say.plain("All drafts"), ShowKnowledge())


# One entry


async def history_pressed(press: CallbackQuery, action: ShowEntryHistory, talk: Talk) -> None:
    await _show_entry(action.entry, None, talk)


async def read_pressed(press: CallbackQuery, action: ReadEntry, talk: Talk) -> None:
    await _show_entry(action.entry, None, talk, locale=action.locale)


async def still_right_pressed(press: CallbackQuery, action: StillRight, talk: Talk) -> None:
    outcome = await talk.services.curation.still_right(talk.contact_id, action.revision)
    match outcome:
        case Published(revisions):
            await _show_entry(revisions[0].entry_id, talk.say("Noted as reviewed today."), talk)
        case Stale(now):
            note = talk.say("Somebody published another text since you read this. Here it is.")
            await _show_entry(now.entry_id, note, talk)
        case _:
            await _show_outcome(outcome, action.revision, talk)


async def _show_entry(
    entry: str, note: str | None, talk: Talk, *, locale: str | None = None, just_published: bool = False
) -> None:
    """An entry's text in one language and its revisions, newest first; `note` is what just became of it."""
    say = talk.say
    history = await talk.services.curation.history(entry)
    if not history:
        await _show_overview(say(NO_SUCH_ENTRY), talk)
        return
    live = next((revision for revision in history if revision.state == "published"), None)
    seen = live or history[0]
    versions = await talk.services.curation.standing(seen.id)
    written = [each for each in LOCALES if versions and all(version.get(each) for version in versions)]
    read_in = next((each for each in (locale, say.locale, "zh-Hans") if each in written), "en")
    due = talk.services.freshness.is_due(versions)
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
        me=talk.contact_id,
    )
    languages = tuple(Button(LOCALES[each], ReadEntry(entry, each)) for each in written if each != read_in)
    right = Button(say.plain("Read and still right"), StillRight(seen.id), style="success")
    review = ((right,),) * (live is not None and not live.retired and (due or just_published))
    numbers = [Button(_number(each, say), ShowRevision(each.id)) for each in shown]
    back = (*((_reviews(say),) * due), _all_drafts(say))
    await talk.reply.show(Message(html, (languages, *review, *_editing(seen, say), *rows(numbers, 4), back)))


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


# One revision


async def revision_pressed(press: CallbackQuery, action: ShowRevision, talk: Talk) -> None:
    await _show_revision(action.revision, None, talk)


async def _show_revision(number: int, note: str | None, talk: Talk) -> None:
    revision = await talk.services.curation.revision(number)
    changes = await talk.services.curation.diff(number)
    if revision is None or changes is None:
        await _no_longer_open(talk)
        return
    shown, is_cut = _fitting(changes, talk.say)
    html = talk.say.page(
        "curate/revision.html",
        note=note,
        revision=revision,
        title=_title(revision, talk.say),
        changes=shown,
        cut=is_cut,
        me=talk.contact_id,
    )
    await talk.reply.show(Message(html, _revision_buttons(revision, talk.say)))


def _revision_buttons(revision: Revision, say: Translator) -> Buttons:
    history = Button(say.plain("All revisions of the entry"), ShowEntryHistory(revision.entry_id))
    discard = Button(say.plain("Discard"), DiscardRevision(revision.id), style="danger")
    preview = Button(say.plain("What would change?"), PreviewRevision(revision.id), style="primary")
    last = (history, _all_drafts(say))
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
        field = _Field(_field_name(change, say), room.lines(change.removed), room.lines(change.added))
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


def _field_name(change: Change, say: Translator) -> str:
    *place, name = change.field.split(".")
    parts = [say.plain(FIELDS[name]) if name in FIELDS else LOCALES.get(name, name)]
    if place:
        parts.append(LOCALES[place[0]])
    if change.valid_from:
        parts.append(str(change.valid_from))
    return " · ".join(parts)


# What would change, and doing it


async def preview_pressed(press: CallbackQuery, action: PreviewRevision, talk: Talk) -> None:
    revision = await talk.services.curation.revision(action.revision)
    if revision is None or revision.state in ("published", "discarded"):
        await talk.reply.toast(talk.say.plain(NO_LONGER_OPEN), alert=True)
        return
    await talk.reply.typing()  # the regression questions are asked twice
    preview = await talk.services.curation.preview(action.revision)
    assert preview is not None, action.revision
    pointing = await talk.services.curation.pointing_to(revision.entry_id) if revision.retired else ()
    await talk.reply.show(preview_message(revision, preview, talk.say, pointing))


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
        problems=told(preview.errors, say),
        warnings=told(warnings, say),
        effect=effect,
        better=[_Question.of(each, say) for each in effect.gained[:MOST_QUESTIONS]],
        worse=[_Question.of(each, say) for each in effect.lost[:MOST_QUESTIONS]],
        more=max(len(effect.gained), len(effect.lost)) > MOST_QUESTIONS,
    )


async def batch_pressed(press: CallbackQuery, action: PreviewBatch, talk: Talk) -> None:
    batch = await talk.services.curation.batch(action.newest)
    if batch is None:
        await _no_longer_open(talk)
        return
    await talk.reply.typing()
    preview = await talk.services.curation.preview(*batch.numbers)
    assert preview is not None, batch
    await talk.reply.show(_batch_message(batch, preview, talk.say))


def _batch_message(batch: Batch, preview: Preview, say: Translator) -> Message:
    ids = cut(", ".join(draft.entry_id for draft in batch.drafts), LONGEST_LINE)
    heading = Markup("<b>{}</b>\n{}").format(
        say("{count} drafts of {file}", count=len(batch.drafts), file=cut(batch.note, QUESTION_TEXT)), ids
    )
    publish = ((Button(say.plain("Publish all"), PublishBatch(batch.newest), style="success"),),)
    return Message(_preview(heading, preview, say), (*publish * (not preview.errors), (_all_drafts(say),)))


async def batch_publish_pressed(press: CallbackQuery, action: PublishBatch, talk: Talk) -> None:
    batch = await talk.services.curation.batch(action.newest)
    if batch is None:
        await _no_longer_open(talk)
        return
    outcome = await talk.services.curation.publish_together(talk.contact_id, batch.numbers)
    match outcome:
        case Published(revisions):
            note = talk.say.count("Published: {n} entry.", "Published: {n} entries.", len(revisions))
            await _show_overview(note, talk)
        case Refused(findings):
            problems = with_findings(talk.say(NOT_YET), findings, talk.say)
            await talk.reply.show(Message(problems, ((_all_drafts(talk.say),),)))
        case Stale() | Gone():
            note = talk.say("Some of these drafts were overtaken or are no longer open. Look at them again.")
            await _show_overview(note, talk)


def told(findings: Sequence[Finding], say: Translator) -> list[str]:
    """What was found, a line each; as many as fit one message."""
    return [cut(say.plain(finding.template, **finding.values), LONGEST_LINE) for finding in findings[:MOST_FINDINGS]]


def with_findings(heading: Markup, findings: Sequence[Finding], say: Translator) -> Markup:
    """The heading, and under it what was found."""
    return heading + Markup().join(Markup("\n• {}").format(problem) for problem in told(findings, say))


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


async def publish_pressed(press: CallbackQuery, action: PublishRevision, talk: Talk) -> None:
    outcome = await talk.services.curation.publish(talk.contact_id, action.revision)
    await _show_outcome(outcome, action.revision, talk)


async def roll_back_pressed(press: CallbackQuery, action: RollBackTo, talk: Talk) -> None:
    revision = await talk.services.curation.revision(action.revision)
    entry = revision.entry_id if revision else ""
    outcome = await talk.services.curation.rollback(talk.contact_id, entry, action.revision)
    await _show_outcome(outcome, action.revision, talk)


async def _show_outcome(outcome: Published | Unchanged | Stale | Refused | Gone, number: int, talk: Talk) -> None:
    match outcome:
        case Published(revisions):
            entry = revisions[0].entry_id
            await _show_entry(entry, talk.say(PUBLISHED), talk, just_published=True)
        case Unchanged(revision):
            note = talk.say("That is what is published already.")
            await _show_entry(revision.entry_id, note, talk)
        case Stale():
            await _show_revision(number, talk.say(IN_THE_MEANTIME), talk)
        case Refused(findings):
            problems = with_findings(talk.say(NOT_YET), findings, talk.say)
            await _show_revision(number, problems, talk)
        case Gone():
            await _no_longer_open(talk)


async def discard_pressed(press: CallbackQuery, action: DiscardRevision, talk: Talk) -> None:
    outcome = await talk.services.curation.discard(talk.contact_id, action.revision)
    note = talk.say("Discarded.") if isinstance(outcome, Discarded) else talk.say(NO_LONGER_OPEN)
    await _show_overview(note, talk)


async def rebase_pressed(press: CallbackQuery, action: RebaseRevision, talk: Talk) -> None:
    outcome = await talk.services.curation.rebase(talk.contact_id, action.revision)
    match outcome:
        case Drafted(revision):
            await _show_revision(revision.id, None, talk)
        case Unchanged(revision):
            note = talk.say("Nothing is left of that draft: what is published says it already.")
            await _show_entry(revision.entry_id, note, talk)
        case Gone():
            await _no_longer_open(talk)


# Writing


async def phrasing_wanted(press: CallbackQuery, action: AddPhrasing, talk: Talk) -> None:
    await talk.expect(Writing.phrasing, entry=action.entry)
    text = talk.say(
        "How else do people ask for <b>{entry}</b>? Write it in one message, in any language.", entry=action.entry
    )
    await talk.prompt(text)


async def phrasing_typed(message: ChatMessage, talk: Talk) -> None:
    entry = str((await talk.state.get_data()).get("entry", ""))
    text = " ".join((message.text or "").split())
    locale = detect_locale(text, talk.person.locale)
    outcome = await talk.services.curation.add_phrasing(talk.contact_id, entry, locale, text)
    await _show_drafted(outcome, talk)


async def answer_wanted(press: CallbackQuery, action: RewriteAnswer, talk: Talk) -> None:
    await _ask_for(ChangeField(action.entry, "answer", action.locale), talk)


async def field_wanted(press: CallbackQuery, action: ChangeField, talk: Talk) -> None:
    await _ask_for(action, talk)


async def _ask_for(wanted: ChangeField, talk: Talk) -> None:
    """Ask which field, in which language, and for its new value, as far as that is not known."""
    say = talk.say
    editing = await talk.services.curation.editing(talk.contact_id, wanted.entry)
    if editing is None:
        await talk.reply.toast(say.plain(NO_SUCH_ENTRY), alert=True)
        return
    entry, field, locale = wanted.entry, wanted.field, wanted.locale
    if field not in EDITABLE:
        fields = [Button(say.plain(FIELDS[each]), ChangeField(entry, each, None)) for each in EDITABLE]
        await talk.prompt(say("What is to be changed?"), *rows(fields, 3))
        return
    written = [each for each in LOCALES if editing.text.get(each)] if field in IN_EACH_LANGUAGE else [None]
    if locale not in written:
        choices = tuple(Button(LOCALES[each], ChangeField(entry, field, each)) for each in written if each)
        await talk.prompt(say("In which language?"), choices)
        return
    await talk.expect(Writing.value, seen=editing.revision, field=field, locale=locale)
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
    await talk.prompt(html, *rows(see, 4))


async def value_typed(message: ChatMessage, talk: Talk) -> None:
    data = await talk.state.get_data()
    value = from_text(data["field"], message.text or "")
    outcome = await talk.services.curation.edit(talk.contact_id, data["seen"], data["field"], data["locale"], value)
    await _show_drafted(outcome, talk)


async def retire_pressed(press: CallbackQuery, action: RetireEntry, talk: Talk) -> None:
    outcome = await talk.services.curation.draft(talk.contact_id, action.entry, ())
    await _show_drafted(outcome, talk)


async def _show_drafted(outcome: Drafted | Unchanged | Refused | Gone, talk: Talk) -> None:
    if isinstance(outcome, Refused):
        await talk.prompt(with_findings(talk.say("That cannot be taken like this:"), outcome.findings, talk.say))
        return
    await talk.state.clear()
    match outcome:
        case Drafted(revision):
            note = talk.say("Noted as a draft. Nobody reads it before it is published.")
            if revision.stale:
                note = talk.say(IN_THE_MEANTIME)
            await _show_revision(revision.id, note, talk)
        case Unchanged(revision):
            note = talk.say("That is what is published already.")
            await _show_entry(revision.entry_id, note, talk)
        case Gone():
            await _show_overview(talk.say(NO_SUCH_ENTRY), talk)
