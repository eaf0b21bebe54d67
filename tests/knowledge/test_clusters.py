"""Like questions are found to be like, and each stands in exactly one group."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from knowledge.clusters import COMPARED, WORK, clusters, promising
from knowledge.engine.analysis import Analyzer

ANALYZER = Analyzer([("trade mark", "trademark", "商标"), ("patent", "专利")])

LIKE = [
    ("How do I export wine to France?", "export of wine to France"),
    ("怎么烤面包", "怎樣烤麵包？"),
    ("how much does a patent cost in Brazil", "Patent costs, Brazil?"),
    ("商标可以抵押吗", "商標可以抵押嗎？"),
]
UNLIKE = [
    ("商标可以抵押吗", "专利可以抵押吗"),
    ("How much does a drone cost", "how much does a patent cost in Brazil"),
    ("tell me about the moon", "tell me about mooring a boat"),
]


@pytest.mark.parametrize(("first", "second"), LIKE)
def test_the_same_in_other_words_or_the_other_script_is_one_group(first: str, second: str) -> None:
    assert clusters([first, second], ANALYZER) == [[0, 1]]


@pytest.mark.parametrize(("first", "second"), UNLIKE)
def test_another_subject_is_another_group(first: str, second: str) -> None:
    assert clusters([first, second], ANALYZER) == [[0], [1]]


WORDS = st.sampled_from(
    ["how", "what", "patent", "export", "wine", "cost", "moon", "商标", "专利", "烤", "?", "𠮷", "\u200b"]
)
TEXTS = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=25)


@given(TEXTS)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@example(["patent", "how how how export export patent", "export", "how how how export export patent"])
def test_every_question_stands_in_one_group_led_by_its_first(texts: list[str]) -> None:
    found = clusters(texts, ANALYZER)
    assert sorted(place for group in found for place in group) == list(range(len(texts)))
    assert all(group == sorted(group) for group in found)
    assert found == clusters(texts, ANALYZER)
    group_of = {place: group[0] for group in found for place in group}
    for place, text in enumerate(texts):
        assert group_of[place] == group_of[texts.index(text)]


def test_many_long_questions_of_many_subjects_take_no_more_than_their_number() -> None:
    words = [f"{first}{middle}{last}" for first in "bcdfgklm" for middle in ("aru", "oli", "ena") for last in "nrstx"]
    texts = [" ".join(words[(n * step) % len(words)] for step in range(1, 40)) for n in range(1, 400)]
    began = time.process_time()
    assert sum(map(len, clusters(texts, ANALYZER))) == len(texts)
    assert time.process_time() - began < 10  # 1 to 2 s; over 10 s when all were held against all


def test_what_is_held_against_a_question_is_limited_and_the_rarest_comes_first() -> None:
    looked_at: list[int] = []

    class Users(list[int]):
        def __iter__(self) -> Iterator[int]:
            looked_at.append(len(self))
            return super().__iter__()

    users = {f"common {n}": Users(range(WORK // 3)) for n in range(50)} | {"rare": Users([7]), "rarer": Users([8])}
    found = promising(dict.fromkeys(users, 0.1), users)
    assert looked_at == [1, 1, WORK // 3, WORK // 3, WORK // 3]
    assert found[:2] == [7, 8]
    assert len(found) == COMPARED
