"""A problem as an editor underlines it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from forgather_hydra.errors import ForgatherError, ForgatherWarning

ERROR, WARNING, INFORMATION = "error", "warning", "information"


class Problem(NamedTuple):
    """What is wrong, and where.

    Attributes:
        file: absolute path; None for an override.
        line: 1-based.
        column: 1-based, of what is meant, or of the first character of the line.
        end_column: behind its last character.
        severity: ``error``, ``warning``, or ``information`` for what may be as it should.
        kind: one word that names it.
        message: what is wrong.
        hint: what to do about it.
        path: place in the configuration.
    """

    file: str | None
    line: int
    column: int
    end_column: int
    severity: str
    kind: str
    message: str
    hint: str | None
    path: str | None


def of_error(error: ForgatherError, file: str | None, severity: str = ERROR) -> Problem:
    """The problem that an error tells.

    Args:
        error: the error.
        file: where it stands if the error does not say so.
        severity: how bad it is.
    """
    place = error.file or file
    message = "\n".join([error.message, *(f"while {step}" for step in error.chain)])
    return _problem(place, error.line, severity, error.kind, message, error.hint, error.path)


def of_warning(warning: ForgatherWarning, file: str | None, severity: str = WARNING) -> Problem:
    """The problem that a warning tells; arguments as of `of_error`."""
    origin = warning.origin
    place = origin.file if origin and origin.file else file
    line = origin.line if origin else None
    return _problem(place, line, severity, warning.kind, warning.message, warning.hint, None)


def _problem(
    file: str | None,
    line: int | None,
    severity: str,
    kind: str,
    message: str,
    hint: str | None,
    path: str | None,
) -> Problem:
    where = os.path.abspath(file) if file else None
    text = _line(where, line or 1) if where else ""
    named = reversed(re.findall(r"'([^']+)'|([*&!][\w.:]+)", message))
    words = [*("".join(each) for each in named), *(path or "").split(".")[-1:]]
    start, end = span(text, words)
    return Problem(where, line or 1, start + 1, end + 1, severity, kind, message, hint, path)


def span(line: str, words: Iterable[str]) -> tuple[int, int]:
    """Where the first of some words stands in a line, else where its text does (0-based)."""
    for word in filter(None, words):
        if match := re.search(rf"(?<![\w*&!]){re.escape(word)}(?!\w)", line):
            return match.span()
    text = line.rstrip()
    return len(text) - len(text.lstrip()), len(text)


@cache
def _lines(file: str, stamp: int) -> list[str]:
    with open(file, encoding="utf-8-sig", errors="replace") as stream:
        return stream.read().split("\n")


def _line(file: str, number: int) -> str:
    try:
        lines = _lines(file, os.stat(file).st_mtime_ns)
    except OSError:
        return ""
    return lines[number - 1] if number <= len(lines) else ""
