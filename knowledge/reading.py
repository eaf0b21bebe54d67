"""YAML as written by people, every value with its line: the knowledge base and whatever else is a list in a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

from bot.settings import OperatorError

MAX_BYTES: Final = 2_000_000
DEEPEST: Final = 20
MOST_VALUES: Final = 600_000
LONGEST_NUMBER: Final = 40
SHOWN: Final = 60

Step = str | int
Lines = dict[tuple[Step, ...], int]


class LibraryError(OperatorError):
    """A file cannot be read; the message is one line for the person who wrote it."""


class Origin(Protocol):
    """Where an entry was written."""

    def place(self, path: tuple[Step, ...]) -> str:
        """Where the value at the path stands, or the nearest thing around it."""
        ...


@dataclass(frozen=True, slots=True)
class InFile:
    """Lines of a text file."""

    file: str
    lines: Mapping[tuple[Step, ...], int]

    def place(self, path: tuple[Step, ...]) -> str:
        while path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines[path]}"


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry of the database, which has no lines."""

    entry_id: str

    def place(self, path: tuple[Step, ...]) -> str:
        return self.entry_id


@dataclass(frozen=True, slots=True)
class Raw:
    """One entry as written. In the folder of entries, `category` is the name of its file.

    `revision` names the published text that a file was exported from, where the file tells.
    """

    origin: Origin
    category: str
    value: Mapping[str, Any]
    revision: str = ""

    @property
    def id(self) -> str:
        return str(self.value.get("id", "entry without id"))

    def place(self, *path: Step) -> str:
        return self.origin.place(path)

    def error(self, message: str, *path: Step) -> LibraryError:
        return LibraryError(f"{self.place(*path)}: {self.id}: {message}")


def read_folder(folder: Path) -> list[Raw]:
    """All entries of all `*.yaml` files, in the order of file names and lines."""
    if not folder.is_dir():
        msg = f"{folder}: no such folder; the knowledge base is a folder of YAML files"
        raise LibraryError(msg)
    return [raw for file in sorted(folder.glob("*.yaml")) for raw in read_file(file)]


def read_file(file: Path) -> list[Raw]:
    """The entries of one file."""
    name = "/".join(file.absolute().parts[-3:])
    return list(read_text(text_of(file, name), name, file.stem))


def read_text(text: str, name: str, category: str) -> Iterator[Raw]:
    """The entries of a YAML text; `name` stands for the file in errors."""
    return (Raw(origin, category, value) for origin, value in items(text, name, "entries", "id"))


def items(text: str, name: str, what: str, first: str) -> Iterator[tuple[InFile, Mapping[str, Any]]]:
    """The items of a YAML text that is a list of mappings, each with its lines. LibraryError with the place of a fault.

    `name` stands for the file; `what` are the items, and each begins with the field `first`: for the mend.
    """
    loader = _Loader(text)
    try:
        _refuse_surprises(text, name)
        node = loader.get_single_node()
        if node is not None:
            yield from _items(node, loader, name, what, first)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        too_deep = "nesting" in str(fault.problem)  # newer parsers have a limit of their own
        reason = "nested too deeply" if too_deep else fault.problem
        raise LibraryError(f"{name}:{line}: not valid YAML: {reason}") from fault
    except (yaml.YAMLError, RecursionError) as fault:
        reason = str(fault).splitlines()[0] if str(fault) else "nested too deeply"
        raise LibraryError(f"{name}:1: not valid YAML: {reason}") from fault
    finally:
        loader.dispose()


_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refuse_surprises(text: str, name: str) -> None:
    """What entries have no need of, before anything is composed: aliases and tags make little text mean much.

    Nesting is counted here as libyaml's composer takes the process down with it where it is very deep.
    """
    depth = values = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.AliasEvent):
            raise _fault_at(event, name, "aliases (*name) are not allowed; write the value out")
        if tag := getattr(event, "tag", None):
            raise _fault_at(event, name, f"tags ({_shown(tag)}) are not allowed; write the value alone")
        if depth > DEEPEST:
            raise _fault_at(event, name, "not valid YAML: nested too deeply")
        if values > MOST_VALUES:
            raise _fault_at(event, name, f"more than {MOST_VALUES:,} values; split the file")


def _fault_at(event: Any, name: str, message: str) -> LibraryError:
    return LibraryError(f"{name}:{event.start_mark.line + 1}: {message}")


def text_of(file: Path, name: str) -> str:
    """The text of a file in UTF-8 that is no larger than `MAX_BYTES`; `name` stands for it in a LibraryError."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as fault:
        raise LibraryError(f"{name}:1: cannot be read ({fault.strerror})") from fault
    if len(data) > MAX_BYTES:
        raise LibraryError(f"{name}:1: larger than {MAX_BYTES:,} bytes; split the file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = len(data[: fault.start].split(b"\n"))
        raise LibraryError(f"{name}:{line}: not UTF-8 at byte {fault.start}; save the file as UTF-8") from fault


def _items(
    node: yaml.Node, loader: Any, name: str, what: str, first: str
) -> Iterator[tuple[InFile, Mapping[str, Any]]]:
    if not isinstance(node, yaml.SequenceNode):
        raise LibraryError(f"{name}:{_line(node)}: must be a list of {what}; start each with '- {first}: ...'")
    walk = _Walk(loader, name)
    for item in node.value:
        lines: Lines = {}
        value = walk.value(item, (), lines)
        if not isinstance(value, dict):
            raise LibraryError(f"{name}:{_line(item)}: must be a mapping that starts with '{first}: ...'")
        yield InFile(name, lines), value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Walk:
    """Builds plain values; refuses what makes YAML surprising, such as repeated keys and numbers in sixties."""

    def __init__(self, loader: Any, name: str) -> None:
        self._loader = loader
        self._name = name

    def value(self, node: yaml.Node, path: tuple[Step, ...], lines: Lines) -> Any:
        lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, lines)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, at), lines) for at, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: tuple[Step, ...], lines: Lines) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a list or mapping cannot be the name of a field")
            key = key_node.value
            if key in found:
                raise self._error(key_node, f"{_shown(key)} is written twice; keep one")
            lines[(*path, key)] = _line(key_node)
            found[key] = self.value(value_node, (*path, key), lines)
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        is_number = node.tag in _NUMBERS
        if is_number and (":" in node.value or len(node.value) > LONGEST_NUMBER):
            raise self._error(node, f"{_shown(node.value)} would be read as a number; put it in quotes")
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError) as fault:
            raise self._error(node, f"{_shown(node.value)} cannot be read: {fault}") from fault

    def _error(self, node: yaml.Node, message: str) -> LibraryError:
        return LibraryError(f"{self._name}:{_line(node)}: {message}")


_NUMBERS: Final = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def _shown(value: str) -> str:
    return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}...")
