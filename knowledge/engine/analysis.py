"""From a text to features: folding, words, character n-grams, and the glossary's concepts.

English and both Chinese scripts share one feature space. Chinese is folded to Simplified for
matching only; what a reader sees is never folded.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

MAX_LENGTH: Final = 1_000
MAX_STORED: Final = 4_000
HAN_START: Final = "\u3400"
HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

_HAN_RUN = re.compile(f"[{HAN}]+")
_PIECE = re.compile(f"([{HAN}]+)|([^\\W_{HAN}]+(?:['’][^\\W_{HAN}]+)*)")
_OWN_NAMES = re.compile("简体中文?|繁體中文?")
_LETTERS = re.compile(r"[^\W_]+")
_ENGLISH = re.compile(r"[a-z0-9]+")
_ACRONYM = re.compile(r"[A-Z][A-Z0-9&-]{1,9}")
# What only a machine reads: whole scripts, tags, places that a template fills.
_MARKUP = re.compile(
    r"<(script|style)\b.*?</\1\s*>"
    r"""|</?[a-z](?:"[^"]*+"|'[^']*+'|[^<>])*+>"""  # what is quoted in a tag may hold < and >
    r"|</?[a-z][^<>]*>"
    r"|\{\{.*?\}\}|\{%.*?%\}|\$\{[^{}]*\}"
)

# Words of courtesy around a question; they are taken off only while enough of a question is left.
_OPENING = re.compile(
    r"^(?:(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|excuse me|sorry|please|so|ok"
    r"|okay|there|team|sir|madam|and|also|(?:could|can) you (?:please )?(?:tell|explain to) (?:me|us)"
    r"|please tell (?:me|us)|i(?: am|'m) (?:just )?wondering|i(?: would|'d) like to (?:know|ask)"
    r"|i want(?:ed)? to (?:know|ask)|may i (?:know|ask)|(?:quick|just a) question)\b[\s,.:!-]*"
    r"|(?:你好|您好|大家好|早上好|下午好|哈啰|嗨|请问一下|请问|请教一下|请教|麻烦问一下"
    r"|麻烦问下|问一下|问下|想问一下|想问下|我想问|想请问|请你告诉我|请告诉我|我想知道"
    r"|我想了解一下|我想了解|想了解一下|想了解|想知道|那么|那)[\s,，。.!！:：~]*)+"
)
_CLOSING = re.compile(
    r"(?:[\s,，。.!！?？~]*(?:please|thank you(?: very much| so much)?|thanks(?: a lot)?|cheers"
    r"|谢谢你?|谢谢您|多谢|拜托了?|唔该))+[\s,，。.!！~]*$"
)

# Function words say little about the topic; one that the knowledge base lacks is not a new topic.
FUNCTION_WORDS: Final = frozenset(  # as running text, which is easier to read and to mend
    """
    a about after all also am an and any anyone anything are as at be been but by can could
    did do does doing done each ever every everybody everyone everything for from get gets
    getting give go got had has have having he her here him his how i if in into is it its
    just know let like lot made make many may me mean might mine more most much must my need
    no not now of off on once one only or other our ours out over own please really s same
    shall she should so some somebody someone something still such t tell than that the
    their them then there these they thing this those to too under until up us use very want
    was way we well were what when where whether which while who whom whose why will with
    within without would you your yours dont doesnt cant im ive id ill exactly actually 的
    了 吗 呢 啊 吧 呀 嘛 么 我 我们 你 您 你们 您们 他 他们 是 是否 在 有 没有 和 与 及 或
    或者 要 会 能 能否 可以 可 怎么 怎样 怎么样 如何 什么 为什么 哪 哪个 哪些 哪里 几 多少
    多 不 也 都 就 还 这 这个 那 那个 到 对 把 被 给 让 从 向 请 请问 想 需要 应该 得 地 做
    去 来 一下 一个 又 再 才 里 里面 上 下 中 后 前 时 时候 如果 因为 所以 但是 只 比较 最
    很 太 些 点 哦 嗯 咱们 咱 谁 啥 系 咩 点样 边个 嘅 唔
    """.split()  # noqa: SIM905
)

