"""What the template engine complains of, told by what was written, where, and with the cure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from jinja2 import TemplateSyntaxError

from forgather_hydra.errors import did_you_mean
from forgather_hydra.template.outline import LINE_END
from forgather_hydra.template.syntax import translate

_NESTING = ("block", "if", "for", "macro", "filter", "call", "with", "set", "autoescape")
_CONTINUING = ("else", "elif")
KEYWORDS = (
    *_NESTING,
    *_CONTINUING,
    *("extends", "include", "import", "from", "raw", "endraw"),
    *(f"end{word}" for word in _NESTING),
)

Token = tuple[int, str, str]

_OPENING = re.compile(r"\{(?:\{|%|#)")
_BRACKET = re.compile(r"\{(?P<opening>[{%#])|[}%#]\}")
_END_LINE = re.compile(r"\s*(?:(?:--|<<|>>)\s+|\{%[-+]?\s*)end")
_ALMOST = re.compile(r"\s*(?:[-<>=][ \t]+|(?:--|<<|>>)(?=\w))(\w+)")
_ODD = {
    "#": "a comment behind a statement begins with ##",
    "&": "write 'and' rather than &&, and ~ to put texts together",
    "!": "write 'not x', or 'x != y'",
    "?": "write: a if condition else b",
    "$": "write the name alone, without $",
}


class Mistake(NamedTuple):
    """What is wrong with a template's statements.

    Attributes:
        message: what is wrong.
        line: where that stands (1-based).
        hint: what to do about it.
        met: the line on which it shows, where reading the template from its start comes to it.
    """

    message: str
    line: int
    hint: str | None
    met: int = 0


class Names(NamedTuple):
    """The names of what expressions can use."""

    filters: Iterable[str]
    tests: Iterable[str]


class _Statement(NamedTuple):
    line: int
    words: tuple[str, ...]

    @property
    def keyword(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def name(self) -> str:
        return self.words[1] if self.words[1:] and self.keyword.endswith("block") else ""

    def __str__(self) -> str:
        return f"{self.keyword} {self.name}".strip()


def explain_syntax(
    error: TemplateSyntaxError, source: str, tokens: Iterable[Token], names: Names
) -> Mistake:
    """What the engine complains of, as its author may see it.

    Args:
        error: the complaint.
        source: the template as written.
        tokens: of its translation; they may end in a complaint.
        names: what expressions can use.
    """
    message, line = error.message or "invalid syntax", error.lineno
    lines = LINE_END.split(source)
    statements = list(_statements(tokens))
    is_end = message.startswith("Unexpected end of template")
    unbalanced = _unbalanced(statements, lines)
    if unbalanced and (is_end or unbalanced.met <= line):
        return unbalanced
    if opened := _never_closed(message, line, source):
        return opened
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    words = re.sub(r"\A(?:--|<<|>>|\{%[-+]?)\s*", "", text)
    told = _of_words(message, words, names) or _of_statement(message, words)
    return Mistake(told[0] or message, line, told[1])


def _statements(tokens: Iterable[Token]) -> Iterator[_Statement]:
    words: list[str] | None = None
    start = 0
    with suppress(TemplateSyntaxError):
        for line, kind, text in tokens:
            if kind == "block_begin":
                words, start = [], line
            elif kind == "block_end" and words is not None:
                yield _Statement(start, tuple(words))
                words = None
            elif words is not None and kind != "whitespace":
                words.append(text)


def _unbalanced(statements: list[_Statement], lines: list[str]) -> Mistake | None:
    """The first statement that closes what is not open, or what is open at the end."""
    stack: list[_Statement] = []
    closed: list[tuple[_Statement, _Statement]] = []
    for each in statements:
        word = each.keyword
        if word in _CONTINUING and not (stack and stack[-1].keyword in ("if", "for")):
            return _stray(each, stack, lines)
        if word.startswith("end") and word in KEYWORDS:
            if not stack:
                return _closes_nothing(each, closed, lines)
            if mistake := _mismatch(stack, each, lines):
                return mistake
            closed.append((stack.pop(), each))
        elif word in _NESTING and not (word == "set" and "=" in each.words):
            stack.append(each)
    if not stack:
        return None
    word, line = stack[-1].keyword, stack[-1].line
    if almost := _almost(lines, line, len(lines), f"end{word}"):
        return almost
    message = f"'{word}' is never closed: 'end{word}' is missing"
    return Mistake(message, line, f"add '-- end{stack[-1]}'", len(lines) + 1)


def _almost(lines: list[str], after: int, before: int, word: str) -> Mistake | None:
    """The last line between two that would be a statement but for a character."""
    for number in range(before, after, -1):
        almost = _ALMOST.match(lines[number - 1]) if number <= len(lines) else None
        if almost and almost[1] == word:
            message = f"'{lines[number - 1].strip()}' is read as text"
            return Mistake(message, number, "a statement begins with -- and a blank", before)
    return None


def _stray(each: _Statement, stack: list[_Statement], lines: list[str]) -> Mistake:
    if any(opened.keyword in ("if", "for") for opened in stack):
        return _still_open(stack[-1], each, lines)
    message = f"'{each.keyword}' belongs to an 'if' or a 'for', and none is open here"
    return Mistake(message, each.line, "remove it, or write '-- if CONDITION' above", each.line)


def _closes_nothing(
    end: _Statement, closed: list[tuple[_Statement, _Statement]], lines: list[str]
) -> Mistake:
    is_written = end.line <= len(lines) and _END_LINE.match(lines[end.line - 1])
    for opened, closing in () if is_written else reversed(closed):
        header = lines[opened.line - 1].strip()
        if header.startswith("[") and _END_LINE.match(lines[closing.line - 1]):
            message = f"{header} ends by itself, at the next header or the end of the template"
            return Mistake(message, closing.line, f"remove '{closing}'", end.line)
    opening = end.keyword.removeprefix("end")
    if almost := _almost(lines, 0, end.line, opening):
        return almost
    message = f"'{end.keyword}' closes nothing: no '{opening}' is open"
    hint = f"remove it, or open the '{opening}' that it closes above"
    return Mistake(message, end.line, hint, end.line)


def _mismatch(stack: list[_Statement], end: _Statement, lines: list[str]) -> Mistake | None:
    opened, closing = stack[-1], end.keyword.removeprefix("end")
    if opened.keyword == closing and end.name in ("", opened.name):
        return None
    if any(each.keyword == closing and end.name in ("", each.name) for each in stack):
        return _still_open(opened, end, lines)
    message = f"'{end}' does not close what is open, '{opened}' of line {opened.line}"
    hint = f"write '-- end{opened}'"
    if opened.keyword == closing:
        hint += f", or name the block {end.name!r}"
    return Mistake(message, end.line, hint, end.line)


def _still_open(opened: _Statement, at: _Statement, lines: list[str]) -> Mistake:
    if almost := _almost(lines, opened.line, at.line, f"end{opened.keyword}"):
        return almost
    message = f"'{opened}' is not closed where '{at}' of line {at.line} stands"
    return Mistake(message, opened.line, f"add '-- end{opened}' before that", at.line)


def _never_closed(message: str, line: int, source: str) -> Mistake | None:
    """What is open where the engine gives up on its text, and began on an earlier line."""
    if "Missing end of raw" in message:
        lines = enumerate(LINE_END.split(source), 1)
        line = [n for n, text in lines if re.search(r"\braw\b", text)][-1]
        return Mistake("'raw' is never closed: 'endraw' is missing", line, "add '-- endraw'")
    translated = translate(source)
    starts = _OPENING.finditer(translated)
    before = [m for m in starts if translated.count("\n", 0, m.start()) + 1 <= line]
    if not before or not ("Missing end of comment" in message or "expected" in message):
        return None
    last = before[-1]
    began = translated.count("\n", 0, last.start()) + 1
    closing = _BRACKET.search(translated, last.end())
    if closing and not closing["opening"]:
        return None
    end = {"{": "}}", "%": "%}", "#": "#}"}[last[0][1]]
    return Mistake(f"'{last[0]}' is never closed", began, f"close it with '{end}'")


def _of_words(message: str, words: str, names: Names) -> tuple[str | None, str | None] | None:
    """(message, hint) for what the message tells almost alone."""
    if odd := re.match(r"unexpected char (?P<quote>['\"])(?P<char>.+)(?P=quote) at \d+", message):
        char = odd["char"].removeprefix("\\")
        if char in ("'", '"'):
            return "a quote is not closed", f"close it with {char} on the same line"
        cure = _ODD.get(char, "put a text in quotes")
        return f"{char} has no meaning in a statement or an expression", cure
    if tag := re.match(r"Encountered unknown tag '(\w+)'", message):
        return f"there is no statement '{tag[1]}'", _meant(tag[1], words, message)
    if missing := re.match(r"No (filter|test) named '(\w+)'", message):
        known_names = names.filters if missing[1] == "filter" else names.tests
        return None, did_you_mean(missing[2], known_names) or (
            f"there is no such {missing[1]}: see those of Jinja"
        )
    if bracket := re.match(r"unexpected '(.+)', expected '(.+)'", message):
        return f"'{bracket[2]}' is missing", "close what is open on the same line"
    if "block" in message and "defined twice" in message:
        return None, "give the second one another name; to add to a parent's, use super() in one"
    return None


def _meant(tag: str, words: str, message: str) -> str:
    """What an unknown statement was meant as."""
    is_open = re.search(r"that needs to be closed is '(\w+)'", message)
    if tag.startswith("end") and is_open:
        return f"write: end{is_open[1]}"
    if re.match(rf"{tag}(?:\.\w+)?\s*=[^=]", words):
        return f"write: set {words}"
    known = ", ".join(word for word in KEYWORDS if not word.startswith("end"))
    return did_you_mean(tag, KEYWORDS) or f"there are: {known}"


def _of_statement(message: str, words: str) -> tuple[str | None, str | None]:
    """(message, hint) for a statement that the engine cannot read."""
    if message == "tag name expected":
        return (
            None,
            "a line that starts with -- << or >> and a blank is a statement of the template",
        )
    keyword = re.match(r"\w*", words)[0]  # type: ignore[index]
    for pattern, cure in _FORMS.items():
        if re.match(pattern, words):
            return None, cure
    if "got '='" in message:
        return None, "== compares"
    if message.startswith("expected token 'end of"):
        what = f"'{keyword}'" if "statement block'" in message else "the expression"
        return None, f"{what} ends before that: put texts in quotes, and operators between values"
    if message.startswith("expected token"):
        return None, "a bracket is not closed, or what stands in it is no list of values"
    if message.startswith(("Expected an expression", "unexpected 'end of")):
        return "an expression is missing", "write a value: a name, a number, or a text in quotes"
    if "function call expression" in message:
        return None, "arguments by position come before those by name"
    return None, None


# What statements look like that are none, and the cure; the first that fits counts.
_FORMS: Mapping[str, str] = {
    r"(?:end)?block\s+\w": "the name of a block is one word of letters, digits and _",
    r"else\s+if\b": "write: elif CONDITION",
    r"(?:extends|include)\s*(?:[%-].*)?\Z": "name a template: -- extends 'name.yaml'",
    r"block\s*(?:[%-].*)?\Z": "name the block: -- block NAME",
    r"macro\s+\w+\s*(?:[%-].*)?\Z": "write its arguments, or none: -- macro NAME()",
    r"for\s+(?!.*\bin\b)": "write: for NAME in VALUES",
    r"import\s+(?!.*\bas\b)": "write: import 'name.yaml' as NAME",
    r"from\s+.*\bimport\s*\*": "name what is imported, or write: import 'name.yaml' as NAME",
    r"set\s+\w+\.\w+\.": "a namespace holds names of one level: ns.NAME",
    r"set\s+(?!.*=)": "write: set NAME = VALUE",
    r".*[;:]\s*(?:[%-]\})?\Z": "remove the last character",
}
