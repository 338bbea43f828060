"""One file to its templates: the text up to the first marker, then a part per marker."""

from __future__ import annotations

import re
from typing import NamedTuple

_MARKER = re.compile(r"(?P<hashes>#{1,2})[ \t]*-{3,}[ \t]*(?P<name>[\w./]+)[ \t]*-{3,}[ \t]*\Z")


class Part(NamedTuple):
    """A template within a file: its name, its text, and the line before its first line."""

    name: str
    text: str
    offset: int


def split(text: str, name: str) -> list[Part]:
    """Cut a file's text at its markers, ``#---- part.name ----``.

    A marker stands alone on its line, at the first column, and never on the first line. Written
    with two hashes it is a marker only if the file refers to the name, as in ``include 'name'``;
    otherwise it is a comment.
    """
    lines = text.splitlines(keepends=True)
    starts = [(name, 0)]
    for number, line in enumerate(lines[1:], start=1):
        marker = _MARKER.match(line.rstrip("\r\n"))
        if marker and (marker["hashes"] == "#" or _is_referenced(marker["name"], text)):
            starts.append((marker["name"], number + 1))
    ends = [start - 1 for _, start in starts[1:]] + [len(lines)]
    return [
        Part(part, _with_final_newline("".join(lines[start:end])), start)
        for (part, start), end in zip(starts, ends, strict=True)
    ]


def _is_referenced(name: str, text: str) -> bool:
    return f"'{name}'" in text or f'"{name}"' in text


def _with_final_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
