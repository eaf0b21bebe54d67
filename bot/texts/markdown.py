"""Small Markdown to Telegram's HTML, and long Telegram HTML into several messages.

Telegram knows no paragraphs, lists or headings: blank lines, "•" and bold stand in for them.
`**bold**`, `*italic*`, `__underlined__` and `~~struck~~` are as in Telegram's own Markdown.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape, unescape
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup

MAX_MESSAGE: Final = 4096
SCHEMES: Final = frozenset({"http", "https", "mailto", "tg"})
TAGS: Final = frozenset({"b", "i", "u", "s", "a", "code", "pre", "blockquote"})

_RULE: Final = "⸻"
_INDENT: Final = "   "
_CHINESE = re.compile("[\u3000-\u303f\u3400-\u9fff\uff00-\uffef“”‘’…—]")
_SAYS_SOMETHING = re.compile(r"^[^\s<&]|>[^\s<&]")
"""A letter right at the start or behind a tag: no closer look is needed to know that a text is not empty."""
_MARK: Final = "\u2e32"
_BESIDE_CHINESE = re.compile(f"(?<={_CHINESE.pattern})([*_~]+)|([*_~]+)(?={_CHINESE.pattern})")


def to_html(markdown: str) -> Markup:
    """Markdown as Telegram HTML. HTML in it is shown as written, never obeyed."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
    tokens = parser.parse(_marked(markdown))
    html = _Renderer().blocks(SyntaxTreeNode(tokens).children)
    return Markup(_gate(html.replace(_MARK, "")))  # noqa: S704  escaped above, cleaned by the gate


def split(html: str, limit: int = MAX_MESSAGE) -> list[str]:
    """Parts of at most `limit` code points after entity parsing, each well formed by itself.

    Cuts between paragraphs, else lines, sentences, words, and never inside a tag or an entity;
    tags open at a cut are closed and opened again. The parts together say the same text; a part
    of nothing but white space is left out, as Telegram refuses it. There is always one part.
    """
    if limit < 1:
        msg = f"a part must hold at least one character, not {limit}"
        raise ValueError(msg)
    if len(html) <= limit and _SAYS_SOMETHING.search(html):
        return [html]
    parts = [part for part in _parts(list(_pieces(html)), limit) if plain(part).strip()]
    return parts or [escape(plain(html)[:limit], quote=False)]


def plain(html: str) -> str:
    """What a reader sees of Telegram HTML: tags gone, entities resolved."""
    return "".join(piece.shown for piece in _pieces(html))


def _marked(markdown: str) -> str:
    """Let `**重点：**内容` be bold as its writer means it.

    Markdown wants a space or punctuation outside such a run, which Chinese does not write; a
    rare punctuation mark, taken out again afterwards, stands in for it.
    """
    return _BESIDE_CHINESE.sub(f"{_MARK}\\g<0>{_MARK}", markdown.replace(_MARK, ""))


def _gate(html: str) -> str:
    """Whatever came before, only Telegram's tags and harmless addresses leave."""
    clean = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={"a": {"href"}},
        url_schemes=set(SCHEMES),
        link_rel=None,
    )
    return clean.replace("&nbsp;", "\u00a0")  # Telegram knows four named entities only


