"""YAML text to libyaml's events, and libyaml's complaints to errors that say what to do."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import yaml
from yaml import events
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from forgather_hydra.errors import ForgatherError

# YAML breaks lines where a template does not.
_ODD_BREAK = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
_HINTS = {
    "mapping values are not allowed": "quote a value with ': ', indent what is below a key",
    "cannot start any token": "indent with spaces, and quote a value that starts with % @ or `",
    "did not find expected key": "check the indentation: keys stand in one column",
    "did not find expected '-' indicator": "check the indentation: items stand in one column",
    "could not find expected ':'": "a key needs a colon, a text of several lines quotes or '|'",
    "did not find expected ',' or": "a comma or the closing bracket is missing",
    "found unexpected end of stream": "the closing quote is missing",
    "did not find expected alphabetic": "quote a value that starts with & or *",
    "did not find expected node content": "a bracket is open, or a value is missing",
}

_OPEN = ("flow sequence", "flow mapping", "quoted scalar", "simple key")

LineOf = Callable[[Any], int]


class SyntaxProblem(Exception):
    """A YAML error, the rendered line (1-based) on which it stands, and that where it began.

    Attributes:
        is_open: whether what began there should have ended before.
    """

    def __init__(
        self, error: ForgatherError, line: int, start: int | None = None, is_open: bool = False
    ) -> None:
        super().__init__(error)
        self.error = error
        self.line = line
        self.start = start
        self.is_open = is_open


def read_events(text: str) -> list[Any]:
    """All events of a text, up to the end of the stream.

    Raises:
        SyntaxProblem: with a ``yaml_syntax`` error.
    """
    stream: list[Any] = []
    try:
        parser = CParser(text)
        try:
            next_event, end = parser.get_event, events.StreamEndEvent
            while type(event := next_event()) is not end:
                stream.append(event)
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as error:
        raise _problem(error, text) from error
    except yaml.reader.ReaderError as error:
        message = f"{error.reason} (character {error.character!r})"
        raise SyntaxProblem(
            ForgatherError("yaml_syntax", message), text.count("\n", 0, error.position) + 1
        ) from error
    except UnicodeEncodeError as error:
        message = f"the character {error.object[error.start]!r} has no place in a text"
        raise SyntaxProblem(
            ForgatherError("yaml_syntax", message), text.count("\n", 0, error.start) + 1
        ) from error
    return stream


def line_counter(text: str) -> LineOf:
    """A function from libyaml's marks to 1-based lines of `text`."""
    if not _ODD_BREAK.search(text):
        return lambda mark: mark.line + 1
    breaks = [match.start() for match in re.finditer("\n", text)]
    return lambda mark: bisect_left(breaks, mark.index) + 1


def _problem(error: yaml.MarkedYAMLError, text: str) -> SyntaxProblem:
    line_of = line_counter(text)
    last_line = text.rstrip().count("\n") + 1
    mark, opening = error.problem_mark or error.context_mark, error.context_mark
    line = line_of(mark) if mark else 1
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    start = line_of(opening) if opening else None
    if line > last_line:  # something is never closed: its opening says more than the end
        line = start or last_line
    hint = next((hint for words, hint in _HINTS.items() if words in problem), None)
    message = ForgatherError("yaml_syntax", problem, hint=hint)
    is_open = str(error.context).endswith(_OPEN)
    return SyntaxProblem(message, min(line, last_line), start, is_open)


def quoted_across(text: str, end: int, template_of: Callable[[int], str]) -> int | None:
    """The line of the first quoted text, up to one line, that leads from a template to another."""
    for first, last in _quoted_lines(text):
        if first < last <= end and template_of(first) != template_of(last):
            return first
    return None


def _quoted_lines(text: str) -> Iterator[tuple[int, int]]:
    """The lines on which each quoted scalar begins and ends, up to the first mistake."""
    line_of = line_counter(text)
    with suppress(yaml.YAMLError, UnicodeEncodeError):
        for token in yaml.scan(text, yaml.CLoader):
            if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
                yield line_of(token.start_mark), line_of(token.end_mark)
