"""Why a plain YAML file cannot be read, where it was perhaps meant as a template."""

from __future__ import annotations

import re
from pathlib import Path

from yaml import MarkedYAMLError

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.words import WORDS
from forgather_hydra.template.mistakes import KEYWORDS
from forgather_hydra.template.outline import outline

_UNKNOWN_TAG = re.compile(r"could not determine a constructor for the tag '!(\w+)")
_STATEMENT = re.compile(r"[ \t]*(?:--|<<|>>)[ \t]+(\w+)|\{%[-+]?[ \t]*(\w+)")
_EXPRESSION = re.compile(r"\{\{|^[ \t]*(?:==|=>)[ \t]")


def no_yaml(error: MarkedYAMLError) -> ForgatherError:
    """The error for a file that is no YAML, with its line, and what would make it a template."""
    mark = error.problem_mark
    file = mark.name if mark else "?"
    message = ForgatherError("invalid_yaml", f"this is no YAML: {error.problem or error.context}")
    message.template = message.file = file
    message.line = mark.line + 1 if mark else None
    if tag := _UNKNOWN_TAG.search(str(error.problem)):
        message.kind, message.message = "unknown_tag", f"there is no tag !{tag[1]}"
        message.hint = did_you_mean(f"!{tag[1]}", [f"!{word}" for word in WORDS])
    elif Path(file).is_file():
        message.hint = _hint(file) or _cure(message, file)
    return message


def _cure(message: ForgatherError, file: str) -> str | None:
    """The cure of a mistake in any YAML, whose line becomes that of the message."""
    from forgather_hydra.graph.complaints import SyntaxProblem
    from forgather_hydra.graph.events import read_events

    try:
        read_events(Path(file).read_text("utf-8-sig", "replace"))
    except SyntaxProblem as problem:
        message.line = problem.line
        return problem.error.hint
    return None


def _hint(file: str) -> str | None:
    lines = [line.structure for line in outline(Path(file).read_text("utf-8-sig", "replace"))]
    for line in lines:
        if statement := _STATEMENT.search(line):
            word = statement[1] or statement[2]
            near = did_you_mean(word, KEYWORDS) or "it takes the place of a key"
            return f"{word!r} is no statement of a template: {near}"
    if any(map(_EXPRESSION.search, lines)):
        return (
            "an expression is evaluated in a template only: a file is one if it has a statement, "
            "such as '-- set x = 1', or a tag of ours"
        )
    return None
