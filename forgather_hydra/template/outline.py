"""Which lines of a text are the structure of a YAML document, and which are inside of a scalar.

A template is no YAML yet, and an ordinary file need not be valid. So this looks at lines: at their
indentation, and at how the value at the end of a line begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

LINE_END = re.compile(r"\r\n|\r|\n")
_LEAD = re.compile(r"[ \t]*(?:[-?][ \t]+)*")
_KEY = re.compile(
    r"""
    (?: "(?:[^"\\]|\\.)*" | '(?:[^']|'')*' | [^\s#"'|>&!] [^#"']*? )
    [ \t]* : (?=[ \t]|\Z) [ \t]*
    """,
    re.VERBOSE,
)
_PROPERTIES = re.compile(r"(?:[!&]\S*(?:[ \t]+|\Z))*")
_BLOCK_SCALAR = re.compile(r"[|>][-+0-9]*[ \t]*(?:\#.*)?\Z")
_STATEMENT = re.compile(r"[ \t]*(?:--|<<|>>|==|=>)[ \t]")
_QUOTED = re.compile(r""" "(?:[^"\\]|\\.)*" | '(?:[^']|'')*'(?!') """, re.VERBOSE)
_COMMENT = re.compile(r"(?:\A|[ \t])\#.*")
_ENGINE_COMMENT = re.compile(r"\{\#.*?\#\}")


class Inside(Enum):
    """What kind of scalar a line continues."""

    NOTHING = "structure"
    BLOCK = "a block scalar"
    QUOTED = "a quoted scalar"
    PLAIN = "a plain scalar"


class Line(NamedTuple):
    """A line of a text.

    Attributes:
        inside: the scalar that it continues, if any.
        structure: its text without scalars and comments.
    """

    inside: Inside
    structure: str


def outline(text: str) -> Iterator[Line]:
    """What each line of a text is."""
    reader = _Reader()
    for line in LINE_END.split(text):
        inside = reader.continues(line)
        yield Line(inside, reader.structure(line) if inside is Inside.NOTHING else "")


class _Reader:
    """Reads line after line.

    Attributes:
        inside: the scalar that is open.
        column: of what holds it; its lines stand further to the right.
        quote: what ends it.
        depth: of flow collections.
    """

    def __init__(self) -> None:
        self.inside = Inside.NOTHING
        self.column = 0
        self.quote = ""
        self.depth = 0

    def continues(self, line: str) -> Inside:
        """The open scalar that a line continues; it may end with the line."""
        inside = self.inside
        if inside is Inside.QUOTED:
            if self.closes(line):
                self.inside = Inside.NOTHING
            return inside
        if inside is Inside.NOTHING or not line.strip():
            return inside
        is_further = _indentation(line) > self.column
        if not is_further or (inside is Inside.PLAIN and line.lstrip().startswith("#")):
            self.inside = Inside.NOTHING
        return self.inside

    def closes(self, line: str) -> bool:
        if self.quote == "'":
            return line.replace("''", "").count("'") % 2 == 1
        return re.sub(r"\\.", "", line).count('"') % 2 == 1

    def structure(self, line: str) -> str:
        """The structure on a line that continues no scalar; notes the scalar that it begins."""
        if _STATEMENT.match(line):
            return line
        line = _ENGINE_COMMENT.sub("", line)
        if self.depth:
            return self.flow(line)
        lead = _LEAD.match(line)
        assert lead is not None
        key = _KEY.match(line, lead.end())
        properties = _PROPERTIES.match(line, key.end() if key else lead.end())
        assert properties is not None
        head, value = line[: properties.end()], line[properties.end() :]
        self.column = lead.end() if key else _last_dash(lead[0])
        if value[:1] in ("[", "{"):
            return head + self.flow(value)
        if _BLOCK_SCALAR.match(value):
            self.inside = Inside.BLOCK
        elif value[:1] in ("'", '"'):
            self.quote = value[0]
            self.inside = Inside.QUOTED if not _QUOTED.match(value) else Inside.NOTHING
        elif value and value[0] not in "#*" and not _COMMENT.search(value):
            self.inside = Inside.PLAIN
        return head

    def flow(self, line: str) -> str:
        """The structure on a line within a flow collection."""
        bare = _COMMENT.sub("", _QUOTED.sub("''", line))
        opened = sum(map(bare.count, "[{"))
        self.depth = max(0, self.depth + opened - sum(map(bare.count, "]}")))
        return bare


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _last_dash(lead: str) -> int:
    """The column of what holds a value without a key: of its dash, else that before its own."""
    return max(lead.rfind("-"), lead.rfind("?")) if lead.strip() else len(lead) - 1
