"""Telegram's small HTML, read as strictly as the official server reads it, and written for our own page.

`parse` accepts and refuses what the server does, in its wording (td/telegram/MessageEntity.cpp, `parse_html`;
offsets in messages count bytes, those of entities UTF-16 code units). `tidy` is what the server does to every text
afterwards; limits count code points of its result. `render` writes the page's HTML: only tags the page knows.
"""

import re
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape
from ipaddress import ip_address
from itertools import pairwise
from typing import NoReturn
from urllib.parse import urlsplit

_TYPES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "u": "underline",
    "ins": "underline",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
    "a": "text_link",
    "pre": "pre",
    "code": "code",
    "blockquote": "blockquote",
}
_RANKS = {
    "blockquote": 0,
    "expandable_blockquote": 0,
    "pre": 11,
    "code": 20,
    "text_link": 49,
    "bold": 90,
    "italic": 91,
    "underline": 92,
    "strikethrough": 93,
    "spoiler": 94,
    "custom_emoji": 99,
}
"""Which of two entities over the same text is the outer one; 50 for the others."""

_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_MARKUP = re.compile("[<&]")
_REFERENCE = re.compile(r"&(?:#x(?P<hex>[0-9a-fA-F]*)|#(?P<dec>[0-9]*)|(?P<name>[a-zA-Z]*))")
_SPACE = " \t\r\n\x0b\x0c\x00"
_SPACES = re.compile(f"[{_SPACE}]+")
_TAG_NAME = re.compile(f"[^{_SPACE}>]+")
_ATTRIBUTE_NAME = re.compile(f"[^{_SPACE}=>/\"']+")
_QUOTED = {quote: re.compile(f"[^&{quote}]+") for quote in "'\""}
_TIME_FORMAT = re.compile(r"r|[wWdDtT]*")
_LANGUAGE = "language-"

INVALID_UNICODE = (
    "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate code units"
)


class EntityError(ValueError):
    """The markup is refused; the text is the server's, without "can't parse entities: "."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A styled stretch of a text; offset and length count UTF-16 code units. Field names are the Bot API's."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    custom_emoji_id: str | None = None
    unix_time: int | None = None
    date_time_format: str | None = None

    def as_json(self) -> dict[str, str | int]:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Styled:
    """A text without markup, and what was marked in it."""

    text: str
    entities: tuple[Entity, ...] = ()


def units(text: str) -> int:
    """The length in UTF-16 code units, in which Telegram counts positions."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_url(url: str) -> str:
    """The address as the server keeps it; ValueError with the server's reason if it takes none such."""
    address = url.strip()
    if any(char in _SPACE for char in address):
        raise ValueError("Wrong HTTP URL")
    if "://" not in address:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:(?!\d)", address):
            raise ValueError("Unsupported URL protocol")
        address = "http://" + address
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise ValueError("Wrong HTTP URL") from None
    if parts.scheme in ("tg", "ton", "tonsite"):
        return address
    if parts.scheme not in ("http", "https"):
        raise ValueError("Unsupported URL protocol")
    if not host:
        raise ValueError("URL host is empty")
    if not _is_public_name(host):
        raise ValueError("Wrong HTTP URL")
    return address if parts.path or parts.query or parts.fragment else address + "/"


def _is_public_name(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ip_address(host))
        except ValueError:
            return False
    return "." in host.strip(".") and re.fullmatch(r"[\w.-]+", host) is not None


# Reading


@dataclass(slots=True)
class _Open:
    """A tag that waits for its end."""

    name: str
    argument: str
    unix_time: int
    start: int
    begin: int


