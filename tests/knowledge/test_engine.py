import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from knowledge.engine import Bands, Document, Engine, index
from knowledge.engine.analysis import detect_locale, fold

DOCUMENTS = [
    Document("role", "en", ("What does a CIPO do?", "tasks of a chief IP officer"), kin=("fee",)),
    Document("role", "zh-Hans", ("首席知识产权官做什么？", "CIPO 的职责")),
    Document("move", "en", ("How do I cancel my appointment?", "reschedule a meeting")),
    Document("move", "zh-Hans", ("怎样取消预约？", "我想改期")),
    Document("fee", "en", ("What is the price of a session?", "how much does it cost")),
    Document("fee", "zh-Hans", ("咨询收费吗？", "要多少钱")),
    Document("hello", "en", ("Hello", "good morning"), browsable=False),
]
SYNONYMS = [("appointment", "booking", "预约"), ("CIPO", "chief IP officer", "首席知识产权官")]


@pytest.fixture(scope="module")
def small() -> Engine:
    return Engine.fit(DOCUMENTS, SYNONYMS, Bands(0.65, 0.3))


@pytest.mark.parametrize(
    ("text", "entry", "locale"),
    [
        ("How do I cancel my appointment?", "move", "en"),
        ("HOW DO I CANCEL MY APPOINTMENT", "move", "en"),
        ("ｈｏｗ ｄｏ ｉ ｃａｎｃｅｌ ｍｙ ａｐｐｏｉｎｔｍｅｎｔ？", "move", "en"),
        ("Hi there, could you please tell me how do I cancel my appointment? Thanks", "move", "en"),
        ("你好，请问怎样取消预约呢", "move", "zh-Hans"),
        ("怎樣取消預約？", "move", "zh-Hant"),
        ("cancelling my booking", "move", "en"),
        ("good morning", "hello", "en"),
    ],
)
def test_a_question_is_answered_in_its_own_language(small: Engine, text: str, entry: str, locale: str) -> None:
    decision = small.decide(text)
    assert (decision.kind, decision.locale) == ("answer", locale)
    assert [candidate.entry_id for candidate in decision.candidates] == [entry]


def test_a_stored_phrasing_has_the_top_confidence(small: Engine) -> None:
    candidate = small.search("我想改期")[0]
    assert (candidate.entry_id, candidate.confidence, candidate.why.exact) == ("move", 0.99, True)
    assert candidate.why.phrasing == "我想改期"


@pytest.mark.parametrize(
    "text",
    ["", " ", "😀👍🏽", "?!…", "\x00\x07\u200b", "a" * 4096, "啊" * 4096, "what is it", "你是", "\ud800", "﷽" * 300],
)
def test_what_says_nothing_is_declined(small: Engine, text: str) -> None:
    decision = small.decide(text, "zh-Hant")
    assert (decision.kind, decision.candidates) == ("decline", ())


@pytest.mark.parametrize("text", ["Bonjour, où est la gare ?", "Привет, как дела?", "駅はどこですか"])
def test_another_topic_in_another_language_is_declined(small: Engine, text: str) -> None:
    assert small.decide(text).kind == "decline"


SNIPPETS = [
    "<~>", "</~>", "<~/>", '<b class="~">~</b>', "<script>~(1)</script>", "{{ ~ }}", "{% if ~ %}", "{% for ~ in ~ %}",
    "${~}", "~?", "(~)", "1=~", "' OR ~=~ --", "'; DROP TABLE ~; --", "SELECT ~ FROM ~ WHERE 1=1", "&~;", "\\~", "%~",
    "~" * 40, "~ " * 2000, "~ ? " * 1000, "~ 1 " * 1000,
]  # fmt: skip


def stands_for_no_word(sign: str) -> bool:
    """™ does: it is read as "tm", and its meaning can be asked."""
    return len(unicodedata.normalize("NFKC", sign)) == 1


SYMBOLS = st.characters(categories=("L", "N", "P", "S")).filter(stands_for_no_word)


