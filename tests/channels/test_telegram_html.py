"""Telegram's HTML: what the official server takes, refuses and makes of it; and what our page shows."""

from html import escape

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.telegram_html import (
    INVALID_UNICODE,
    Entity,
    EntityError,
    Styled,
    check_url,
    parse,
    render,
    tidy,
    typed,
    units,
    with_addresses,
)
from bot.channels.webchat.rows import content

REFUSED = {
    "&#57311;": INVALID_UNICODE,
    "&#xDFDF": INVALID_UNICODE,
    "約<br>": 'Unsupported start tag "br" at byte offset 3',
    "🙂&lt;<abac aba>": 'Unsupported start tag "abac" at byte offset 8',
    "<P>": 'Unsupported start tag "p" at byte offset 0',
    "1 < 2": 'Unsupported start tag "" at byte offset 2',
    "1 <2": "Unclosed start tag at byte offset 2",
    "x<b": "Unclosed start tag at byte offset 1",
    "<i   =aba>": 'Empty attribute name in the tag "i" at byte offset 0',
    '<a href="x"y">z</a>': 'Empty attribute name in the tag "a" at byte offset 0',
    "<b/>": 'Unsupported start tag "b/" at byte offset 0',
    "<i aba  =  ": 'Unclosed start tag "i" at byte offset 0',
    "<i aba": 'Unclosed start tag "i" at byte offset 0',
    "<i aba=190azAz-.,": "Unexpected end of name token at byte offset 7",
    "<a href=x/y>z</a>": "Unexpected end of name token at byte offset 8",
    '<i aba="&lt;>': "Unclosed start tag at byte offset 0",
    "</": "Unexpected end tag at byte offset 0",
    "<b></b></b>": "Unexpected end tag at byte offset 7",
    "<i>a</i   ": "Unclosed end tag at byte offset 4",
    "<i>é</em >": 'Unmatched end tag at byte offset 5, expected "</i>", found "</em>"',
    "<b><i>a": 'Can\'t find end tag corresponding to start tag "i"',
    "<span>x</span>": 'Tag "span" must have class "tg-spoiler" at byte offset 0',
    '<tg-emoji emoji-id="x">y</tg-emoji>': "Invalid custom emoji identifier specified",
    '<tg-time unix="1" format="rt">y</tg-time>': "Invalid date format used",
}

BOLD, ITALIC = Entity("bold", 0, 1), Entity("italic", 0, 1)
LINK = Entity("text_link", 0, 1, url="http://telegram.org/")
TAKEN = {
    "": Styled(""),
    "&ge;&lt;&gt;&amp;&quot;&laquo;&#12345678;&lt": Styled('&ge;<>&"&laquo;&#12345678;<'),
    "&#x7d04;&#32004": Styled("約約"),
    "a > b & c": Styled("a > b & c"),
    "🏟<i>🏟 &lt🏟</i>": Styled("🏟🏟 <🏟", (Entity("italic", 2, 6),)),
    "<STRONG>a</strong>": Styled("a", (BOLD,)),
    "<i>a</>": Styled("a", (ITALIC,)),
    "<b></b>": Styled(""),
    "<code><i><b> </b></i></code>": Styled(" ", (Entity("code", 0, 1), BOLD, ITALIC)),
    "<u>a</u><ins>b</ins>": Styled("ab", (Entity("underline", 0, 1), Entity("underline", 1, 1))),
    "<s>a</s><del>b</del>": Styled("ab", (Entity("strikethrough", 0, 1), Entity("strikethrough", 1, 1))),
    '<span class = "tg-spoiler">a</span>': Styled("a", (Entity("spoiler", 0, 1),)),
    "<tg-spoiler>a</tg-spoiler>": Styled("a", (Entity("spoiler", 0, 1),)),
    "<a href=telegram.org>a</a>": Styled("a", (LINK,)),
    "<a href = 'telegram.org' >a</a>": Styled("a", (LINK,)),
    "<a>a</a>": Styled("a"),
    "<a>t.me</a>": Styled("t.me", (Entity("text_link", 0, 4, url="http://t.me/"),)),
    '<a href="javascript:alert(1)">a</a>': Styled("a"),
    '<a href="http://localhost/">a</a>': Styled("a"),
    '<a href="https://e.org/?a=1&amp;b=2">a</a>': Styled(
        "a", (Entity("text_link", 0, 1, url="https://e.org/?a=1&b=2"),)
    ),
    '<pre><code class="language-py">a</code></pre>': Styled("a", (Entity("pre", 0, 1, language="py"),)),
    '<code class="language-py"><pre>a</></>': Styled("a", (Entity("pre", 0, 1, language="py"),)),
    '<pre> <code class="language-py">a</></>': Styled(" a", (Entity("pre", 0, 2), Entity("code", 1, 1))),
    "<blockquote>a</blockquote>": Styled("a", (Entity("blockquote", 0, 1),)),
    "<blockquote expandable>a</blockquote>": Styled("a", (Entity("expandable_blockquote", 0, 1),)),
    '<tg-emoji emoji-id="5">a</tg-emoji>': Styled("a", (Entity("custom_emoji", 0, 1, custom_emoji_id="5"),)),
    '<tg-time unix="12345", format="wDT">a</tg-time>': Styled(
        "a", (Entity("date_time", 0, 1, unix_time=12345, date_time_format="wDT"),)
    ),
    "<tg-time>a</tg-time>": Styled("a"),
}


