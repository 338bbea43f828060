"""Exceptions of a render to errors that name the template line and say what to do."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

from jinja2 import TemplateNotFound, TemplateRuntimeError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from forgather_hydra.errors import ForgatherError, did_you_mean, error_like
from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.load import Load
from forgather_hydra.template.mistakes import Names, explain_syntax
from forgather_hydra.template.outline import LINE_END
from forgather_hydra.template.source_map import Origin


def diagnose(
    error: Exception, environment: TemplateEnvironment, load: Load, variables: dict[str, Any]
) -> ForgatherError:
    """The located error for whatever a render raised."""
    if isinstance(error, TemplateSyntaxError):
        return _syntax(error, environment, load)
    frames = _template_frames(error.__traceback__)
    trail = [_origin(load, key, line) for key, line in frames]
    if isinstance(error, ForgatherError):
        found = error
    else:
        found = _runtime(error, environment, load, variables, trail)
        if found.kind == "undefined_variable" and frames:
            text = _text(load, *frames[-1])
            found.hint = _unquoted(found.message, text) or found.hint or _give(found.message)
    if found.template is None and trail:
        found.locate(trail[-1])
        found.chain += [f"rendering {o.template}:{o.line}" for o in reversed(trail[:-1])][:8]
    return found


def _runtime(
    error: Exception,
    environment: TemplateEnvironment,
    load: Load,
    variables: dict[str, Any],
    trail: list[Origin],
) -> ForgatherError:
    message = str(error) or type(error).__name__
    if isinstance(error, TemplateNotFound):
        return _missing(error, environment, load)
    if isinstance(error, RecursionError):
        return _cycle(trail)
    if isinstance(error, SecurityError):
        hint = "templates run in a sandbox, without access to Python's internals"
        return error_like(error, "security", message, hint=hint)
    if isinstance(error, UndefinedError):
        return _undefined(error, message, environment, variables)
    if isinstance(error, TemplateRuntimeError):
        return _refused(error, message)
    cure = "loop over less" if "Range too big" in message else None
    return error_like(error, "template_runtime", f"{type(error).__name__}: {message}", hint=cure)


def _undefined(
    error: UndefinedError, message: str, environment: TemplateEnvironment, variables: dict[str, Any]
) -> ForgatherError:
    hint: str | None = None
    if block := re.match(r"there is no parent block called '(\w+)'", message):
        hint = f"no parent template has a block {block[1]!r}: remove super(), or check 'extends'"
        return error_like(error, "super_without_parent", message, hint=hint)
    if name := re.match(r"'(\w+)' is undefined", message):
        hint = did_you_mean(name[1], [*variables, *environment.globals])
        if name[1] in variables:
            hint = "macros that are imported see it only if they are imported 'with context'"
    elif "does not export the requested name" in message:
        hint = "a template exports what it defines outside of blocks, unless it starts with _"
    return error_like(error, "undefined_variable", message, hint=hint)


def _give(message: str) -> str:
    if message == "'super' is undefined":
        return "super() is the text of a parent's block: it stands in a block"
    if "has no attribute" in message:
        return "check the name, or write {{ ... | default(VALUE) }}"
    return "give it a value, or write {{ ... | default(VALUE) }}"


def _unquoted(message: str, text: str) -> str | None:
    """The cure where a template is named without quotes."""
    name = re.match(r"'(\w+)' is undefined", message)
    file = name and re.search(rf"\b(?:extends|include|import|from)\s+({name[1]}[\w./-]*)", text)
    return f"put the name of a template in quotes: {file[1]!r}" if file else None


def _text(load: Load, key: str, line: int) -> str:
    """A line of a template as it is written."""
    lines = LINE_END.split(load.sources[key].text) if key in load.sources else []
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _refused(error: TemplateRuntimeError, message: str) -> ForgatherError:
    if required := re.match(r"Required block '(\w+)' not found", message):
        message = f"the required block {required[1]!r} is not overridden"
        hint = f"give it a body: [{required[1]}] or -- block {required[1]}"
        return error_like(error, "required_block", message, hint=hint)
    if message == "extended multiple times":
        hint = "put the second template below a marker, #---- name ----, and include 'name'"
        message = "a template extends one parent, and this is its second 'extends'"
        return error_like(error, "template_syntax", message, hint=hint)
    cure = "name it in quotes, or by a variable with a text" if "is text, not" in message else None
    if message == "cannot assign attribute on non-namespace object":
        message = "a name with a dot is set in a namespace, and there is none of that name yet"
        cure = "make it first: -- set ns = namespace()"
    return error_like(error, "template_runtime", message, hint=cure)


def _missing(
    error: TemplateNotFound, environment: TemplateEnvironment, load: Load
) -> ForgatherError:
    name = str(error.name or "")
    hint = did_you_mean(name, [*load.parts, *environment.search_path.names()])
    if environment.search_path.is_folder(name):
        hint = "it is a folder: name a file in it"
    elif ".." in name.split("/"):
        hint = "a name cannot leave the search path with '..'"
    elif marker := _marker_of(name, load):
        hint = f"{marker!r} is no marker: write #---- name ----, with letters, digits, _ . and /"
    folders = ", ".join(environment.search_path.folders) or "no folder"
    return error_like(
        error,
        "missing_template",
        f"there is no template {name!r}",
        hint=hint or f"the search path is {folders}",
    )


def _marker_of(name: str, load: Load) -> str | None:
    """A line that was meant to begin a part of that name."""
    looks = (
        re.compile(rf"(?m)^[ \t]*#[# \t]*-+[ \t]*{re.escape(name)}(?![\w/]).*$") if name else None
    )
    found = (looks.search(source.text) for source in load.sources.values()) if looks else ()
    return next((match[0].strip() for match in found if match), None)


def _cycle(trail: list[Origin]) -> ForgatherError:
    """The shortest run of templates with which the trail ends again and again."""
    names = [origin.template for origin in trail]
    last = names[-1] if names else "?"
    before = [
        i for i, name in enumerate(names[:-1]) if name == last and trail[i].line == trail[-1].line
    ]
    cycle = names[before[-1] :] if before else names[-2:]
    error = ForgatherError(
        "cycle",
        "templates use each other without end: " + " -> ".join(cycle),
        hint="let one of them extend, include or call something else, or stop at some point",
    )
    return error.locate(trail[-1]) if trail else error


def _syntax(
    error: TemplateSyntaxError, environment: TemplateEnvironment, load: Load
) -> ForgatherError:
    key = error.name or ""
    if key not in load.places:  # complaints of the engine's lexer name the file instead
        texts = {source.text: known for known, source in load.sources.items()}
        key = texts.get(error.source or "", key)
    source = error.source or ""
    tokens = environment.lex(environment.preprocess(source))
    names = Names(environment.filters, environment.tests)
    mistake = explain_syntax(error, source, tokens, names)
    found = error_like(error, "template_syntax", mistake.message, hint=mistake.hint)
    return found.locate(_origin(load, key, mistake.line))


def _template_frames(traceback: TracebackType | None) -> list[tuple[str, int]]:
    """(source, line) of each frame that ran a template, outermost first."""
    frames = []
    while traceback is not None:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            frames.append((template.name, template.get_corresponding_lineno(traceback.tb_lineno)))
        traceback = traceback.tb_next
    return frames


def _origin(load: Load, key: str, line: int) -> Origin:
    place = load.places.get(key)
    return (
        Origin(place.template, line + place.offset, place.file)
        if place
        else Origin(key or "<string>", line)
    )