@settings(max_examples=40)
@example(symbol="<")
@example(symbol='"')
@given(symbol=st.one_of(SYMBOLS, st.sampled_from("abipqrx01专标税书")))
def test_a_symbol_alone_in_tags_templates_or_statements_is_never_answered(engine: Engine, symbol: str) -> None:
    for snippet in SNIPPETS:
        decision = engine.decide(snippet.replace("~", symbol))
        # 滚, "get lost", is a whole text of the base
        assert decision.kind != "answer" or decision.candidates[0].why.exact, snippet


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["b", "p", "ip", "1", "?", "专", "标", "fee", "x2", "<b>"]), min_size=1, max_size=3))
def test_few_symbols_again_and_again_are_never_answered(engine: Engine, symbols: list[str]) -> None:
    text = " ".join(symbols) + " "
    started = time.process_time()
    assert engine.decide(text * (4096 // len(text))).kind != "answer"
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("text", ["b", "B?", "<b>", "{{ b }}", "1=1", "' OR 1=1 --", "{% if p %}", "p " * 2000, "2022"])
def test_letters_and_numbers_alone_say_nothing(engine: Engine, text: str) -> None:
    assert engine.decide(text).candidates == ()


def test_a_letter_beside_words_still_counts(engine: Engine) -> None:
    assert engine.search("标准专利 R 和 O 的分别")[0].entry_id == "pat-05"
    lettered = Engine([*DOCUMENTS, Document("r", "zh-Hans", ("R圈",)), Document("q", "zh-Hans", ("Q圈",))])
    assert [c.entry_id for c in (lettered.search("R圈")[0], lettered.search("Q圈呢")[0])] == ["r", "q"]


def test_a_letter_that_is_a_stored_text_is_answered() -> None:
    lettered = Engine([*DOCUMENTS, Document("c", "en", ("c",))])
    assert lettered.decide("C?").candidates[0].entry_id == "c"


def test_markup_around_words_is_no_part_of_the_question(engine: Engine) -> None:
    plain, marked = engine.search("What does a CIPO do?"), engine.search("<b>What</b> does a <i>CIPO</i> do?{{ x }}")
    assert marked == plain


def test_small_talk_that_is_guessed_from_a_misspelt_word_needs_the_full_band() -> None:
    weather = Document("weather", "en", ("how is the weather", "weather today"), browsable=False)
    for text, kind in (("leather shoes today", "decline"), ("weather then today", "answer")):
        sure = Engine([*DOCUMENTS, weather]).search(text)[0]
        assert sure.entry_id == "weather"
        bands = Bands(
            min(1.0, sure.confidence * 1.1), sure.confidence * 0.5
        )  # half-way lies below, the full band above
        assert Engine([*DOCUMENTS, weather], bands=bands).decide(text).kind == kind


def test_two_entries_with_the_same_question_are_both_offered() -> None:
    twins = [*DOCUMENTS, Document("move-2", "en", ("How do I cancel my appointment?",))]
    decision = Engine.fit(twins).decide("how do I cancel my appointment")
    assert decision.kind == "suggest"
    assert {c.entry_id for c in decision.candidates[:2]} == {"move", "move-2"}


def test_small_talk_is_never_offered(small: Engine) -> None:
    for text in ("hello price", "good morning session", "hello hello cancel", "morning"):
        decision = small.decide(text)
        assert decision.kind != "suggest" or "hello" not in {c.entry_id for c in decision.candidates}


@pytest.mark.parametrize(
    ("context", "text", "entry"),
    [
        ("apt-01", "how much?", "apt-05"),
        ("apt-01", "多少钱", "apt-05"),
        ("apt-01", "那要多少錢？", "apt-05"),
        ("apt-01", "in Cantonese?", "apt-06"),
        ("cipo-01", "do we need one?", "cipo-06"),
    ],
)
def test_a_short_question_goes_on_from_what_was_answered_before(
    engine: Engine, context: str, text: str, entry: str
) -> None:
    assert engine.decide(text).kind != "answer"
    best = engine.decide(text, context=context).candidates[0]
    assert (best.entry_id, best.why.context) == (entry, context)


@pytest.mark.parametrize("text", ["who won the world cup?", "and the moon?", "那火星呢", "asdf?"])
def test_what_does_not_go_on_from_the_answer_is_not_answered_from_it(engine: Engine, text: str) -> None:
    assert engine.decide(text, context="apt-01").kind != "answer"


@pytest.mark.parametrize("text", ["thanks", "What is a CIPO?", "谢谢"])
def test_a_stored_phrasing_means_the_same_after_any_answer(engine: Engine, text: str) -> None:
    alone, after = engine.decide(text), engine.decide(text, context="apt-01")
    assert (after.kind, after.candidates) == ("answer", alone.candidates)


def test_an_unknown_context_changes_nothing(engine: Engine) -> None:
    assert engine.decide("收费吗", context="no such entry") == engine.decide("收费吗")


@pytest.mark.parametrize("text", ["费用", "香港", "renewal", "fee"])
def test_a_bare_word_is_not_taken_for_certain_because_one_relative_has_it(engine: Engine, text: str) -> None:
    for context in ("cipo-01", "bot-05", "dd-01"):
        assert engine.decide(text, context=context).kind != "answer", context


def test_what_is_asked_back_after_an_answer_holds_its_relatives_and_the_answer_itself(engine: Engine) -> None:
    for context, text, meant in (("cop-03", "and in Hong Kong?", "cop-07"), ("cipo-01", "do we need one?", "cipo-06")):
        decision = engine.decide(text, context=context)
        assert decision.kind == "suggest"
        assert {meant, context} <= {candidate.entry_id for candidate in decision.candidates}


@given(text=st.sampled_from(["how much?", "那呢？", "and then?", "多久", "who?", "why?"]), data=st.data())
def test_the_answer_that_was_just_given_is_never_given_again_for_a_follow_up(
    engine: Engine, text: str, data: st.DataObject
) -> None:
    context = data.draw(st.sampled_from(["apt-01", "apt-05", "cipo-01", "evt-01", "bot-05", "tm-01"]))
    decision = engine.decide(text, context=context)
    assert decision.kind != "answer" or decision.candidates[0].entry_id != context


def test_synonyms_join_what_is_asked_and_what_is_stored() -> None:
    plain, joined = Engine.fit(DOCUMENTS), Engine.fit(DOCUMENTS, SYNONYMS)
    assert plain.decide("booking").kind == "decline"
    assert joined.search("booking")[0].entry_id == "move"
    assert joined.search("预约")[0].entry_id == "move"


@pytest.mark.parametrize("make", [Engine, Engine.fit])
def test_synonyms_do_not_pull_down_what_was_found_without_them(make: Callable[..., Engine]) -> None:
    """Neither a group that the documents use, nor one they do not, costs a question its score."""
    texts = ["reschedule my appointment", "cancel my appointment", "price of a session", "怎样取消预约", "CIPO 的职责"]
    strange = [("reschedule", "put off", "改期"), ("price", "tariff", "价钱"), ("quokka", "wombat")]
    plain = make(DOCUMENTS)
    for synonyms in (SYNONYMS, [*SYNONYMS, *strange], strange):
        joined = make(DOCUMENTS, synonyms)
        for text in texts:
            before, after = plain.search(text)[0], joined.search(text)[0]
            assert after.entry_id == before.entry_id, text
            assert after.confidence >= before.confidence - 0.1, text


def test_a_misspelt_word_is_mended_and_told(small: Engine) -> None:
    best = small.search("cancle my apointment")[0]
    assert (best.entry_id, best.why.mended) == ("move", (("cancl", "cancel"), ("apointment", "appointment")))
    assert "cancle" in best.why.matched


def test_why_tells_the_words_that_matched_as_they_were_asked(small: Engine) -> None:
    best = small.search("Rescheduling a MEETING")[0]
    assert best.why.phrasing == "reschedule a meeting"
    assert best.why.matched == ("rescheduling", "a", "meeting")


def test_a_subject_that_no_entry_is_about_is_aside_though_one_mentions_it_in_passing() -> None:
    phrasings = ("is the price of a patent talk known", "fees", "what do I pay", "costs of a talk")
    mention = Document("fee", "en", ("What is the price?", *phrasings))
    text = "patent talk price today"
    plain = Engine([*DOCUMENTS, mention], SYNONYMS).search(text)[0]
    known = Engine([*DOCUMENTS, mention], [*SYNONYMS, ("patent", "专利")]).search(text)[0]
    assert (plain.why.aside, known.why.aside) == (0.0, 1.0)


def test_a_subject_that_an_entry_asks_about_or_is_tagged_with_is_not_aside() -> None:
    patent = [*SYNONYMS, ("patent", "专利")]
    asked = Document("patent", "en", ("What is a patent?",))
    tagged = Document("patent", "en", ("What can be protected?",), tags=("patent",))
    text = "does a CIPO file a patent"
    assert Engine(DOCUMENTS, patent).search(text)[0].why.aside == 0.5
    assert Engine([*DOCUMENTS, asked], patent).search(text)[0].why.aside == 0.0
    assert Engine([*DOCUMENTS, tagged], patent).search(text)[0].why.aside == 0.0


def test_the_same_input_gives_the_same_model_and_score_whatever_its_order(small: Engine) -> None:
    again = Engine.fit(DOCUMENTS[::-1], SYNONYMS[::-1])
    assert again.model == small.model
    assert again.search("cancel the session") == small.search("cancel the session")


def test_other_documents_synonyms_or_head_are_another_model(small: Engine) -> None:
    others = [Engine.fit(DOCUMENTS[1:], SYNONYMS), Engine.fit(DOCUMENTS), Engine(DOCUMENTS, SYNONYMS)]
    assert len({small.model, *(other.model for other in others)}) == 4


def test_bands_move_decisions_but_not_scores_and_so_not_the_model(small: Engine) -> None:
    cautious = Engine.fit(DOCUMENTS, SYNONYMS, Bands(0.95, 0.01))
    assert cautious.model == small.model
    assert cautious.search("cancel the session") == small.search("cancel the session")


def test_bands_move_the_decision() -> None:
    text = "cancel or price"
    cautious = Engine.fit(DOCUMENTS, SYNONYMS, Bands(1.0, 0.01))
    silent = Engine.fit(DOCUMENTS, SYNONYMS, Bands(1.0, 1.0))
    assert cautious.decide(text).kind == "suggest"
    assert 2 <= len(cautious.decide(text).candidates) <= 3
    assert silent.decide(text).kind == "decline"


def test_bands_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="bands must rise"):
        Bands(0.3, 0.6)


def test_an_engine_without_documents_declines() -> None:
    assert Engine.fit([]).decide("hello").kind == "decline"


@given(st.text(max_size=200), st.sampled_from([None, "en", "zh-Hans", "zh-Hant"]))
def test_any_text_gives_a_sound_decision(small: Engine, text: str, locale: str | None) -> None:
    decision = small.decide(text, locale)
    sizes = {"answer": {1}, "suggest": {2, 3}, "decline": {0}}
    assert len(decision.candidates) in sizes[decision.kind]
    assert decision.locale in {"en", "zh-Hans", "zh-Hant"}
    assert all(0.0 <= c.confidence <= 1.0 for c in small.search(text, locale))
    assert decision == small.decide(text, locale)


@pytest.mark.parametrize(
    ("text", "given_locale", "locale"),
    [
        ("What is a CIPO?", "zh-Hans", "en"),
        ("PCT?", "zh-Hant", "zh-Hant"),
        ("PCT?", None, "en"),
        ("专利怎么申请", "en", "zh-Hans"),
        ("專利怎樣申請", "en", "zh-Hant"),
        ("你好", "zh-Hant", "zh-Hant"),
        ("你好", "en", "zh-Hans"),
        ("what does 首席知识产权官 mean", None, "en"),
        ("CIPO 是什么", None, "zh-Hans"),
        ("12345", "zh-Hans", "zh-Hans"),
    ],
)
def test_the_language_of_the_answer(text: str, given_locale: str | None, locale: str) -> None:
    assert detect_locale(text, given_locale) == locale


@pytest.mark.parametrize("text", ["asdf qwer zxcv", "lkjhg", "Dzień dobry", "🙂 hjkl"])
@pytest.mark.parametrize("own", ["en", "zh-Hans", "zh-Hant"])
def test_words_of_no_known_language_are_met_in_the_persons_own(engine: Engine, text: str, own: str) -> None:
    assert engine.decide(text, own).locale == own


@pytest.mark.parametrize("text", ["patent fee", "trademak renewal", "who is there", "ok"])
def test_known_and_misspelt_english_is_met_in_english(engine: Engine, text: str) -> None:
    assert engine.decide(text, "zh-Hans").locale == "en"


def test_folding_makes_width_case_script_and_marks_equal() -> None:
    assert fold("ＣＩＰＯ\u0000專利\t說明") == "cipo 专利 说明"
    assert len(fold("x" * 5000)) == 1000


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE entries; --", "<script>alert(1)</script>", "{{ 7 * 7 }}", "{% for x in y %}", "${jndi:ldap://x}"],
)
def test_code_is_text_like_any_other(engine: Engine, text: str) -> None:
    assert engine.decide(text).kind != "answer"
    assert engine.decide(f"what is a CIPO {text}").candidates == engine.decide(f"what is a CIPO {text}").candidates


def test_long_texts_take_no_longer_than_a_blink(engine: Engine) -> None:
    texts = ["a" * 4096, "专利" * 2048, "".join(chr(0x4E00 + n) for n in range(4096))]
    texts.append(" ".join(f"w{n}" for n in range(900)))
    for text in texts:
        best = min(_seconds(engine, text) for _ in range(3))
        assert best < 0.05, text[:20]


def _seconds(engine: Engine, text: str) -> float:
    start = time.process_time()  # not the wait for a busy machine
    engine.decide(text)
    return time.process_time() - start


def test_importing_the_engine_loads_no_heavy_library() -> None:
    code = (
        "import sys, knowledge.engine;"
        "print([m for m in ('numpy', 'sklearn', 'bm25s', 'rjieba', 'opencc') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


QUESTIONS = ["cancel the session", "what does a CIPO cost", "怎样改期", "cancle my apointment", "CIPO 收费吗"]


def test_a_large_base_is_indexed_in_parts_as_it_would_be_at_once(
    small: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "CHUNK", 2)
    in_parts = Engine.fit(DOCUMENTS, SYNONYMS)
    assert [in_parts.search(text) for text in QUESTIONS] == [small.search(text) for text in QUESTIONS]


def test_finalists_of_a_large_base_are_measured_as_all_entries_are(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*QUESTIONS, "who runs the programme", "will the talks be in English", "你们记录了我的什么个人资料"]
    of_all = [engine.search(text)[0] for text in asked]
    monkeypatch.setattr(index, "MOST_RANKED", 0)
    of_finalists = [engine.search(text)[0] for text in asked]
    assert [c.entry_id for c in of_finalists] == [c.entry_id for c in of_all]
    assert [c.why.cosine for c in of_finalists] == pytest.approx([c.why.cosine for c in of_all], abs=1e-3)
    assert [c.why.bm25 for c in of_finalists] == pytest.approx([c.why.bm25 for c in of_all], abs=1e-3)
    assert [c.why.coverage for c in of_finalists] == pytest.approx([c.why.coverage for c in of_all], abs=1e-3)
