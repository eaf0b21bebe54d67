"""What a button means: frozen values with a codec of at most 64 bytes.

An action carries ids only. Whether the presser may do it is decided by the use case, in the WHERE clause.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from typing import Any, ClassVar, Self, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

LIMIT = 64
"""Bytes of callback data that Telegram carries."""

_SEPARATOR = ":"
_known: dict[str, type["Action"]] = {}


class Action:
    """Base of all actions; `prefix` names the kind on the wire and never changes once shipped.

    Fields may be added at the end with the default None, which is not written: buttons from before are still read.
    """

    __slots__ = ()
    prefix: ClassVar[str]

    def encode(self) -> str:
        """The callback data; ValueError when it would not fit or not come back the same."""
        values = [(getattr(self, f.name), f.default) for f in fields(self)]  # type: ignore[arg-type]
        while values and values[-1] == (None, None):
            values.pop()
        parts = [self.prefix, *(_write(value) for value, _ in values)]
        data = _SEPARATOR.join(parts)
        if len(data.encode()) > LIMIT or data.count(_SEPARATOR) != len(parts) - 1:
            raise ValueError(f"does not fit a button: {data!r}")
        return data

    @classmethod
    def read(cls, parts: list[str]) -> Self:
        kinds = _kinds(cls)  # type: ignore[arg-type]
        optional = sum(f.default is None for f in fields(cls))  # type: ignore[arg-type]
        if not len(kinds) - optional <= len(parts) <= len(kinds):
            raise ValueError("wrong number of parts")
        return cls(**{name: _read(kind, part) for (name, kind), part in zip(kinds.items(), parts, strict=False)})


@cache
def _kinds(action: type[Action]) -> Mapping[str, Any]:
    """The type of each field; looking it up costs more than all the rest of reading a button."""
    hints = get_type_hints(action)
    return {f.name: hints[f.name] for f in fields(action)}  # type: ignore[arg-type]


def decode(data: str | None) -> Action | None:
    """The action behind callback data; None for anything that no button of ours says."""
    prefix, *parts = (data or "").split(_SEPARATOR)
    if (kind := _known.get(prefix)) is None:
        return None
    try:
        action = kind.read(parts)
        return action if action.encode() == data else None
    except ValueError:
        return None


def _write(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return value.isoformat() if isinstance(value, date) else str(value)


def _read(kind: Any, part: str) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if not part:
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if kind is bool:
        return {"0": False, "1": True}[part] if part in ("0", "1") else _refuse(part)
    if kind is int:
        number = int(part)
        return number if abs(number) < 2**63 else _refuse(part)
    return date.fromisoformat(part) if kind is date else part


def _refuse(part: str) -> Any:
    raise ValueError(part)


A = TypeVar("A")


@dataclass_transform(frozen_default=True)
def action(prefix: str) -> Callable[[type[A]], type[A]]:
    """Make a class an action: a frozen slotted dataclass known to `decode` under `prefix`."""

    def make(cls: type[A]) -> type[A]:
        made: Any = dataclass(frozen=True, slots=True)(cls)
        made.prefix = prefix
        if prefix in _known:
            raise ValueError(f"two actions share the prefix {prefix!r}")
        _known[prefix] = made
        return made  # type: ignore[no-any-return]

    return make


# Everywhere


@action("home")
class GoHome(Action):
    """Back to the main menu."""


@action("x")
class Leave(Action):
    """Leave the dialog this message belongs to."""


@action("l")
class PickLanguage(Action):
    locale: str


@action("-")
class Idle(Action):
    """A label that looks like a button, such as a weekday over a month grid."""


# Answers


@action("topics")
class ShowTopics(Action):
    locale: str | None = None


@action("cat")
class ShowCategory(Action):
    """`locale` is the language of the message with the button; None: the presser's. So it is for entries."""

    category: str
    page: int
    locale: str | None = None


@action("ent")
class ShowEntry(Action):
    entry: str
    locale: str | None = None


@action("pick")
class PickSuggestion(Action):
    """One of the "did you mean" entries, for the question logged under `question`."""

    question: int
    entry: str


@action("rate")
class RateAnswer(Action):
    question: int
    helpful: bool


