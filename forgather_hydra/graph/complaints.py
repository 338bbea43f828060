"""libyaml's complaints to errors that say where the mistake stands, and what to do."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import yaml

from forgather_hydra.errors import ForgatherError, display_path
from forgather_hydra.template.source_map import Origin

LineOf = Callable[[Any], int]

_HINTS = {
    "found a tab character": "indent with spaces",
    "mapping values are not allowed": "quote a value with ': ', indent what is below a key",
    "cannot start any token": "indent with spaces, and quote a value that starts with % @ or `",
    "did not find expected key": "check the indentation: keys stand in one column",
    "did not find expected '-' indicator": "items stand in one column, a key further left",
    "could not find expected ':'": "a key needs a colon, a text of several lines quotes or '|'",
    "did not find expected ',' or": "a comma or the closing bracket is missing",
    "found unexpected end of stream": "the closing quote is missing",
    "did not find expected alphabetic": "quote a value that starts with & or *",
    "did not find expected node content": "a bracket is open, or a value is missing",
    "did not find expected <document start>": "a configuration is one mapping: write 'key: value'",
}
# YAML breaks lines where a template does not.
_ODD_BREAK = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
_OPEN = ("flow sequence", "flow mapping", "quoted scalar", "simple key")
_HEADER = re.compile(r"\s*(\[\w+!?\])\s+#")
_KEY = re.compile(r":(?:\s|\Z)|\A\s*- ")
_ITEM = re.compile(r"\s*- ")
_GLUED = "'<<', '>>', '=>' and '-%}' remove line ends: leave a blank line there, or write '--'"


class SyntaxProblem(Exception):
    """A YAML error, the rendered line (1-based) on which it stands, and that where it began.

    Attributes:
        is_open: whether what began there should have ended before.
        is_at_start: whether the mistake is where it began, and shows only later.
    """

    def __init__(
        self, error: ForgatherError, line: int, start: int | None = None, is_open: bool = False
    ) -> None:
        super().__init__(error)
        self.error = error
        self.end = line
        self.start = start
        self.is_open = is_open
        self.is_at_start = False

    @property
    def line(self) -> int:
        """The line to be edited."""
        return self.start if self.is_at_start and self.start else self.end

    def tell_at(self, start: int, hint: str | None = None) -> None:
        """The mistake is on an earlier line."""
        self.start, self.is_at_start = start, True
        self.error.hint = hint or self.error.hint

    def located(
        self,
        text: str,
        origin: Callable[[int], Origin],
        pieces: Callable[[int], list[Origin]] | None = None,
    ) -> ForgatherError:
        """The error at its template line.

        What is open at the end of one template is read on in the next one: then it stands where it
        was opened.

        Args:
            text: what was read.
            origin: the template line behind a line of the text.
            pieces: those of all that a line of the text is put together from.
        """
        made_of = pieces(self.line) if pieces else []
        if quoted := _quoted_across(text, self.end, lambda line: origin(line).template):
            self.start, self.is_open = quoted, True
            self.error.hint = "the closing quote is missing"
        if len(made_of) > 1:
            self.error.hint = _GLUED
            self.error.chain.append(f"reading as one line {' and '.join(map(_named, made_of))}")
        if self.start is None or self.start == self.end:
            return self.error.locate(origin(self.end))
        opened, stopped = origin(self.start), origin(self.end)
        if self.is_at_start or (self.is_open and opened.template != stopped.template):
            self.error.chain.append(f"reading went on to {_named(stopped)}")
            return self.error.locate(opened)
        self.error.chain.append(f"reading what begins at {_named(opened)}")
        return self.error.locate(stopped)


def line_counter(text: str) -> LineOf:
    """A function from libyaml's marks to 1-based lines of `text`."""
    if not _ODD_BREAK.search(text):
        return lambda mark: mark.line + 1
    breaks = [match.start() for match in re.finditer("\n", text)]
    return lambda mark: bisect_left(breaks, mark.index) + 1


def syntax_problem(
    error: yaml.MarkedYAMLError, text: str, line_of: LineOf, root: int
) -> SyntaxProblem:
    """What libyaml complains of, with the line where its cause probably is.

    Args:
        error: the complaint.
        text: what was read.
        line_of: from marks to lines of the text.
        root: the line on which its first value begins.
    """
    last_line = text.rstrip().count("\n") + 1
    mark, opening = error.problem_mark or error.context_mark, error.context_mark
    line = line_of(mark) if mark else 1
    message = ", ".join(part for part in (error.context, error.problem) if part)
    start = line_of(opening) if opening else None
    if line > last_line:  # something is never closed: its opening says more than the end
        line = start or last_line
    hint = next((hint for words, hint in _HINTS.items() if words in message), None)
    is_open = str(error.context).endswith(_OPEN)
    found = ForgatherError("yaml_syntax", message, hint=hint)
    problem = SyntaxProblem(found, min(line, last_line), start, is_open)
    lines = text.split("\n")
    if header := _commented_header(lines, problem.end):
        name = _HEADER.match(lines[header - 1])[1]  # type: ignore[index]
        problem.tell_at(header, f"a comment behind a header begins with ##, else {name} is a list")
    elif "<document start>" in message:
        problem.tell_at(root)
    elif quoted := next((n for n, end in _quoted_lines(text) if n < end == problem.end), None):
        problem.tell_at(quoted, "the closing quote is missing")
    elif start and "simple key" in message:
        problem.tell_at(start)
    elif "mapping values" in message and mark:
        _tell_depth(problem, lines, mark.column)
    elif "find expected key" in message and lines[problem.end - 1].lstrip().startswith("- "):
        found.hint = "items of a list stand below a key of their own, and deeper than '- ' above"
    return problem


def _commented_header(lines: list[str], last: int) -> int | None:
    """The line of what was meant as a block's header, and is none for its comment."""
    for number in range(last, 0, -1):
        if _HEADER.match(lines[number - 1]):
            above = _line_above(lines, number)
            return None if above and lines[above - 1].rstrip().endswith((":", "-", ",")) else number
    return None


def _line_above(lines: list[str], number: int) -> int | None:
    """The nearest line above one that is neither empty nor a comment."""
    above = range(number - 1, 0, -1)
    return next(
        (n for n in above if lines[n - 1].strip() and lines[n - 1].lstrip()[0] != "#"), None
    )


def _tell_depth(problem: SyntaxProblem, lines: list[str], column: int) -> None:
    """Tell a key that cannot stand there by the line above: that is no key, or has a value."""
    line, above = lines[problem.end - 1], _line_above(lines, problem.end)
    if above is None or ": " in line[:column]:
        return
    if _depth(line) > _depth(lines[above - 1]) and _KEY.search(lines[above - 1]):
        problem.start = above
        problem.error.hint = "one column for the keys of a mapping: the line above has a value"
        return
    first: int | None = above
    while first and _ITEM.match(lines[first - 1]):
        first = _line_above(lines, first)
    if first and not _KEY.search(lines[first - 1]):
        problem.tell_at(
            first, "a key needs a colon and a blank: this line and the next are read as one text"
        )


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _quoted_across(text: str, end: int, template_of: Callable[[int], str]) -> int | None:
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


def _named(origin: Origin) -> str:
    return f"{display_path(origin.file) if origin.file else origin.template}:{origin.line}"