@pytest.mark.parametrize("html", REFUSED)
def test_broken_markup_is_refused_in_the_words_of_the_server(html: str) -> None:
    with pytest.raises(EntityError) as raised:
        parse(html)
    assert str(raised.value) == REFUSED[html]


@pytest.mark.parametrize("html", TAKEN)
def test_good_markup_becomes_text_and_entities(html: str) -> None:
    assert parse(html) == TAKEN[html]


@pytest.mark.parametrize(
    ("styled", "expected"),
    [
        (Styled("  a \n "), Styled("a")),
        (Styled("a\tb\x00c"), Styled("a b c")),
        (Styled("a\r\nb"), Styled("a\nb")),
        (Styled(" \n "), Styled("")),
        (Styled("a b ", (Entity("bold", 2, 2),)), Styled("a b", (Entity("bold", 2, 1),))),
        (Styled("  a", (Entity("bold", 1, 2),)), Styled(" a", (Entity("bold", 0, 2),))),
        (Styled("a\r\r🙂b", (Entity("bold", 3, 3),)), Styled("a🙂b", (Entity("bold", 1, 3),))),
        (Styled("a\r", (Entity("bold", 1, 1),)), Styled("a")),
    ],
)
def test_every_text_is_tidied_and_its_entities_follow(styled: Styled, expected: Styled) -> None:
    assert tidy(styled) == expected


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("a\nb", "a<br>b"),
        ("<b>a<i>b</i></b>", "<b>a<i>b</i></b>"),
        ("<i>a</i>🙂<b>約</b>", "<i>a</i>🙂<b>約</b>"),
        ("<pre>a\nb &lt;</pre>", "<pre>a\nb &lt;</pre>"),
        ("<tg-spoiler>a</tg-spoiler>", '<span class="tg-spoiler">a</span>'),
        ("<blockquote expandable>a\nb</blockquote>", '<blockquote class="expandable">a<br>b</blockquote>'),
        ("<tg-emoji emoji-id='5'>👍</tg-emoji>", "👍"),
        ("<tg-time unix=1>noon</tg-time>", "noon"),
        ('<a href="tg://user?id=1">a</a>', "<span>a</span>"),
    ],
)
def test_the_page_gets_only_tags_it_knows(html: str, shown: str) -> None:
    assert render(parse(html)) == shown


def test_plain_addresses_become_links_but_not_inside_code_or_links() -> None:
    styled = with_addresses(parse("see https://e.org/a?b=1&amp;c, <code>https://e.org</code>"))
    link = '<a href="https://e.org/a?b=1&amp;c" target="_blank" rel="noopener noreferrer">https://e.org/a?b=1&amp;c</a>'
    assert render(styled) == f"see {link}, <code>https://e.org</code>"