@action("ask")
class AskExpert(Action):
    """Send the logged question `question` to the desk; 0 asks for the text first."""

    question: int


# The desk, for staff


@action("desk")
class ShowDesk(Action):
    """The open questions, a page of them; `question` is what the message with the button speaks of."""

    question: int | None = None
    page: int | None = None


@action("dq")
class ShowDeskQuestion(Action):
    question: int


@action("da")
class ReplyToDeskQuestion(Action):
    question: int


@action("dc")
class CloseDeskQuestion(Action):
    """Asks first whether to close it without a reply."""

    question: int


@action("dcy")
class ConfirmClosing(Action):
    question: int


# Questions without a good answer


@action("tell")
class TellMe(Action):
    """Tell the asker when the logged question has an answer, or, with `on` False, not any more."""

    question: int
    on: bool


@action("why")
class ShowWhy(Action):
    """For staff: on what evidence the logged question was decided."""

    question: int


@action("ms")
class ShowMisses(Action):
    page: int = 0


@action("mso")
class ShowMiss(Action):
    """The cluster that the logged question is in now; so it is for those that follow."""

    question: int


@action("msp")
class PromoteToPhrasing(Action):
    """Make the cluster's words ways to ask for `entry`; None asks which."""

    question: int
    entry: str | None


@action("mst")
class TypeEntryId(Action):
    question: int


@action("msw")
class TypeWording(Action):
    """Write other words than the askers' for the phrasing."""

    question: int
    entry: str


@action("mse")
class PromoteToEntry(Action):
    """Begin the form of a new entry."""

    question: int


@action("msa")
class AnswerEntryStep(Action):
    """Answer the question `step` of the form with `value`; an empty one leaves it out."""

    step: str
    value: str


@action("msd")
class SendMissToDesk(Action):
    question: int


@action("msx")
class SetMissAside(Action):
    question: int


# The knowledge base, for curators


@action("kn")
class ShowKnowledge(Action):
    """Drafts and conflicts."""

    page: int = 0


@action("kne")
class ShowEntryHistory(Action):
    entry: str


@action("knl")
class ReadEntry(Action):
    """What is published of an entry in that language, with its history."""

    entry: str
    locale: str


@action("knv")
class ShowReviews(Action):
    """What is due for a review."""

    page: int = 0


@action("knc")
class StillRight(Action):
    """The curator has read this published revision against its sources, and nothing needs to change."""

    revision: int


@action("knbp")
class PreviewBatch(Action):
    """The drafts that came in with this one, up to it, as they would be published together."""

    newest: int


@action("knbo")
class PublishBatch(Action):
    newest: int


@action("knr")
class ShowRevision(Action):
    revision: int


@action("knp")
class PreviewRevision(Action):
    """What would change if that text were published."""

    revision: int


@action("knok")
class PublishRevision(Action):
    revision: int


@action("knb")
class RollBackTo(Action):
    revision: int


@action("knx")
class DiscardRevision(Action):
    revision: int


@action("knm")
class RebaseRevision(Action):
    """Bring a draft up to what was published in the meantime."""

    revision: int


@action("kna")
class AddPhrasing(Action):
    """Asks for one more way to ask for the entry."""

    entry: str


@action("knw")
class RewriteAnswer(Action):
    """Asks for another answer in that language; without one, for the language."""

    entry: str
    locale: str | None


@action("knf")
class ChangeField(Action):
    """Asks for another value of a field; without one for the field, without a language for that if it has one."""

    entry: str
    field: str | None
    locale: str | None


@action("knd")
class RetireEntry(Action):
    """Drafts that the entry answers no more."""

    entry: str


# Appointments


@action("book")
class StartBooking(Action):
    """Begin a booking, for an expert if one is named."""

    expert: int | None


@action("bt")
class PickTopic(Action):
    topic: str


@action("be")
class PickExpert(Action):
    """`expert` None stands for any expert of the topic."""

    topic: str
    expert: int | None


@action("bm")
class ShowMonth(Action):
    """`moving` is the appointment that gets a new time, at the `version` seen; topic and expert are then its own.

    The same holds for the days and zones that follow.
    """

    topic: str
    expert: int | None
    month: date
    moving: int | None
    version: int | None