# Characters that both scripts write although OpenCC would change them one way.
_SHARED = frozenset("后里台云干几准于采并余丑范复伙征占群划")


# How Cantonese asks, for matching only: many in Hong Kong type as they speak, while entries are written in Mandarin.
_CANTONESE: Final = dict(
    pair.split("=")
    for pair in """
    可唔可以=可不可以 得唔得=可不可以 使唔使=要不要 駛唔駛=要不要 洗唔洗=要不要 係唔係=是不是 係咪=是不是 有冇=有没有
    唔係=不是 唔使=不用 定係=还是 即係=就是 點樣=怎样 點解=为什么 點算=怎么办 點做=怎么做 點計=怎么算 點處理=怎么处理
    點辦=怎么办 點申請=怎么申请 點分=怎么分 點先=怎样才 點揀=怎么选 點寫=怎么写 點定=怎么定 邊個=谁 邊度=哪里 邊間=哪家
    邊啲=哪些 邊種=哪种 邊樣=哪样 邊隻=哪个 邊條=哪条 邊份=哪份 幾多=多少 幾耐=多久 幾時=什么时候 乜嘢=什么 咩嘢=什么
    做乜=为什么 做咩=做什么 乜=什么 咩=什么 我哋=我们 你哋=你们 佢哋=他们 佢=他 嗰=那 呢個=这个 呢啲=这些 呢份=这份
    呢間=这家 呢種=这种 嗰啲=那些 俾人=被人 畀人=被人 畀=给 俾=给 攞=拿 喺=在 咗=了 嚟=来 睇=看 搵=找 揾=找 諗=想
    嘢=东西 咁=这样 啲=些 嘅=的 冇=没有 唔=不 哋=们 嗮=了 而家=现在 依家=现在 聽日=明天 尋日=昨天 老細=老板 揀=选
    鍾意=喜欢
    """.split()  # noqa: SIM905
)
_SPOKEN = re.compile("|".join(sorted(map(re.escape, _CANTONESE), key=len, reverse=True)))
_IS = re.compile("(?<![關联聯干])係(?!數)")


@dataclass(frozen=True, slots=True)
class Analysis:
    """A text as the engine sees it. Equal `key`s mean the same question.

    `tokens` are stemmed words and, of each run of Chinese characters, its words; `runs` are what
    character n-grams are taken from; `concepts` the glossary terms in it, by one name for all the
    ways to write each, and `subjects` those that the glossary has in English and in Chinese: terms
    of the field, where a concept of one language alone is merely another way to write.
    """

    key: str
    tokens: tuple[str, ...]
    runs: tuple[str, ...]
    concepts: tuple[str, ...] = ()
    subjects: frozenset[str] = frozenset()

    @property
    def has_words(self) -> bool:
        """Whether it says more than letters, numbers, or one character again and again."""
        return self._has_word_beside(frozenset())

    @property
    def has_content(self) -> bool:
        """Whether one of its words is no function word."""
        return self._has_word_beside(FUNCTION_WORDS)

    def _has_word_beside(self, others: frozenset[str]) -> bool:
        words = [token for token in self.tokens if not token.isdigit()]
        varied = len(set("".join(words))) > 1
        return varied and any(word not in others and (len(word) > 1 or is_han(word)) for word in words)


def fold(text: str, longest: int = MAX_LENGTH) -> str:
    """At most `longest` characters in one width, case and script, no control characters."""
    return _to_simplified(_plain(text, longest))


def _asked(text: str) -> str:
    folded = fold(text)
    return _MARKUP.sub(" ", folded) if "<" in folded or "{" in folded else folded


def _plain(text: str, longest: int) -> str:
    plain = unicodedata.normalize("NFKC", text.strip()[:longest])[:longest].casefold()
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else " " for c in plain)
    return " ".join(plain.split())


def is_chinese(locale: str) -> bool:
    return locale.startswith("zh")


def is_han(text: str) -> bool:
    """Whether it begins with a Chinese character."""
    return bool(_HAN_RUN.match(text))