class _Renderer:
    """Writes markdown-it's tree; every text is escaped on the way."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def blocks(self, nodes: Sequence[SyntaxTreeNode], between: str = "\n\n") -> str:
        written = (self._block(node) for node in nodes)
        return between.join(block for block in written if block.strip())

    def _block(self, node: SyntaxTreeNode, depth: int = 0) -> str:
        match node.type:
            case "heading":
                return self._tagged("b", node)
            case "blockquote":
                return self._quote(node)
            case "bullet_list" | "ordered_list":
                return self._list(node, depth)
            case "fence" | "code_block":
                code = node.content.strip("\n")
                return f"<pre>{escape(code, quote=False)}</pre>"
            case "hr":
                return _RULE
            case _:
                return self._inline(node)

    def _quote(self, node: SyntaxTreeNode) -> str:
        """Telegram refuses a quote within a quote: the inner one joins the outer."""
        if "blockquote" in self._open:
            return self.blocks(node.children)
        self._open.append("blockquote")
        inside = self.blocks(node.children)
        self._open.pop()
        return f"<blockquote>{inside}</blockquote>"

    def _list(self, node: SyntaxTreeNode, depth: int) -> str:
        start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
        marks = ("•" if start is None else f"{start + at}." for at in range(len(node.children)))
        items = zip(marks, node.children, strict=False)
        return "\n".join(_INDENT * depth + self._item(mark, item, depth) for mark, item in items)

    def _item(self, mark: str, item: SyntaxTreeNode, depth: int) -> str:
        inside = [self._block(child, depth + 1) for child in item.children]
        return f"{mark} " + "\n".join(inside).lstrip()

    def _inline(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "text":
                return escape(node.content)
            case "code_inline":
                return f"<code>{escape(node.content)}</code>"
            case "strong":
                return self._tagged("u" if node.markup == "__" else "b", node)
            case "em":
                return self._tagged("i", node)
            case "s":
                return self._tagged("s", node)
            case "link":
                return self._link(node)
            case "image":
                return escape(node.content)
            case "softbreak":
                return _join(node)
            case "hardbreak":
                return "\n"
            case _:
                return self._children(node)

    def _children(self, node: SyntaxTreeNode) -> str:
        return "".join(self._inline(child) for child in node.children)

    def _tagged(self, tag: str, node: SyntaxTreeNode) -> str:
        if tag in self._open:
            return self._children(node)
        self._open.append(tag)
        inside = self._children(node)
        self._open.pop()
        return f"<{tag}>{inside}</{tag}>" if inside.strip() else inside

    def _link(self, node: SyntaxTreeNode) -> str:
        href = str(node.attrs.get("href", ""))
        text = self._children(node)
        return f'<a href="{escape(href)}">{text}</a>' if _is_safe(href) else text


def _is_safe(href: str) -> bool:
    try:
        return urlsplit(href).scheme.lower() in SCHEMES
    except ValueError:
        return False


def _join(node: SyntaxTreeNode) -> str:
    """A line wrapped in the source goes on with a space, in Chinese with none."""
    before, after = node.previous_sibling, node.next_sibling
    last = before.content[-1:] if before and before.type == "text" else ""
    first = after.content[:1] if after and after.type == "text" else ""
    return "" if _CHINESE.match(last) and _CHINESE.match(first) else " "


class _Piece(NamedTuple):
    """A tag, or one character as written and as shown. `name` is set for tags only."""

    raw: str
    shown: str
    name: str = ""
    closes: bool = False


_TOKEN = re.compile(
    r"""(?P<tag><(?P<slash>/?)(?P<name>[a-zA-Z][a-zA-Z0-9-]*)(?:[^<>"']|"[^"]*"|'[^']*')*>)"""
    r"|(?P<entity>&(?:lt|gt|amp|quot|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});)|(?P<char>.)",
    re.DOTALL,
)


def _pieces(html: str) -> Iterator[_Piece]:
    for found in _TOKEN.finditer(html):
        raw = found.group()
        if found["tag"]:
            yield _Piece(raw, "", found["name"].lower(), bool(found["slash"]))
        elif found["entity"]:
            yield _Piece(raw, unescape(raw)[:1] or " ")
        else:
            yield _Piece(raw, raw)


def _parts(pieces: Sequence[_Piece], limit: int) -> Iterator[str]:
    opened: list[_Piece] = []
    start = 0
    while start < len(pieces):
        end = _end_of_part(pieces, start, limit)
        before = "".join(tag.raw for tag in opened)
        inside = "".join(_balanced(pieces[start:end], opened))
        after = "".join(f"</{tag.name}>" for tag in reversed(opened))
        yield before + inside + after
        start = end


def _balanced(pieces: Sequence[_Piece], opened: list[_Piece]) -> Iterator[str]:
    """The pieces as written; `opened` follows along. A stray end tag is left out."""
    for piece in pieces:
        if piece.closes:
            if not opened or opened[-1].name != piece.name:
                continue
            opened.pop()
        elif piece.name:
            opened.append(piece)
        yield piece.raw


def _end_of_part(pieces: Sequence[_Piece], start: int, limit: int) -> int:
    places = []
    for at in range(start, len(pieces)):
        if pieces[at].shown:
            places.append(at)
        if len(places) > limit:
            break
    if len(places) <= limit:
        return len(pieces)
    shown = "".join(pieces[at].shown for at in places)
    end = places[_cut(shown, limit) - 1] + 1
    while end < len(pieces) and pieces[end].closes:
        end += 1
    return end


# Where a text may be cut, best first: after a paragraph, a line, a sentence, a clause or word.
_BREAKS = tuple(
    re.compile(pattern) for pattern in (r"\n\s*\n", r"\n", r"[.!?;]['\")]*\s+|[。！？；][」』”）]*", r"\s+|[，、：]")
)


def _cut(shown: str, limit: int) -> int:
    """How many of the characters go into the part; `shown` is one longer than the limit."""
    for breaks in _BREAKS:
        ends = [found.end() for found in breaks.finditer(shown) if found.end() <= limit]
        if ends and ends[-1] > limit // 2:
            return ends[-1]
    cut = limit
    while cut > 1 and _belongs_to_previous(shown[cut - 1], shown[cut]):
        cut -= 1
    return cut if cut > 1 else limit


def _belongs_to_previous(before: str, char: str) -> bool:
    """Accents, joiners and skin tones stay with the character they change."""
    joined = "\u200d" in (before, char) or "\U0001f3fb" <= char <= "\U0001f3ff"
    return joined or unicodedata.category(char).startswith("M")
