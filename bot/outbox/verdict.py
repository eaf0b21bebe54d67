"""What becomes of a row after a send: pure, so that the whole policy can be read and tested in one place."""

from dataclasses import dataclass
from typing import Literal

from bot.outbox.outbox import State
from bot.outbox.port import Outcome, Result

LONGEST_BACKOFF = 300.0
DOUBT_PAUSE = 60.0
"""Seconds before a message that may have arrived is sent again."""
CHANNEL_PAUSE = 30.0
"""Seconds before a row whose channel cannot send is looked at again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A send that was tried. `number` counts it in; `in_doubt` says that an earlier copy may be out already."""

    number: int
    in_doubt: bool
    policy: Literal["at_least_once", "at_most_once"]
    exactly_once: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The row's next state; `wait` is in seconds and matters for a pending row only."""

    state: State
    attempts: int
    in_doubt: bool
    wait: float = 0.0
    detail: str = ""
    message_id: int | None = None


def backoff(attempts: int, chance: float) -> float:
    """Seconds until the next try: 2, 4, 8 ... 300, shortened by up to a fifth. `chance` lies in [0, 1)."""
    return min(LONGEST_BACKOFF, 2.0 ** min(attempts, 16)) * (1 - 0.2 * chance)


def judge(outcome: Outcome, attempt: Attempt, chance: float) -> Verdict:
    match outcome.result:
        case Result.SENT:
            # the same key cannot have sent twice: whatever was in doubt has been settled
            doubt = attempt.in_doubt and not attempt.exactly_once
            return _end(State.SENT, attempt, outcome, in_doubt=doubt)
        case Result.UNREACHABLE:
            return _end(State.UNDELIVERABLE, attempt, outcome, in_doubt=attempt.in_doubt)
        case Result.REJECTED:
            return _end(State.DEAD, attempt, outcome, in_doubt=attempt.in_doubt)
        case Result.WAIT:
            return _untried(attempt, outcome, 0.0)
        case Result.STOPPED:
            return _untried(attempt, outcome, CHANNEL_PAUSE)
        case Result.FAILED:
            return _again(attempt, outcome, backoff(attempt.number, chance), attempt.in_doubt)
        case Result.UNPROVEN | Result.IN_DOUBT:
            return _doubt(outcome, attempt, chance)


def _doubt(outcome: Outcome, attempt: Attempt, chance: float) -> Verdict:
    pause = backoff(attempt.number, chance)
    if attempt.exactly_once:
        return _again(attempt, outcome, pause, in_doubt=True)
    if attempt.policy == "at_most_once":
        return _end(State.UNCERTAIN, attempt, outcome, in_doubt=True)
    if outcome.result is Result.UNPROVEN:
        return _again(attempt, outcome, pause, in_doubt=True)
    if attempt.in_doubt:
        return _end(State.UNCERTAIN, attempt, outcome, in_doubt=True)
    return _again(attempt, outcome, DOUBT_PAUSE, in_doubt=True)


def _again(attempt: Attempt, outcome: Outcome, wait: float, in_doubt: bool) -> Verdict:
    if attempt.last:
        return _end(State.DEAD, attempt, outcome, in_doubt)
    return Verdict(State.PENDING, attempt.number, in_doubt, wait, outcome.detail)


def _untried(attempt: Attempt, outcome: Outcome, wait: float) -> Verdict:
    return Verdict(State.PENDING, attempt.number - 1, attempt.in_doubt, wait, outcome.detail)


def _end(state: State, attempt: Attempt, outcome: Outcome, in_doubt: bool) -> Verdict:
    return Verdict(state, attempt.number, in_doubt, detail=outcome.detail, message_id=outcome.message_id)