@action("bd")
class PickDay(Action):
    topic: str
    expert: int | None
    day: date
    moving: int | None
    version: int | None


@action("bs")
class PickSlot(Action):
    """`start` counts minutes since 1970 UTC."""

    topic: str
    expert: int | None
    start: int


@action("bz")
class ChangeZone(Action):
    topic: str
    expert: int | None
    moving: int | None
    version: int | None


@action("bzp")
class PickZone(Action):
    zone: str
    topic: str
    expert: int | None
    moving: int | None
    version: int | None


@action("tz")
class LiveIn(Action):
    """Show all times in `zone` from now on."""

    zone: str


@action("bk")
class KeepDetails(Action):
    """Take what is known from an earlier booking instead of typing it again."""

    hold: int


@action("bc")
class GiveConsent(Action):
    """Agree to the notice, which was read in `locale`."""

    hold: int
    locale: str


@action("bok")
class ConfirmBooking(Action):
    """`locale` is the language in which the notice was agreed to."""

    hold: int
    locale: str


@action("bx")
class DropHold(Action):
    hold: int


@action("bf")
class EditDetails(Action):
    """Choose what to change in the summary; `locale` carries the consent along."""

    hold: int
    locale: str


@action("bfe")
class EditField(Action):
    hold: int
    field: str
    locale: str


@action("bb")
class ShowSummary(Action):
    hold: int
    locale: str


@action("my")
class ShowAppointments(Action):
    """`after` is the appointment that the message with the button speaks of."""

    after: int | None = None


@action("ap")
class ShowAppointment(Action):
    appointment: int


@action("apm")
class MoveAppointment(Action):
    appointment: int


@action("apt")
class MoveTo(Action):
    """`start` counts minutes since 1970 UTC; `version` guards against a button older than the last change."""

    appointment: int
    version: int
    start: int


@action("apc")
class CancelAppointment(Action):
    """Asks first; `sure` does it. `version` guards against a button older than the last change."""

    appointment: int
    version: int
    sure: bool


@action("apf")
class SendCalendarFile(Action):
    appointment: int


# Events and reminders


@action("evs")
class ShowEvents(Action):
    past: bool
    page: int = 0


@action("ev")
class ShowEvent(Action):
    event: int


@action("evr")
class RegisterForEvent(Action):
    event: int


@action("evu")
class UnregisterFromEvent(Action):
    event: int
    sure: bool


@action("evi")
class SendEventFile(Action):
    event: int


@action("rem")
class ShowReminders(Action):
    """The reminder choices for one event, or for all future ones (None)."""

    event: int | None


@action("remt")
class ToggleReminder(Action):
    """Switch the offset of `minutes` before the start on or off, as `on` says: pressing twice is harmless."""

    event: int | None
    minutes: int
    on: bool


@action("remx")
class StopReminders(Action):
    event: int | None


@action("remo")
class ShowReminderOverview(Action):
    """Everything one is reminded of."""


@action("remxx")
class StopAllReminders(Action):
    """No reminders of any event, whether chosen one by one or for all."""


# Events, for staff


@action("sev")
class ManageEvents(Action):
    page: int = 0


@action("sevn")
class NewEvent(Action):
    pass


@action("seve")
class ManageEvent(Action):
    event: int


@action("sevm")
class MoveEvent(Action):
    event: int


@action("sevc")
class CancelEvent(Action):
    """Asks first; `sure` does it. `revision` is what the presser saw, so that unseen changes stay."""

    event: int
    revision: int
    sure: bool


@action("seva")
class AnswerEventStep(Action):
    """Answer the question `step` of the dialog with `value`; an empty one leaves it out."""

    step: str
    value: str


@action("sevq")
class AskEventStep(Action):
    """Ask the question `step` of the dialog again."""

    step: str


@action("sevkeep")
class KeepEventAnswer(Action):
    """Answer the question `step` as before."""

    step: str


@action("sevok")
class ConfirmEventChange(Action):
    """Do what the dialog of this message has gathered; `digest` tells it from what another one gathered."""

    digest: str


# Privacy


@action("prv")
class ShowPrivacy(Action):
    pass


@action("exp")
class ExportData(Action):
    pass


@action("era")
class EraseData(Action):
    sure: bool
