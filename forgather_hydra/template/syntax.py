"""Line statements, line comments and block shorthand to ordinary Jinja, line for line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from forgather_hydra.template.outline import LINE_END, Inside, outline

_COMMENT = re.compile(r"[ \t]*##(.*)\Z", re.DOTALL)
_TRAILING = re.compile(
    r"""
    (?: (?<=[\s\[({,:=~|]) | \A)  (?: "(?:[^"\\]|\\.)*" | '(?:[^']|'')*' )  (?=[\s\])},:|~] | \Z)
    | (?P<comment> [ \t]+\#\# )
    """,
    re.VERBOSE,
)
_STATEMENT = re.compile(r"[ \t]*(--|<<|>>|==|=>)[ \t]+(.*?)[ \t]*\Z")
_HEADER = re.compile(r"(?P<indent>[ \t]*)\[(?P<name>\w+)(?P<trim>!?)\][ \t]*\Z")
_SEEN = re.compile(r"[ \t]*[^#\s]")
_BARE_KEY = re.compile(r"(?P<indent>[ \t]*)[^\s#].*:[ \t]*\Z")
_RAW = re.compile(r"(?:\{%[-+]?|\A(?P<line>[ \t]*--)|\A[ \t]*(?:<<|>>))\s*(?P<end>end)?raw\b")
_ASSIGNMENT = re.compile(r"[ \t]*(?:--|<<|>>)[ \t]+set\b.*=")

_OPENING = frozenset(
    ("block", "if", "for", "filter", "macro", "call", "with", "autoescape", "trans", "raw")
)
_CONTINUING = frozenset(("else", "elif"))
TRIM_FILTER = "_trim_block"
TRIM_VALUE_FILTER = "_trim_newlines"


class _Open(NamedTuple):
    """An open shorthand block (indent given), or an open statement written by line."""

    keyword: str
    indent: int = -1
    trim: bool = False

    @property
    def closing(self) -> str:
        return "{% endblock %}" + ('{% endfilter %}{{ "\\n" }}' if self.trim else "")


def translate(text: str) -> str:
    """Translate a template into Jinja.

    Line n of the result comes from line n of `text`; only what closes the last blocks may follow
    after the end. The result is meant for an environment with ``trim_blocks``.
    """
    return _Translator().run(text)


def swallowed_lines(text: str) -> Iterator[tuple[int, str]]:
    """(line, what it is taken for) of lines within block scalars that would not be printed.

    What is meant as text there reads as a comment, a header or an assignment of the language.
    """
    translator = _Translator()
    lines = zip(LINE_END.split(text), outline(text), strict=True)
    for number, (line, place) in enumerate(lines, start=1):
        was_raw = translator.raw
        translator.line(line)
        is_text = place.inside is Inside.BLOCK and not was_raw and not translator.raw
        if is_text and (taken := _taken_for(line)):
            yield number, taken


def lists_as_headers(text: str) -> Iterator[tuple[int, str]]:
    """(line, word) for each list of one word that is below its key, and reads as a header."""
    lines = [line for line in enumerate(LINE_END.split(text), start=1) if _SEEN.match(line[1])]
    for (_, above), (number, line), (_, below) in zip(lines, lines[1:], lines[2:], strict=False):
        header, key = _HEADER.match(line), _BARE_KEY.match(above)
        if header is None or key is None or _STATEMENT.match(above):
            continue
        depth = len(key["indent"])
        is_left = len(below) - len(below.lstrip()) <= depth < len(header["indent"])
        if is_left and not _HEADER.match(below) and not _STATEMENT.match(below):
            yield number, header["name"]


def _taken_for(line: str) -> str | None:
    if _COMMENT.match(line) or _without_trailing_comment(line) != line:
        return "a comment"
    if header := _HEADER.match(line):
        return f"the header of a block {header['name']!r}"
    return "an assignment" if _ASSIGNMENT.match(line) else None


class _Translator:
    def __init__(self) -> None:
        self.open: list[_Open] = []
        self.raw = False
        self.opening = ""  # of a raw section, at the line after that which asks for it

    def run(self, text: str) -> str:
        lines = [self.line(line) for line in LINE_END.split(text)]
        return "\n".join(lines) + self.opened() + self.close_shorthand()

    def line(self, line: str) -> str:
        if (self.raw or "raw" in line) and (raw := _RAW.search(line)):
            self.raw = raw["end"] is None
            if self.raw and raw["line"]:
                return self.open_raw()
            if self.opening:
                return self.opened() + self.line(line)
        elif self.raw:
            return self.opened() + line
        if comment := _COMMENT.match(line):
            return "{#" + comment[1].replace("#}", "# }") + "#}"
        line = _without_trailing_comment(line)
        if header := _HEADER.match(line):
            return self.header(header)
        if statement := _STATEMENT.match(line):
            return self.statement(statement[1], statement[2])
        return line

    def open_raw(self) -> str:
        """Begin a raw section at the next line: the engine would keep the end of this one."""
        self.before_statement("raw")
        self.opening = "{% raw %}"
        return "{##}"

    def opened(self) -> str:
        opening, self.opening = self.opening, ""
        return opening

    def header(self, header: re.Match[str]) -> str:
        indent, trim = len(header["indent"]), bool(header["trim"])
        closing = self.close_shorthand(down_to=indent)
        self.open.append(_Open("", indent, trim))
        opening = f"{{% filter {TRIM_FILTER} %}}" if trim else ""
        return f"{closing}{opening}{{% block {header['name']} %}}"

    def statement(self, token: str, code: str) -> str:
        if token == "==":
            return f"{{{{ {code} }}}}"
        if token == "=>":
            return f"{{{{ ({code}) | {TRIM_VALUE_FILTER} }}}}"
        closing = self.before_statement(code)
        left, right = ("-" if token == "<<" else ""), ("-" if token == ">>" else "")
        if closing and left:
            closing, left = "{%-" + closing.removeprefix("{%"), ""
        return f"{closing}{{%{left} {code} {right}%}}"

    def before_statement(self, code: str) -> str:
        """Close the shorthand blocks that a statement ends by ending what they stand in."""
        words = code.split(None, 1)
        keyword = words[0].rstrip(":") if words else ""
        if keyword in _CONTINUING:
            return self.close_shorthand()
        if keyword.startswith("end"):
            closing = self.close_shorthand() if any(o.keyword for o in self.open) else ""
            if self.open and self.open[-1].keyword:
                self.open.pop()
            return closing
        if keyword in _OPENING or (keyword == "set" and "=" not in code):
            self.open.append(_Open(keyword))
        return ""

    def close_shorthand(self, down_to: int = -1) -> str:
        """Close the innermost shorthand blocks indented at least as far as `down_to`."""
        closing = ""
        while self.open and not self.open[-1].keyword and self.open[-1].indent >= down_to:
            closing += self.open.pop().closing
        return closing


def _without_trailing_comment(line: str) -> str:
    if "##" in line:
        for match in _TRAILING.finditer(line):
            if match["comment"]:
                return line[: match.start()]
    return line