class _Reader:
    def __init__(self, html: str) -> None:
        self.html = html
        self.at = 0
        self.pieces: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.found: list[Entity] = []

    def read(self) -> Styled:
        while self.at < len(self.html):
            char = self.html[self.at]
            if char == "<":
                self._tag()
            elif char == "&":
                self._put(self._referred())
            else:
                self._plain()
        if self.open:
            raise EntityError(f'Can\'t find end tag corresponding to start tag "{self.open[-1].name}"')
        text = "".join(self.pieces)
        if not _is_text(text):
            raise EntityError(INVALID_UNICODE)
        return Styled(text, _in_order(_without_helpers(self.found)))

    def _plain(self) -> None:
        start, found = self.at, _MARKUP.search(self.html, self.at)
        self.at = found.start() if found is not None else len(self.html)
        self._put(self.html[start : self.at])

    def _put(self, text: str) -> None:
        self.pieces.append(text)
        self.length += units(text)

    def _referred(self) -> str:
        """The character that a reference stands for; an ampersand that begins none stands for itself."""
        if (decoded := self._decoded()) is None:
            decoded, self.at = "&", self.at + 1
        return decoded

    def _decoded(self) -> str | None:
        found = _REFERENCE.match(self.html, self.at)
        if found is None or (char := _referred(found)) is None:
            return None
        self.at = found.end() + self.html.startswith(";", found.end())
        return char

    def _tag(self) -> None:
        begin = self.at
        self.at += 1
        if self._here() == "/":
            self._end_tag(begin)
        else:
            self._start_tag(begin)

    def _here(self) -> str:
        """The character at hand; nothing at the end, as the server sees its closing zero byte."""
        return self.html[self.at : self.at + 1]

    def _run(self, of: re.Pattern[str]) -> str:
        """What stands here of such characters, if anything; it is stepped over."""
        start, found = self.at, of.match(self.html, self.at)
        self.at = found.end() if found is not None else start
        return self.html[start : self.at]

    def _fail(self, reason: str, at: int) -> NoReturn:
        raise EntityError(f"{reason} at byte offset {self._bytes(at)}")

    def _bytes(self, at: int) -> int:
        return len(self.html[:at].encode())

    def _start_tag(self, begin: int) -> None:
        name = _lower(self._run(_TAG_NAME))
        if not self._here():
            self._fail("Unclosed start tag", begin)
        if name not in _TYPES:
            self._fail(f'Unsupported start tag "{name}"', begin)
        tag = _Open(name, "", 0, self.length, len(self.pieces))
        while self._next_attribute():
            self._attribute(tag, begin)
        self.at += 1
        if name == "span" and tag.argument != "spoiler":
            self._fail('Tag "span" must have class "tg-spoiler"', begin)
        self.open.append(tag)

    def _next_attribute(self) -> bool:
        self._run(_SPACES)
        return self._here() != ">"

    def _attribute(self, tag: _Open, begin: int) -> None:
        name = self._run(_ATTRIBUTE_NAME)
        if not name:
            self._fail(f'Empty attribute name in the tag "{tag.name}"', begin)
        self._run(_SPACES)
        if self._here() != "=":
            if not self._here():
                self._fail(f'Unclosed start tag "{tag.name}"', begin)
            _take(tag, name, "")
            return
        self.at += 1
        self._run(_SPACES)
        if not self._here():
            self._fail(f'Unclosed start tag "{tag.name}"', begin)
        value = self._quoted() if self._here() in "'\"" else self._token()
        if not self._here():
            self._fail("Unclosed start tag", begin)
        _take(tag, name, value)

    def _token(self) -> str:
        start = self.at
        while (char := self._here()) and char.isascii() and (char.isalnum() or char in ".-"):
            self.at += 1
        if self._here() not in tuple(_SPACE + ">"):
            self._fail("Unexpected end of name token", start)
        return _lower(self.html[start : self.at])

    def _quoted(self) -> str:
        quote = self._here()
        self.at += 1
        value = []
        while (char := self._here()) and char != quote:
            value.append(self._referred() if char == "&" else self._run(_QUOTED[quote]))
        self.at += bool(self._here())
        return "".join(value)

    def _end_tag(self, begin: int) -> None:
        if not self.open:
            self._fail("Unexpected end tag", begin)
        self.at += 1
        name = _lower(self._run(_TAG_NAME))
        self._run(_SPACES)
        if self._here() != ">":
            self._fail("Unclosed end tag", begin)
        self.at += 1
        tag = self.open.pop()
        if name not in ("", tag.name):
            expected = f'expected "</{tag.name}>", found "</{name}>"'
            raise EntityError(f"Unmatched end tag at byte offset {self._bytes(begin)}, {expected}")
        if length := self.length - tag.start:
            self._close(tag, length)

    def _close(self, tag: _Open, length: int) -> None:
        entity = Entity(_TYPES[tag.name], tag.start, length)
        match tag.name:
            case "a":
                self._link(entity, tag)
            case "pre" | "code":
                self._code(entity, tag)
            case "tg-emoji":
                self.found.append(replace(entity, custom_emoji_id=_emoji_id(tag.argument)))
            case "tg-time":
                self._time(entity, tag)
            case "blockquote" if tag.argument:
                self.found.append(replace(entity, type="expandable_blockquote"))
            case _:
                self.found.append(entity)

    def _link(self, entity: Entity, tag: _Open) -> None:
        """An address that the server does not take leaves plain text behind."""
        url = tag.argument or "".join(self.pieces[tag.begin :])
        try:
            self.found.append(replace(entity, url=check_url(url)))
        except ValueError:
            return

    def _code(self, entity: Entity, tag: _Open) -> None:
        """`pre` and `code class="language-..."` around the same text are one block of that language."""
        before = self.found[-1] if self.found else None
        same = before is not None and (before.offset, before.length) == (entity.offset, entity.length)
        language = tag.argument or None
        if same and tag.name == "pre" and before and before.type == "code" and before.language:
            self.found[-1] = replace(before, type="pre")
        elif same and tag.name == "code" and language and before and before == replace(entity, type="pre"):
            self.found[-1] = replace(before, language=language)
        else:
            self.found.append(replace(entity, language=language if tag.name == "code" else None))

    def _time(self, entity: Entity, tag: _Open) -> None:
        if not _TIME_FORMAT.fullmatch(tag.argument):
            raise EntityError("Invalid date format used")
        if tag.unix_time > 0:
            format_ = tag.argument or None
            self.found.append(replace(entity, unix_time=tag.unix_time, date_time_format=format_))