def test_chinese_punctuation_ends_an_address() -> None:
    (entity,) = with_addresses(Styled("請看https://www.ipd.gov.hk/tc/。謝謝")).entities
    assert (entity.offset, entity.length) == (2, len("https://www.ipd.gov.hk/tc/"))


def test_entities_that_cross_are_closed_and_opened_again() -> None:
    crossing = Styled("abc", (Entity("bold", 0, 2), Entity("italic", 1, 2)))
    assert render(crossing) == "<b>a<i>b</i></b><i>c</i>"


def test_commands_are_found_in_what_is_typed() -> None:
    assert typed("🙂 /book@cipo_bot now a/b </x>").entities == (Entity("bot_command", 3, 14),)


def test_half_a_character_never_reaches_the_database() -> None:
    typed("a\ud800b").text.encode()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://localhost:80/x", "Wrong HTTP URL"),
        ("https://", "URL host is empty"),
        ("javascript:alert(1)", "Unsupported URL protocol"),
        ("ftp://e.org", "Unsupported URL protocol"),
        ("https://e.org:port/", "Wrong HTTP URL"),
        ("a b", "Wrong HTTP URL"),
        ("word", "Wrong HTTP URL"),
    ],
)
def test_an_address_that_nobody_can_reach_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_url(url)


texts = st.text(st.characters(exclude_categories=["Cs"]))
soup = st.lists(
    st.one_of(
        st.sampled_from([*"<>/&;=\"' \n🙂約#x", "<b>", "</b>", "<i", "</", "<a href=", "e.org", "<pre>", "</pre>"]),
        st.sampled_from(["<span class='tg-spoiler'>", "</span>", "&lt;", "&#x", "<blockquote expandable>", "\ud800"]),
        st.text(max_size=4),
    ),
    max_size=25,
).map("".join)


@given(texts)
def test_any_escaped_text_passes_and_comes_back(text: str) -> None:
    assert parse(escape(text, quote=False)) == Styled(text)
    assert parse(f"<b>{escape(text, quote=False).replace(chr(34), '&quot;')}</b>").text == text


@given(soup)
def test_tag_soup_is_parsed_or_refused_and_what_is_shown_is_safe(html: str) -> None:
    try:
        styled = parse(html)
    except EntityError:
        return
    tidied = with_addresses(tidy(styled))
    assert all(0 <= e.offset < e.offset + e.length <= units(tidied.text) for e in tidied.entities)
    shown = render(tidied)
    assert nh3.clean(shown, tags=PAGE_TAGS, attributes=PAGE_ATTRIBUTES, link_rel=None).count("<") == shown.count("<")


PAGE_TAGS = {"b", "i", "u", "s", "a", "code", "pre", "blockquote", "span", "br"}
PAGE_ATTRIBUTES = {"a": {"href", "target", "rel"}, "span": {"class"}, "blockquote": {"class"}}


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 8), st.sampled_from(["bold", "italic", "pre", "url"]))))
def test_any_entities_render_to_balanced_tags_around_the_same_text(raw: list[tuple[int, int, str]]) -> None:
    text = "a🙂b約c\n<d"
    whole = [spot for spot in raw if spot[0] + spot[1] <= units(text) and 2 not in (spot[0], spot[0] + spot[1])]
    entities = [Entity(kind, at, length) for at, length, kind in whole]
    ordered = tuple(sorted(entities, key=lambda e: (e.offset, -e.length)))
    shown = render(Styled(text, ordered))
    open_tags: list[str] = []
    for part in shown.replace("<br>", "\n").split("<")[1:]:
        name = part.split(">")[0].split(" ")[0]
        if name.startswith("/"):
            assert open_tags.pop() == name[1:]
        else:
            open_tags.append(name)
    assert open_tags == []
    assert "".join(p.split(">", 1)[-1] for p in shown.replace("<br>", "\n").split("<")) == "a🙂b約c\n&lt;d"


def test_an_address_that_somebody_types_is_one_link() -> None:
    columns = content(typed("look at https://a.example/b, but not at https:// alone"))
    assert [entity["type"] for entity in columns["entities"]] == ["url"]
    assert columns["html"].count("<a ") == 1
