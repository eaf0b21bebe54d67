"""What differs between two texts of an entry, and how changes made apart from each other go together. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from knowledge.library import Written

Content = Sequence[Written]
"""The versions of one entry, each as `library.written` gives it; none retires the entry."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a field loses and gains, in lines or items. `valid_from` tells versions of an entry apart."""

    field: str
    valid_from: str | None
    removed: tuple[str, ...]
    added: tuple[str, ...]


def differences(before: Content, after: Content) -> list[Change]:
    """The changes from one text to the other, field by field in the order of the form."""
    old, new = _by_start(before), _by_start(after)
    return [
        Change(".".join(path), start, removed, added)
        for start in sorted({*old, *new}, key=lambda start: start or "")
        for path, removed, added in _changed((), old.get(start, {}), new.get(start, {}))
    ]


def _by_start(content: Content) -> dict[str | None, Written]:
    return {version.get("valid_from"): version for version in content}


def _changed(path: Path, before: Any, after: Any) -> Iterator[tuple[Path, tuple[str, ...], tuple[str, ...]]]:
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        old, new = before or {}, after or {}
        for name in {**new, **old}:
            yield from _changed((*path, name), old.get(name), new.get(name))
    elif isinstance(before, list) or isinstance(after, list):
        old_items, new_items = list(map(_item, before or ())), list(map(_item, after or ()))
        removed = tuple(item for item in old_items if item not in new_items)
        added = tuple(item for item in new_items if item not in old_items)
        if removed or added:
            yield path, removed, added
        elif old_items != new_items:
            yield path, (", ".join(old_items),), (", ".join(new_items),)
    elif before != after:
        yield path, *_lines(before or "", after or "")


def _item(item: Any) -> str:
    if isinstance(item, Mapping):
        return " ".join(str(part) for part in item.values() if part is not None)
    return str(item)


def _lines(before: str, after: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    old, new = before.split("\n") if before else [], after.split("\n") if after else []
    removed: list[str] = []
    added: list[str] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            removed += old[i1:i2]
            added += new[j1:j2]
    return tuple(line for line in removed if line.strip()), tuple(line for line in added if line.strip())


@dataclass(frozen=True, slots=True)
class Merged:
    """Two changes of the same text put together; in the fields of `clashes` both changed it, and ours was kept."""

    content: Content
    clashes: tuple[str, ...]


def merge(base: Content, ours: Content, theirs: Content) -> Merged:
    """Put two changes of `base` together. Lists take the additions and removals of both."""
    if _starts(ours) == _starts(theirs) == _starts(base):
        clashes: list[str] = []
        versions = zip(base, ours, theirs, strict=True)
        return Merged([_merge((), *each, clashes) for each in versions], tuple(dict.fromkeys(clashes)))
    if list(theirs) == list(base):
        return Merged(ours, ())
    return Merged(theirs, ()) if list(ours) == list(base) else Merged(ours, ("valid_from",))


def _starts(content: Content) -> list[str | None]:
    return [version.get("valid_from") for version in content]


def _merge(path: Path, base: Any, ours: Any, theirs: Any, clashes: list[str]) -> Any:
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping) and isinstance(base, Mapping):
        names = {**ours, **theirs}
        return {n: _merge((*path, n), base.get(n), ours.get(n), theirs.get(n), clashes) for n in names}
    if isinstance(ours, list) and isinstance(theirs, list) and isinstance(base, list):
        gone = [item for item in base if item not in theirs]
        return [*(i for i in ours if i not in gone), *(i for i in theirs if i not in base and i not in ours)]
    clashes.append(".".join(path))
    return ours