def parse(html: str) -> Styled:
    """The text and its entities; EntityError as the server would refuse it. Does not trim: see `tidy`."""
    if not _is_text(html):
        raise EntityError(INVALID_UNICODE)
    if "<" not in html and "&" not in html:
        return Styled(html)
    return _Reader(html).read()


def _lower(name: str) -> str:
    """As the server does it, which knows the letters of ASCII only."""
    return name.lower() if name.isascii() else "".join(char.lower() if char.isascii() else char for char in name)


def _is_text(text: str) -> bool:
    """Whether no half of a surrogate pair stands alone in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _referred(found: re.Match[str]) -> str | None:
    if (name := found["name"]) is not None:
        return _NAMED.get(name)
    digits, base = (found["hex"], 16) if found["hex"] is not None else (found["dec"], 10)
    if len(found.group()) >= 10 or not digits:
        return None
    code = int(digits, base)
    return chr(code) if 0 < code < 0x10FFFF else None


def _take(tag: _Open, attribute: str, value: str) -> None:
    match tag.name, attribute:
        case ("a", "href") | ("tg-emoji", "emoji-id") | ("tg-time", "format"):
            tag.argument = value
        case "code", "class" if value.startswith(_LANGUAGE):
            tag.argument = value.removeprefix(_LANGUAGE)
        case "span", "class" if value.startswith("tg-"):
            tag.argument = value.removeprefix("tg-")
        case "blockquote", "expandable":
            tag.argument = "1"
        case "tg-time", "unix" if number := re.match(r"\d{1,12}", value):
            tag.unix_time = int(number.group())


def _emoji_id(argument: str) -> str:
    if not re.fullmatch(r"[0-9]{1,19}", argument) or not 0 < int(argument) < 2**63:
        raise EntityError("Invalid custom emoji identifier specified")
    return argument


def _without_helpers(entities: Iterable[Entity]) -> list[Entity]:
    """The language of a `code` that met no `pre` was only kept to find one."""
    return [replace(e, language=None) if e.type == "code" and e.language else e for e in entities]


def _in_order(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    def place(entity: Entity) -> tuple[int, int, int]:
        return entity.offset, -entity.length, _RANKS.get(entity.type, 50)

    return tuple(sorted(entities, key=place))


# What every text goes through after parsing

_DROPPED = re.compile("[\r\u2028-\u202e]")
_BLANK = re.compile("[\x00-\x09\x0b-\x1f]")


def tidy(styled: Styled) -> Styled:
    """Control characters become spaces, some vanish, both ends are trimmed; entities follow the text."""
    return _trimmed(_cleaned(styled))


def _cleaned(styled: Styled) -> Styled:
    if gone := [units(styled.text[: found.start()]) for found in _DROPPED.finditer(styled.text)]:
        moved = (_moved(entity, lambda at: at - bisect_left(gone, at)) for entity in styled.entities)
        styled = Styled(_DROPPED.sub("", styled.text), tuple(e for e in moved if e.length))
    return Styled(_BLANK.sub(" ", styled.text), styled.entities)


def _moved(entity: Entity, move: Callable[[int], int]) -> Entity:
    start = move(entity.offset)
    return replace(entity, offset=start, length=move(entity.offset + entity.length) - start)


def _trimmed(styled: Styled) -> Styled:
    """The front is only trimmed as far as the first entity, as the server does it."""
    text = styled.text.rstrip(" \n")
    if text == styled.text and text[:1] not in (" ", "\n"):
        return styled
    end = units(text)
    kept = [e for entity in styled.entities if (e := _moved(entity, lambda at: min(at, end))).length]
    front = min([len(text) - len(text.lstrip(" \n")), *(entity.offset for entity in kept)])
    return Styled(text[front:], tuple(replace(e, offset=e.offset - front) for e in kept))


_ADDRESS = re.compile(r"(?<![a-zA-Z0-9_@/.])https?://\w[^\s<>\"'“”‘’（）()，。；：！？、]*", re.IGNORECASE)
_COMMAND = re.compile(r"(?<![\w/<>])/([a-zA-Z0-9_]{1,64})(?:@[a-zA-Z0-9_]{3,32})?(?!\w)")
_OPAQUE = {"code", "pre", "text_link"}


def with_addresses(styled: Styled) -> Styled:
    """Plain web addresses become entities, as the server finds them by itself."""
    if "://" not in styled.text:
        return styled
    found = [_entity("url", styled.text, match) for match in _ADDRESS.finditer(styled.text)]
    opaque = [entity for entity in styled.entities if entity.type in _OPAQUE]
    free = [new for new in found if not any(_overlap(new, old) for old in opaque)]
    return Styled(styled.text, _in_order([*styled.entities, *free]))


def typed(text: str) -> Styled:
    """What a person typed, with the commands the server would find in it; addresses are found in every text."""
    plain = tidy(Styled(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))
    return Styled(
        plain.text, tuple(_entity("bot_command", plain.text, match) for match in _COMMAND.finditer(plain.text))
    )


def _entity(type_: str, text: str, match: re.Match[str]) -> Entity:
    found = match.group().rstrip(".,:;!?")
    return Entity(type_, units(text[: match.start()]), units(found))


def _overlap(one: Entity, other: Entity) -> bool:
    return one.offset < other.offset + other.length and other.offset < one.offset + one.length


# Writing

_TAGS = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "expandable_blockquote": "blockquote",
    "spoiler": "span",
    "text_link": "a",
    "url": "a",
}
_CLASSES = {"expandable_blockquote": "expandable", "spoiler": "tg-spoiler"}


def render(styled: Styled) -> str:
    """HTML for our page: b i u s a code pre blockquote span.tg-spoiler br, everything else escaped."""
    if not styled.entities:
        return _escaped(styled.text)
    return "".join(_Writer(styled).write())


class _Writer:
    """Entities may cross each other; tags may not, so those in the way are closed and opened again."""

    def __init__(self, styled: Styled) -> None:
        self.units = styled.text.encode("utf-16-le", "surrogatepass")
        self.entities = [e for e in styled.entities if e.type in _TAGS]
        self.open: list[Entity] = []

    def write(self) -> Iterator[str]:
        size = len(self.units) // 2
        ends = {at for e in self.entities for at in (e.offset, e.offset + e.length) if 0 < at < size}
        for start, end in pairwise([0, *sorted(ends), size]):
            yield from self._close(start)
            yield from self._begin(start)
            yield _escaped(self._slice(start, end), breaks=not any(e.type == "pre" for e in self.open))
        yield from self._close(sys.maxsize)

    def _slice(self, start: int, end: int) -> str:
        return self.units[2 * start : 2 * end].decode("utf-16-le", "replace")

    def _begin(self, at: int) -> Iterator[str]:
        for entity in self.entities:
            if entity.offset == at:
                self.open.append(entity)
                yield self._start_tag(entity)

    def _close(self, at: int) -> Iterator[str]:
        over = [i for i, entity in enumerate(self.open) if entity.offset + entity.length <= at]
        if not over:
            return
        again = [e for e in self.open[over[0] :] if e.offset + e.length > at]
        for entity in reversed(self.open[over[0] :]):
            yield f"</{self._tag(entity)}>"
        self.open[over[0] :] = again
        for entity in again:
            yield self._start_tag(entity)

    def _tag(self, entity: Entity) -> str:
        return "span" if _TAGS[entity.type] == "a" and not self._address(entity) else _TAGS[entity.type]

    def _start_tag(self, entity: Entity) -> str:
        if self._tag(entity) == "a":
            address = escape(self._address(entity))
            return f'<a href="{address}" target="_blank" rel="noopener noreferrer">'
        style = _CLASSES.get(entity.type)
        return f'<{self._tag(entity)} class="{style}">' if style else f"<{self._tag(entity)}>"

    def _address(self, entity: Entity) -> str:
        """Only the web: a page has no use for tg:// and must not run javascript:."""
        url = entity.url or self._slice(entity.offset, entity.offset + entity.length)
        return url if re.match(r"https?://", url, re.IGNORECASE) else ""


def _escaped(text: str, breaks: bool = True) -> str:
    html = escape(text)
    return html.replace("\n", "<br>") if breaks else html
