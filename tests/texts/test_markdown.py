import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.texts.markdown import TAGS, plain, split, to_html

TAG = re.compile(r"<(/?)([a-z]+)(?: href=\"[^\"<>]*\")?>")


def is_well_formed(html: str) -> bool:
    opened: list[str] = []
    for slash, name in TAG.findall(html):
        if not slash:
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    return not opened and "<" not in TAG.sub("", html)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**bold** and *italic*", "<b>bold</b> and <i>italic</i>"),
        ("__under__ ~~gone~~ `x < 1`", "<u>under</u> <s>gone</s> <code>x &lt; 1</code>"),
        ("# Heading\n\nText", "<b>Heading</b>\n\nText"),
        ("## A **b** c", "<b>A b c</b>"),
        ("- one\n- two", "• one\n• two"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("- one\n  - inner\n- two", "• one\n   • inner\n• two"),
        ("- one\n\n- two", "• one\n• two"),
        ("> said\n>\n> more", "<blockquote>said\n\nmore</blockquote>"),
        ("> a\n>> b", "<blockquote>a\n\nb</blockquote>"),
        ("```\na < b\n\nc\n```", "<pre>a &lt; b\n\nc</pre>"),
        ("one\ntwo", "one two"),
        ("第一行\n第二行", "第一行第二行"),
        ("one\\\ntwo", "one\ntwo"),
        ("[site](https://a.hk/?x=1&y=2)", '<a href="https://a.hk/?x=1&amp;y=2">site</a>'),
        ("<mailto:a@b.hk>", '<a href="mailto:a@b.hk">mailto:a@b.hk</a>'),
        ("![seal](https://a.hk/seal.png)", "seal"),
        ("知识产权**既负责制定，也负责落地**，从", "知识产权<b>既负责制定，也负责落地</b>，从"),
        ("**每次时长：**60 分钟", "<b>每次时长：</b>60 分钟"),
        ("请看**“标题”**一节", "请看<b>“标题”</b>一节"),
        ("**甲**乙**丙**", "<b>甲</b>乙<b>丙</b>"),
        ("- **创造**：决定", "• <b>创造</b>：决定"),
        ("中__文__字", "中<u>文</u>字"),
        ("", ""),
    ],
)
def test_markdown_becomes_telegram_html(markdown: str, html: str) -> None:
    assert to_html(markdown) == html


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,AA)",
        "[x](/relative)",
        '<a href="https://x.hk">x</a>',
        "<b onclick=x>y</b>",
    ],
)
def test_nothing_dangerous_gets_through(markdown: str) -> None:
    assert "<" not in to_html(markdown)


def test_no_break_spaces_stay_characters_and_never_become_an_unknown_entity() -> None:
    assert to_html("10\u00a0% & more") == "10\u00a0% &amp; more"
    assert to_html("`&nbsp;`") == "<code>&amp;nbsp;</code>"


MARKS = list("ab 中。\n*_~`[]()<>&#-1.!\\:/\"'\u00a0")


@given(st.text(alphabet=st.sampled_from(MARKS), max_size=80))
def test_any_markdown_gives_html_that_telegram_can_parse(markdown: str) -> None:
    html = to_html(markdown)
    assert is_well_formed(html)
    assert {name for _, name in TAG.findall(html)} <= TAGS
    assert re.fullmatch(r"(?:[^&]|&(?:lt|gt|amp|quot);)*", html)


def test_a_short_text_is_one_part() -> None:
    assert split("<b>Hello</b>") == ["<b>Hello</b>"]


def test_nothing_to_say_is_one_part_that_the_channel_may_refuse() -> None:
    assert split("") == [""]
    assert split(" \n ") == [" \n "]


def test_parts_end_between_paragraphs_when_they_can() -> None:
    assert split("First one.\n\nSecond one.", 15) == ["First one.\n\n", "Second one."]


def test_parts_end_after_a_sentence_when_there_is_no_paragraph() -> None:
    assert split("It is so. It is not so.", 15) == ["It is so. ", "It is not so."]
    assert split("甲乙丙丁。戊己庚辛。", 8) == ["甲乙丙丁。", "戊己庚辛。"]


def test_a_tag_open_at_a_cut_is_closed_and_opened_again() -> None:
    parts = split('<a href="https://a.hk">one two</a> three', 4)
    assert parts[:2] == ['<a href="https://a.hk">one </a>', '<a href="https://a.hk">two</a> ']


def test_an_entity_counts_as_one_character_and_is_never_cut() -> None:
    assert split("&lt;&lt;&amp;&gt;", 2) == ["&lt;&lt;", "&amp;&gt;"]


def test_an_accent_stays_with_its_letter() -> None:
    assert split("abe\u0301c", 3) == ["ab", "e\u0301c"]


def test_a_part_must_hold_a_character() -> None:
    with pytest.raises(ValueError, match="at least one"):
        split("x", 0)


words = st.text(alphabet='ab中文.。 \n&<>"é\u0301', max_size=30)
trees = st.recursive(
    words.map(lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")),
    lambda inner: st.tuples(
        st.sampled_from(["b", "i", "blockquote", 'a href="https://a.hk/?a=1&amp;b=2"']),
        st.lists(inner, max_size=4),
    ).map(lambda made: f"<{made[0]}>{''.join(made[1])}</{made[0].split()[0]}>"),
    max_leaves=12,
)


@given(st.lists(trees, max_size=5).map("".join), st.integers(1, 40))
def test_parts_are_balanced_short_enough_and_say_the_same(html: str, limit: int) -> None:
    parts = split(html, limit)
    assert all(is_well_formed(part) for part in parts)
    assert all(len(plain(part)) <= limit for part in parts)
    assert "".join("".join(map(plain, parts)).split()) == "".join(plain(html).split())


@given(st.text(alphabet="ab<>/&;", max_size=40), st.integers(1, 9))
def test_broken_html_still_gives_balanced_parts(html: str, limit: int) -> None:
    parts = split(html, limit)
    assert "".join(map(plain, parts)) == plain(html)