def detect_locale(text: str, given: str | None, knows_any: Callable[[Sequence[str]], bool] | None = None) -> str:
    """The language to answer in: the text's own, else the given one, else English.

    Acronyms and numbers alone ("PCT?") have no language, nor have words of which `knows_any` knows none. The Chinese
    script follows the characters that only one script has, else the given locale, else Simplified.
    """
    head = unicodedata.normalize("NFKC", text.strip()[:MAX_LENGTH])
    if _HAN_RUN.search(head) and not _mostly_english(head):
        return _chinese_script(head, given)
    words = [word for word in re.findall(r"[A-Za-z]+", head) if _speaks_english(word)]
    if words and (given is None or _has_function_word(words) or knows_any is None or knows_any(words)):
        return "en"
    return given or "en"


class Analyzer:
    """Turns texts into tokens. Synonyms are groups of terms that mean one thing."""

    def __init__(self, synonyms: Iterable[Sequence[str]] = ()) -> None:
        self.synonyms = tuple(tuple(group) for group in synonyms)
        self._concepts: dict[tuple[str, ...], str] = {}
        for group in self.synonyms:
            self._add_concept(group)
        self._subjects = _of_both_languages(self._concepts)
        self._longest = _longest_by_first_unit(self._concepts)

    def analyse(self, text: str) -> Analysis:
        """One question, cut to `MAX_LENGTH`, without markup."""
        return self.of_folded(_asked(text))

    def analyse_all(self, texts: Sequence[str]) -> list[Analysis]:
        """Many stored texts, cut to `MAX_STORED`; in one go, as each call to OpenCC costs."""
        lines = [_plain(text, MAX_STORED) for text in texts]
        folded = _to_simplified("\n".join(lines)).split("\n") if lines else []
        return [self.of_folded(line) for line in folded]

    def of_folded(self, folded: str) -> Analysis:
        """The analysis of a text that `fold` has made plain."""
        bare = _without_courtesy(folded)
        pieces = _PIECE.findall(bare)
        tokens = tuple(token for han, word in pieces for token in (_cut(han) if han else (_stem(word),)))
        # without Chinese the runs are the tokens; one tuple for both is half the room
        runs = tuple(han or _stem(word) for han, word in pieces) if any(han for han, _ in pieces) else tokens
        concepts = tuple(self._concepts_in(pieces)) if self._concepts else ()
        key = "".join(_LETTERS.findall(bare))
        return Analysis(key, tokens, runs, concepts, self._subjects.intersection(concepts))

    def written(self, text: str) -> dict[str, str]:
        """The words of a question as asked, each with its token."""
        pieces = _PIECE.findall(_without_courtesy(_asked(text)))
        found: dict[str, str] = {}
        for han, word in pieces:
            found.update(((part, part) for part in _cut(han)) if han else ((word, _stem(word)),))
        return found

    def _add_concept(self, group: Sequence[str]) -> None:
        terms = [units for units in (tuple(_units(_PIECE.findall(fold(term)))) for term in group) if units]
        if not terms:
            return
        known = (self._concepts[units] for units in terms if units in self._concepts)
        name = next(known, "=" + "".join(terms[0]))
        for units in terms:
            self._concepts.setdefault(units, name)

    def _concepts_in(self, pieces: Iterable[tuple[str, str]]) -> Iterator[str]:
        units = list(_units(pieces))
        at = 0
        while at < len(units):
            length, name = self._concept_at(units, at)
            if name:
                yield name
            at += length

    def _concept_at(self, units: list[str], at: int) -> tuple[int, str | None]:
        for length in range(min(self._longest.get(units[at], 0), len(units) - at), 0, -1):
            name = self._concepts.get(tuple(units[at : at + length]))
            if name:
                return length, name
        return 1, None


def _of_both_languages(concepts: Mapping[tuple[str, ...], str]) -> frozenset[str]:
    chinese = {name for units, name in concepts.items() if is_han(units[0])}
    return frozenset(chinese & {name for units, name in concepts.items() if not is_han(units[0])})


def _longest_by_first_unit(concepts: Iterable[tuple[str, ...]]) -> dict[str, int]:
    longest: dict[str, int] = {}
    for units in concepts:
        longest[units[0]] = max(len(units), longest.get(units[0], 0))
    return longest


