"""Where what a line names is defined: a template, a block of a parent, an anchor."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from forgather_hydra.editor.home import Home, home_of

_USED = re.compile(r"\b(?:extends|include|import|from)\s+(['\"])(?P<name>[^'\"]+)\1")
_EXTENDED = re.compile(r"(?m)^[^#\n]*\bextends\s+(['\"])(?P<name>[^'\"]+)\1")
_HEADER = re.compile(r"\[(?P<short>\w+)!?\][ \t]*\Z|\bblock\s+(?P<long>\w+)")
_ALIAS = re.compile(r"\*([\w.-]+)")
_END = re.compile(r"\bendblock\b")


class Place(NamedTuple):
    """A word in a file; line and columns count from 0, as editors count them."""

    file: str
    line: int
    start: int
    end: int


def definition(file: str, text: str, line: int, column: int) -> Place | None:
    """Where the name at a position is defined.

    Args:
        file: path of the file.
        text: what the editor shows of it.
        line: 0-based.
        column: 0-based.
    """
    lines = text.split("\n")
    if line >= len(lines):
        return None
    home, here = home_of(file), lines[line]
    if used := _at(_USED.finditer(here), column):
        return _template(home, file, text, used["name"])
    if alias := _at(_ALIAS.finditer(here), column):
        return _first(_files(home, file, text, _USED), rf"&{re.escape(alias[1])}(?![\w.-])")
    name = _block_at(lines, line)
    return _block(home, file, text, name) if name else None


def _at(matches: Iterator[re.Match[str]], column: int) -> re.Match[str] | None:
    """The match that a column lies in, if one does."""
    return next((match for match in matches if match.start() <= column <= match.end()), None)


def _template(home: Home, file: str, text: str, name: str) -> Place | None:
    """The file of a template's name, or the marker of a sub-template in this file."""
    marker = rf"(?m)^#{{1,2}}[ \t]*-{{3,}}[ \t]*(?P<at>{re.escape(name)})[ \t]*-{{3,}}"
    if here := _first([(file, text)], marker):
        return here
    found = home.renderer.environment.search_path.find(name)
    return Place(found, 0, 0, 0) if found else None


def _block_at(lines: list[str], line: int) -> str | None:
    """The block whose header a line is, or around a line with ``super()``."""
    if header := _HEADER.search(lines[line]):
        return header["short"] or header["long"]
    if "super()" not in lines[line]:
        return None
    ended = 0
    for above in reversed(lines[:line]):
        header = _HEADER.search(above)
        if _END.search(above):
            ended += 1
        elif header and ended and header["long"]:
            ended -= 1
        elif header:
            return header["short"] or header["long"]
    return None


def _block(home: Home, file: str, text: str, name: str) -> Place | None:
    """The block of the nearest parent that has one of this name."""
    header = rf"(?m)^[ \t]*\[(?P<at>{name})!?\][ \t]*$|\bblock\s+(?P<long>{name})\b"
    parents = _files(home, file, text, _EXTENDED)
    next(parents)
    return _first(parents, header)


def _files(home: Home, file: str, text: str, names: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(path, text) of a file and of those that it names, and these in turn."""
    waiting, seen = [(os.path.abspath(file), text)], {os.path.abspath(file)}
    while waiting:
        path, content = waiting.pop(0)
        yield path, content
        for match in names.finditer(content):
            found = home.renderer.environment.search_path.find(match["name"])
            if found and found not in seen:
                seen.add(found)
                with open(found, encoding="utf-8-sig", errors="replace") as stream:
                    waiting.append((found, stream.read()))


def _first(files: Iterator[tuple[str, str]] | list[tuple[str, str]], wanted: str) -> Place | None:
    for path, text in files:
        if match := re.search(wanted, text):
            named = [group for group, value in match.groupdict().items() if value]
            start, end = match.span(named[0]) if named else match.span()
            line_start = text.rfind("\n", 0, start) + 1
            line = text.count("\n", 0, start)
            return Place(path, line, start - line_start, end - line_start)
    return None
