"""Which of our locales a browser or a Telegram client speaks."""

TRADITIONAL = frozenset({"hant", "hk", "mo", "tw"})


def guess_locale(tag: str | None) -> str:
    """Our locale for an IETF language tag: Traditional for Hong Kong, Macau and Taiwan, English for all else."""
    language, *rest = (tag or "").lower().replace("_", "-").split("-")
    if language == "yue":
        return "zh-Hant"
    if language != "zh":
        return "en"
    return "zh-Hant" if "hans" not in rest and TRADITIONAL.intersection(rest) else "zh-Hans"


def browser_locale(accept_language: str) -> str:
    """The first language of an Accept-Language header that we speak, by weight; else English."""
    weighted = []
    for at, item in enumerate(accept_language.split(",")[:20]):
        tag, _, weight = item.partition(";q=")
        weighted.append((-_weight(weight), at, tag.strip()))
    spoken = (tag for _, _, tag in sorted(weighted) if tag.split("-")[0].lower() in ("en", "zh", "yue"))
    return guess_locale(next(spoken, None))


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