def _units(pieces: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Single Chinese characters and stemmed words: what glossary terms are made of."""
    for han, word in pieces:
        yield from han or (_stem(word),)


def _without_courtesy(folded: str) -> str:
    bare = _CLOSING.sub("", _OPENING.sub("", folded))
    return bare if _is_enough(bare) else folded


def _is_enough(bare: str) -> bool:
    han = sum(len(run) for run in _HAN_RUN.findall(bare))
    return han >= 3 or len(_ENGLISH.findall(bare)) >= 3


_ENDINGS = (("ies", "y", 5), ("sses", "ss", 5), ("ing", "", 6), ("ed", "", 5), ("es", "e", 5))


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    """Plurals and the commonest verb endings off, so that "booking" meets "book"."""
    bare = re.sub(r"['’](?:s|re|ve|d|ll|m)?$|['’](?=\w)", "", re.sub(r"['’]s$", "", word))
    for ending, instead, least in _ENDINGS:
        if len(bare) >= least and bare.endswith(ending):
            return _undouble(bare[: -len(ending)] + instead)
    if len(bare) > 3 and bare.endswith("s") and not bare.endswith(("ss", "us", "is")):
        return _undouble(bare[:-1])
    return _undouble(bare)


def _undouble(stem: str) -> str:
    """ "planned" and "plan" share a stem, "use" and "using" too."""
    if len(stem) > 3 and stem.endswith("e"):
        return stem[:-1]
    doubled = len(stem) > 4 and stem[-1] == stem[-2] and stem[-1] in "bdglmnprt"
    return stem[:-1] if doubled else stem


def _cut(run: str) -> list[str]:
    import rjieba  # loads a dictionary, 0.1 s

    return list(map(sys.intern, rjieba.cut_for_search(run)))  # the same words in many texts


def _to_simplified(text: str) -> str:
    if not _HAN_RUN.search(text):
        return text
    return str(_converter("t2s").convert(_converter("hk2s").convert(_as_mandarin(text))))


def _as_mandarin(text: str) -> str:
    spoken = _SPOKEN.sub(lambda found: _CANTONESE[found[0]], text)
    return spoken if spoken == text else _IS.sub("是", spoken)


@cache
def _converter(name: str) -> Any:
    import opencc  # loads its dictionaries

    return opencc.OpenCC(name)


def _mostly_english(text: str) -> bool:
    latin = [word.lower() for word in re.findall(r"[A-Za-z']+", text)]
    return sum(word in FUNCTION_WORDS for word in latin) >= 2


def _has_function_word(words: Sequence[str]) -> bool:
    return any(word.lower() in FUNCTION_WORDS for word in words)


def _speaks_english(word: str) -> bool:
    return len(word) > 1 and not _ACRONYM.fullmatch(word)


def _chinese_script(text: str, given: str | None) -> str:
    traditional, simplified = _script_marks()
    lead = sum((c in traditional) - (c in simplified) for c in text)
    if lead:
        return "zh-Hant" if lead > 0 else "zh-Hans"
    return given if given in ("zh-Hans", "zh-Hant") else "zh-Hans"


def other_script(text: str, locale: str) -> str:
    """The characters of the text that only the other Chinese script has; none for a locale without a script.

    Traditional is as Hong Kong writes it. The languages' own names are written as they write themselves.
    """
    traditional, simplified = _script_marks()
    strange = {"zh-Hans": traditional, "zh-Hant": simplified}.get(locale, frozenset())
    found = dict.fromkeys(c for c in _OWN_NAMES.sub("", text) if c in strange)
    return "".join(c for c in found if locale != "zh-Hant" or _converter("s2hk").convert(c) != c)


@cache
def _script_marks() -> tuple[frozenset[str], frozenset[str]]:
    han = [chr(code) for code in range(0x4E00, 0xA000)]
    lines = "\n".join(han)
    to_simplified = _converter("t2s").convert(lines).split("\n")
    to_traditional = _converter("s2t").convert(lines).split("\n")
    traditional = {c for c, other in zip(han, to_simplified, strict=True) if c != other}
    simplified = {c for c, other in zip(han, to_traditional, strict=True) if c != other}
    both = (traditional & simplified) | _SHARED
    return frozenset(traditional - both), frozenset(simplified - both)
