"""Plain YAML files that cannot be read, and would be told of in words that name no file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from yaml import events

from forgather_hydra.errors import ForgatherError

MAX_ADDED = 20_000  # values that aliases stand for: OmegaConf makes them in about two seconds
MAX_DEPTH = 60  # OmegaConf copies values by recursion, some ten calls a level
TEXT_OF_A_VALUE = 1000  # characters that are written again for each alias, as much as a value
_NUMBER = re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|0b[01_]+|[0-9_:]+)")
_INT_TAG = "tag:yaml.org,2002:int"

_known: dict[str, tuple[int, int, ForgatherError | None]] = {}


def fault_of(path: str) -> ForgatherError | None:
    """The error for a file that is not UTF-8, or whose values are too large to be made.

    It is read again only after it has changed.
    """
    status = os.stat(path)
    known = _known.get(path)
    if known is None or known[:2] != (status.st_mtime_ns, status.st_size):
        known = _known[path] = (status.st_mtime_ns, status.st_size, _fault(path))
    return known[2]


_HEADER = "a header is '# @package PACKAGE' alone"
_DEFAULTS = "it is a list of NAME, GROUP: OPTION, or GROUP: [OPTION, OPTION]"


@contextmanager
def told_of(path: str) -> Iterator[None]:
    """While this is open, a file is read, unless it has a fault.

    Raises:
        ForgatherError: for the fault, or a file that is one value.
    """
    if fault := fault_of(path):
        raise fault
    try:
        yield
    except OSError as error:
        if "Invalid loaded object type" not in str(error):
            raise
        raise _at(path, 1, "a config is a mapping or a list", "give the value a key") from error


def _fault(path: str) -> ForgatherError | None:
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {content[error.start]:#x} is no UTF-8"
        line = content.count(b"\n", 0, error.start) + 1
        return _at(path, line, message, "save the file in UTF-8")
    if not _may_be_large(text):
        return None
    from forgather_hydra.graph.complaints import SyntaxProblem
    from forgather_hydra.graph.events import read_events

    try:
        return _Reader(path).first_fault(read_events(text))
    except SyntaxProblem as problem:
        if "nesting depth" in problem.error.message:
            return _too_deep(path, problem.line)
        return None  # told by who reads it


def _may_be_large(text: str) -> bool:
    """Whether a text has an alias, a number of thousands of digits, or deep levels."""
    return bool(
        re.search(r"[*]\S", text)
        or re.search(rf"[0-9a-fA-F_:]{{{_longest()},}}", text)
        or re.search(rf"(?m)^ {{{MAX_DEPTH},}}|(?:[-?] ){{10,}}", text)
        or text.count("[") + text.count("{") > MAX_DEPTH
    )


def _longest() -> int:
    """The digits of the longest number that can be printed, in base 16 too."""
    return (sys.get_int_max_str_digits() or 1 << 30) * 4 // 5


@dataclass
class _Node:
    """A value that is being read, or has been: how many there are in it, and its depth."""

    anchor: str | None
    size: int = 1
    added: int = 0
    depth: int = 1

    def take(self, child: _Node) -> None:
        self.size += child.size
        self.added += child.added
        self.depth = max(self.depth, child.depth + 1)


class _Reader:
    """Finds the first value of a file that is too large to be made."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.open = [_Node(None)]  # the stream, then what is around the present value
        self.anchors: dict[str | None, _Node] = {}

    def first_fault(self, stream: list[Any]) -> ForgatherError | None:
        return next(filter(None, map(self.fault, stream)), None)

    def fault(self, event: Any) -> ForgatherError | None:
        """The error for an event, after which a value is too large."""
        line = event.start_mark.line + 1
        if isinstance(event, events.CollectionStartEvent):
            self.open.append(_Node(event.anchor))
        elif isinstance(event, events.CollectionEndEvent):
            self.close(self.open.pop())
        elif isinstance(event, events.ScalarEvent):
            if message := _too_long(event):
                return _at(self.path, line, message, "quote it, if it is text")
            self.close(_Node(event.anchor, 1 + len(event.value) // TEXT_OF_A_VALUE))
        elif isinstance(event, events.AliasEvent):
            if any(node.anchor == event.anchor for node in self.open):
                message = f"*{event.anchor} stands inside of what it stands for"
                return _at(self.path, line, message, "write the value once more, or leave it out")
            known = self.anchors.get(event.anchor, _Node(None))
            self.close(_Node(None, known.size, known.size, known.depth))
        return self.too_large(line)

    def close(self, node: _Node) -> None:
        self.open[-1].take(node)
        if node.anchor:
            self.anchors[node.anchor] = node

    def too_large(self, line: int) -> ForgatherError | None:
        if self.open[-1].added > MAX_ADDED:
            message = f"its aliases stand for more than {MAX_ADDED:,} values"
            return _at(self.path, line, message, "refer to what is shared by interpolation: ${key}")
        if len(self.open) + self.open[-1].depth > MAX_DEPTH + 2:
            return _too_deep(self.path, line)
        return None


def _too_long(event: events.ScalarEvent) -> str | None:
    """What is wrong with a number of thousands of digits."""
    is_number = event.tag == _INT_TAG or (event.implicit[0] and _NUMBER.fullmatch(event.value))
    digits = len(event.value)
    is_decimal = re.fullmatch(r"[-+]?[0-9_]+", event.value)
    if not is_number or digits <= (_longest() if not is_decimal else _longest() * 5 // 4):
        return None
    return f"a number of {digits} digits"


def _too_deep(path: str, line: int) -> ForgatherError:
    message = f"its values lie more than {MAX_DEPTH} levels deep"
    return _at(path, line, message, "keep such data in a file of its own")


def _at(path: str, line: int, message: str, hint: str) -> ForgatherError:
    return ForgatherError("invalid_yaml", message, template=path, file=path, line=line, hint=hint)


def refused(path: str, error: ValueError) -> ForgatherError:
    """The error for what Hydra says of the header or the defaults list of a file."""
    is_header = "omponents in" in str(error) or "header" in str(error)
    about, hint = ("# *@package", _HEADER) if is_header else ("defaults *:", _DEFAULTS)
    with open(path, encoding="utf-8-sig") as file:
        found = [line for line, text in enumerate(file, 1) if re.match(rf"\s*{about}", text)]
    return _at(path, found[0] if found else 1, str(error), hint)
