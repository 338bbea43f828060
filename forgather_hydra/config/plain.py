"""Plain YAML files that cannot be read, and would be told of in words that name no file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yaml import events

from forgather_hydra.errors import ForgatherError

MAX_NODES = 1_000_000  # of a file whose aliases are followed, as OmegaConf follows them
_DIGITS = re.compile(r"[-+]?[0-9_]+")

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


def fault_below(folders: Iterable[str], overrides: Iterable[str]) -> ForgatherError | None:
    """The error for the first file that cannot be read, in folders and those of a search path."""
    added = re.findall(r"file://([^'\",\]]+)", " ".join(overrides))
    files = (file for folder in (*folders, *added) for file in Path(folder).rglob("*.yaml"))
    return next(filter(None, (fault_of(str(file)) for file in sorted(files))), None)


def _fault(path: str) -> ForgatherError | None:
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"byte {content[error.start]:#x} is no UTF-8"
        line = content.count(b"\n", 0, error.start) + 1
        return _at(path, line, told, "save the file in UTF-8")
    longest = sys.get_int_max_str_digits()
    is_long = longest and re.search(rf"[0-9_]{{{longest},}}", text)
    if not is_long and not re.search(r"[*]\S", text):
        return None
    from forgather_hydra.graph.events import SyntaxProblem, read_events

    try:
        return _too_large(path, read_events(text), longest)
    except SyntaxProblem:
        return None  # told by who reads it


def _too_large(path: str, stream: list[Any], longest: int) -> ForgatherError | None:
    """The error for the first value that is too large; the size of each anchor is counted once."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in stream:
        anchor = getattr(event, "anchor", None)
        line = event.start_mark.line + 1
        if isinstance(event, events.CollectionStartEvent):
            open_nodes.append((anchor, total))
        elif isinstance(event, events.CollectionEndEvent):
            name, before = open_nodes.pop()
            if name:
                sizes[name] = total - before + 1
        elif isinstance(event, events.AliasEvent):
            total += sizes.get(anchor or "", 1)
        elif isinstance(event, events.ScalarEvent):
            sizes |= {anchor: 1} if anchor else {}
            is_number = event.implicit[0] and _DIGITS.fullmatch(event.value)
            if is_number and longest and len(event.value) > longest:
                told = f"a number of {len(event.value)} digits"
                return _at(path, line, told, "quote it, if it is text")
        total += 1
        if total > MAX_NODES:
            told = f"its aliases stand for more than {MAX_NODES:,} values"
            return _at(path, line, told, "refer to what is shared by interpolation: ${key}")
    return None


def _at(path: str, line: int, told: str, hint: str) -> ForgatherError:
    return ForgatherError("invalid_yaml", told, template=path, file=path, line=line, hint=hint)
