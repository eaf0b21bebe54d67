"""What buttons carry: every action fits 64 bytes, comes back the same, and nothing else is understood."""

from dataclasses import fields
from datetime import date
from typing import Any, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

import bot.texts.actions as module
from bot.texts import Action, decode

KINDS = sorted(module._known.values(), key=lambda kind: kind.prefix)
NUMBERS = st.integers(0, 10**9)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: NUMBERS,
    int | None: st.none() | NUMBERS,
    bool: st.booleans(),
    str: st.from_regex(r"[A-Za-z0-9_/+-]{1,14}", fullmatch=True),
    date: st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    date | None: st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    str | None: st.none() | st.from_regex(r"[a-z]{1,14}", fullmatch=True),
}


@st.composite
def actions(draw: st.DrawFn) -> Action:
    kind: Any = draw(st.sampled_from(KINDS))
    hints = get_type_hints(kind)
    return kind(**{field.name: draw(VALUES[hints[field.name]]) for field in fields(kind)})  # type: ignore[no-any-return]


@given(actions())
def test_an_action_comes_back_from_its_button(action: Action) -> None:
    data = action.encode()
    assert len(data.encode()) <= 64
    assert decode(data) == action


@given(st.text(max_size=80))
def test_whatever_else_a_button_says_is_no_action_or_exactly_one(data: str) -> None:
    action = decode(data)
    assert action is None or action.encode() == data


@given(actions(), st.text(min_size=1, max_size=3))
def test_a_button_with_something_added_is_not_taken_for_the_same(action: Action, more: str) -> None:
    assert decode(action.encode() + more) != action


def test_no_data_is_no_action() -> None:
    assert decode(None) is None
