"""Python scalars to YAML scalars that read back as the same value."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.graph.scalars import resolve_plain

_PLAIN = re.compile(r"(?:[^\W\d_]|[0-9_./$+\\]|-(?=[\w.]))[^\n]*\Z")
_SYNTAX = re.compile(r": |:\Z| #|##|\{\{|\{%|\{#|\s\Z|\A\.\.\.")
_FLOW_SYNTAX = re.compile(r"[,\[\]{}:]")
_TEMPLATE = re.compile(
    r"\{\{|\{%|\{#|##|^[ \t]*(?:--|<<|>>|==|=>)(?:\s|$)|^[ \t]*\[\w+!?\][ \t]*$", re.MULTILINE
)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_HIDDEN = {"{{": "{\\x7b", "{%": "{\\x25", "{#": "{\\x23", "##": "#\\x23"}


def scalar(value: Any, flow: bool = False) -> str:
    """A scalar on one line.

    Args:
        value: a bool, int, float, str or None.
        flow: it will stand between brackets.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return text(value, flow) if isinstance(value, str) else repr(value)


def text(value: str, flow: bool = False) -> str:
    """A text on one line, quoted if it would otherwise read as something else."""
    if _is_plain(value) and not (flow and _FLOW_SYNTAX.search(value)):
        return value
    if value.isprintable() and ('"' in value or "\\" in value) and not _TEMPLATE.search(value):
        return "'" + value.replace("'", "''") + "'"
    return double_quoted(value)


def double_quoted(value: str) -> str:
    """A text in double quotes, in which no template syntax is left to be found."""
    written = "".join(_escaped(character) for character in value)
    for syntax, hidden in _HIDDEN.items():
        written = written.replace(syntax, hidden)
    return f'"{written}"'


def literal_lines(value: str) -> list[str] | None:
    """The lines of a literal block, header first; None when a block would not be exact."""
    body = value.removesuffix("\n")
    lines = body.split("\n")
    if len(lines) < 2 and body == value:
        return None
    exact = lines[0] and lines[-1] and not lines[0].startswith((" ", "\t"))
    if not exact or not all(line.isprintable() for line in lines) or _TEMPLATE.search(value):
        return None
    return ["|" if body != value else "|-", *lines]


def _is_plain(value: str) -> bool:
    if not value.isprintable() or not _PLAIN.match(value) or _SYNTAX.search(value):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForgatherWarning)
        try:
            return isinstance(resolve_plain(value), str)
        except ForgatherError:  # a date
            return False


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
