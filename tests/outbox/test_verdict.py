"""The policy by itself."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.outbox.outbox import State
from bot.outbox.port import Outcome, Result
from bot.outbox.verdict import Attempt, backoff, judge

attempts = st.builds(
    Attempt,
    number=st.integers(1, 40),
    in_doubt=st.booleans(),
    policy=st.sampled_from(["at_least_once", "at_most_once"]),
    exactly_once=st.booleans(),
    last=st.booleans(),
)
chances = st.floats(0, 1, exclude_max=True)
CLEAR = {Result.SENT, Result.WAIT, Result.STOPPED, Result.FAILED, Result.REJECTED}
DOUBTFUL = {Result.IN_DOUBT, Result.UNPROVEN}


@given(st.integers(1, 10_000), chances)
def test_the_backoff_doubles_up_to_five_minutes(attempts: int, chance: float) -> None:
    full = min(300.0, 2.0 ** min(attempts, 16))
    assert 0.8 * full <= backoff(attempts, chance) <= full


@given(st.sampled_from(Result), attempts, chances)
def test_a_row_that_is_tried_again_waits_first_or_did_not_count(
    result: Result, attempt: Attempt, chance: float
) -> None:
    verdict = judge(Outcome(result), attempt, chance)
    if verdict.state is State.PENDING:
        assert verdict.wait >= 1.0 or result is Result.WAIT
        assert verdict.attempts == attempt.number - (result in (Result.WAIT, Result.STOPPED))
    else:
        assert verdict.attempts == attempt.number


@given(st.sampled_from(sorted(DOUBTFUL)), attempts, chances)
def test_doubt_is_always_recorded_and_never_repeats_what_must_not_be(
    result: Result, attempt: Attempt, chance: float
) -> None:
    verdict = judge(Outcome(result), attempt, chance)
    assert verdict.in_doubt
    if attempt.policy == "at_most_once" and not attempt.exactly_once:
        assert verdict.state is State.UNCERTAIN


@given(st.sampled_from(sorted(CLEAR)), attempts, chances)
def test_a_clear_answer_adds_no_doubt(result: Result, attempt: Attempt, chance: float) -> None:
    assert judge(Outcome(result), attempt, chance).in_doubt <= attempt.in_doubt


@pytest.mark.parametrize(
    ("policy", "doubts", "state"),
    [
        ("at_least_once", False, State.PENDING),
        ("at_least_once", True, State.UNCERTAIN),
        ("at_most_once", False, State.UNCERTAIN),
    ],
)
def test_a_doubtful_send_is_repeated_once_by_those_who_may(
    policy: Literal["at_least_once", "at_most_once"], doubts: bool, state: State
) -> None:
    attempt = Attempt(1, doubts, policy, exactly_once=False, last=False)
    verdict = judge(Outcome(Result.IN_DOUBT), attempt, 0.0)
    assert verdict.state is state
    assert verdict.wait == (60.0 if state is State.PENDING else 0.0)
