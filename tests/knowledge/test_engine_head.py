"""What is learned apart from the engine: kept as bytes, used with other documents, and done without."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.engine import Document, Engine, Head, fit_head
from knowledge.engine.features import Ints
from knowledge.engine.index import Index
from knowledge.library import load

TODAY = date(2026, 11, 23)

TOPICS = {
    "card": ["my card is lost", "I lost my card", "block the stolen card", "card gone missing", "lost bank card help"],
    "rate": ["what is the exchange rate", "rate for euros", "how good is your rate", "exchange rate today", "rates"],
    "loan": ["can I get a loan", "apply for a loan", "loan for a house", "borrow some money", "loan conditions"],
    "pin": ["change my pin", "I forgot my pin code", "new pin please", "pin does not work", "reset the pin"],
    "卡": ["我的卡丢了怎么办", "银行卡丢失", "挂失银行卡", "卡被偷了", "补办银行卡"],
    "汇率": ["今天汇率是多少", "欧元汇率", "你们的汇率怎么样", "汇率查询", "美元兑换率"],
}  # fmt: skip


def documents(topics: dict[str, list[str]] = TOPICS) -> list[Document]:
    return [Document(name, "en" if name.isascii() else "zh-Hans", tuple(texts)) for name, texts in topics.items()]


@pytest.fixture(scope="module")
def head() -> Head:
    return fit_head(documents())


def test_a_head_read_back_is_the_same_head(head: Head) -> None:
    again = Head.from_bytes(head.to_bytes())
    assert again.id == head.id
    questions = ["where is my card", "a loan", "兑换汇率"]
    one, other = (Engine(documents(), (), each) for each in (head, again))
    assert [one.search(text) for text in questions] == [other.search(text) for text in questions]


def test_the_same_documents_in_any_order_give_the_same_head_and_bytes(head: Head) -> None:
    again = fit_head(documents()[::-1])
    assert (again.id, again.to_bytes()) == (head.id, head.to_bytes())


@given(st.data())
def test_a_damaged_head_is_refused(head: Head, data: st.DataObject) -> None:
    whole = head.to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
    with pytest.raises(ValueError):
        Head.from_bytes(damaged)


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Head.from_bytes(data)


def test_an_npz_of_something_else_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("heads") / "other.npz"
    np.savez(file, told=np.arange(3, dtype=np.uint8))
    with pytest.raises(ValueError):
        Head.from_bytes(file.read_bytes())


def test_an_entry_that_the_head_does_not_know_can_still_be_answered(head: Head) -> None:
    new = Document("branch", "en", ("where is the nearest branch", "branch opening hours", "find a branch"))
    engine = Engine([*documents(), new], (), head)
    best = engine.search("is there a branch near the station")[0]
    assert (best.entry_id, best.why.head) == ("branch", None)
    assert engine.decide("where is the nearest branch?").kind == "answer"
    assert engine.search("please block my lost card")[0].entry_id == "card"


def test_an_entry_that_is_gone_is_never_found(head: Head) -> None:
    left = documents({name: texts for name, texts in TOPICS.items() if name != "card"})
    engine = Engine(left, (), head)
    found = {candidate.entry_id for text in TOPICS["card"] for candidate in engine.search(text)}
    assert "card" not in found
    assert engine.search("apply for the loan")[0].entry_id == "loan"


def test_a_head_of_quite_other_documents_is_as_good_as_none(head: Head) -> None:
    others = [Document("tea", "en", ("green tea", "tea with milk")), Document("ice", "en", ("ice cream", "some ice"))]
    stale, light = Engine(others, (), head), Engine(others)
    assert [c.entry_id for c in stale.search("milk tea")] == [c.entry_id for c in light.search("milk tea")]


def test_an_edited_phrasing_is_found_before_the_head_is_learned_anew(head: Head) -> None:
    edited = [
        replace(document, texts=(*document.texts, "they swallowed my plastic"))
        if document.entry_id == "card"
        else document
        for document in documents()
    ]
    engine = Engine(edited, (), head)
    assert engine.search("my plastic was swallowed")[0].entry_id == "card"


def test_an_engine_without_a_head_answers_and_says_so() -> None:
    engine = Engine(documents())
    assert engine.model.endswith("light")
    best = engine.search("I have lost the card")[0]
    assert (best.entry_id, best.why.head) == ("card", None)


def test_what_is_taken_over_from_another_engine_changes_nothing() -> None:
    before = Engine(documents(), [("card", "银行卡")])
    changed = [*documents()[1:], Document("card", "en", ("card",))]
    for synonyms in ([("card", "银行卡")], [("loan", "贷款")], []):
        fresh = Engine(changed, synonyms)
        warm = Engine(changed, synonyms, previous=before)
        assert warm.model == fresh.model
        assert warm.search("银行卡") == fresh.search("银行卡")
        assert warm.search("loan rate") == fresh.search("loan rate")


def told(topics: dict[str, list[str]]) -> list[Document]:
    """Documents with tags and answers."""
    return [replace(each, tags=(each.entry_id, "money"), body=" ".join(each.texts[::2])) for each in documents(topics)]


ADDED = [
    "my card costs money",
    "what is a rate",
    "I lost my card",
    "help",
    "汇率",
    "银行卡 card card card",
    "ßtrange 词",
]
EDITS = st.lists(
    st.tuples(st.sampled_from([*TOPICS, "new"]), st.integers(0, 5), st.lists(st.sampled_from(ADDED), max_size=3)),
    min_size=1,
    max_size=4,
)


@given(EDITS, st.booleans())
@settings(max_examples=40, deadline=None)
def test_through_any_edits_what_is_taken_over_is_as_if_made_anew(
    head: Head, edits: list[tuple[str, int, list[str]]], has_head: bool
) -> None:
    used, topics = head if has_head else None, TOPICS
    warm = Engine(told(topics), (), used)
    for name, dropped, added in edits:
        topics = {**topics, name: [*TOPICS.get(name, [])[dropped:], *added]}
        topics = {name: texts for name, texts in topics.items() if texts}
        warm = Engine(told(topics), (), used, previous=warm)
    fresh = Engine(told(topics), (), used)
    assert warm.model == fresh.model
    for text in (*ADDED, "where is my lost card", "欧元", "a loan at what rate"):
        expected = [(found.entry_id, pytest.approx(found.confidence, rel=1e-4)) for found in fresh.search(text)]
        assert [(found.entry_id, found.confidence) for found in warm.search(text)] == expected


def test_a_head_is_not_worked_out_anew_for_texts_that_it_does_not_know(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    matrix = Index.matrix

    def counting(index: Index, rows: Ints) -> Any:
        made.append(len(rows))
        return matrix(index, rows)

    monkeypatch.setattr(Index, "matrix", counting)
    before = Engine(documents(), (), head)
    added = {**TOPICS, "pin": [*TOPICS["pin"], "the number of my card"]}
    after = Engine(documents(added), (), head, previous=before)
    assert made == [30]
    assert after.search("change my pin")[0].why.head == before.search("change my pin")[0].why.head
    Engine(documents({**TOPICS, "pin": TOPICS["pin"][1:]}), (), head, previous=after)
    assert made == [30, 29]


@pytest.mark.parametrize("texts", [1, 2])
def test_a_base_too_small_to_learn_from_still_answers(texts: int) -> None:
    few = documents({name: phrasings[:texts] for name, phrasings in TOPICS.items()})
    engine = Engine.fit(few)
    assert engine.search("is the card lost?")[0].entry_id == "card"
    assert Head.from_bytes(fit_head(few).to_bytes()).id == fit_head(few).id


def test_nothing_to_learn_from_is_no_error() -> None:
    assert Engine.fit([]).decide("hello").kind == "decline"
    assert Engine.fit([Document("a", "en", ("only one",))]).search("only one")[0].entry_id == "a"


def test_answering_with_a_head_does_not_load_scikit_learn(tmp_path_factory: pytest.TempPathFactory, head: Head) -> None:
    file = tmp_path_factory.mktemp("heads") / "head.npz"
    file.write_bytes(head.to_bytes())
    code = (
        "import sys; from pathlib import Path; from tests.knowledge.test_engine_head import documents\n"
        "from knowledge.engine import Engine, Head\n"
        f"engine = Engine(documents(), (), Head.from_bytes(Path({str(file)!r}).read_bytes()))\n"
        "print(engine.search('lost card')[0].entry_id, 'sklearn' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["card", "False"]


def test_a_head_finds_withheld_phrasings_at_least_as_well_as_none() -> None:
    base = load()
    full = base.documents(TODAY)
    asked = [(d.entry_id, d.texts[-1]) for d in full if d.locale == "en" and len(d.texts) > 4]
    left = [replace(d, texts=d.texts[:-1]) if d.locale == "en" and len(d.texts) > 4 else d for d in full]
    engines = (Engine(left, base.synonyms()), Engine.fit(left, base.synonyms()))
    light, learned = (sum(e.search(text)[0].entry_id == entry for entry, text in asked) for e in engines)
    assert learned >= max(light - 2, 0.4 * len(asked))
