"""Every problem of template files that can be found without importing what they name."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from forgather_hydra.config.claim import is_template_file
from forgather_hydra.config.plain import fault_of
from forgather_hydra.editor.home import Home, home_of
from forgather_hydra.editor.plain import plain_problems
from forgather_hydra.editor.problem import (
    ERROR,
    INFORMATION,
    WARNING,
    Problem,
    of_error,
    of_warning,
)
from forgather_hydra.errors import ForgatherError, ForgatherWarning, did_you_mean
from forgather_hydra.graph.lost import tell_lost_lines
from forgather_hydra.graph.parse import parse
from forgather_hydra.graph.static.check import static_problems
from forgather_hydra.project.workspace import META_FILE, is_project
from forgather_hydra.template.handed import Handover
from forgather_hydra.template.source_map import Origin

_REFUSED = ("text_outside_blocks",)  # warnings that are errors in a run
# What a template that others complete may lack.
_COMPLETED = ("required_block", "undefined_alias", "undefined_variable", "super_without_parent")
_ENTRY = re.compile(r"(?:override\s+)?(/?)([\w/]+)(?:@\S+)?\Z")


def problems_of(files: Iterable[str]) -> list[Problem]:
    """The problems of template files and of what they use, each once, in order.

    A file that the language does not read is checked as YAML.
    """
    found: dict[Problem, None] = {}
    for file in files:
        found.update(dict.fromkeys(_of_file(os.path.abspath(file))))
    return sorted(found, key=lambda problem: (problem.file or "", problem.line, problem.column))


@contextmanager
def collecting(found: list[Problem], file: str | None, lenient: bool = False) -> Iterator[None]:
    """Turn what is told while this is open into problems.

    Args:
        found: gets them.
        file: where they stand if they do not say so.
        lenient: whether other templates complete the file.
    """
    with warnings.catch_warnings(record=True) as message:
        warnings.simplefilter("always")
        try:
            yield
        except ForgatherError as error:
            is_due = lenient and error.kind in _COMPLETED
            found.append(of_error(error, file, INFORMATION if is_due else ERROR))
    for each in message:
        if isinstance(warning := each.message, ForgatherWarning):
            severity = ERROR if warning.kind in _REFUSED else WARNING
            found.append(of_warning(warning, file, severity))


def _of_file(file: str) -> list[Problem]:
    found: list[Problem] = []
    with collecting(found, file):
        if not os.path.isfile(file):
            raise ForgatherError("missing_template", f"there is no file {file}", file=file)
        if fault := fault_of(file):
            raise fault
        if os.path.basename(file) == META_FILE and is_project(os.path.dirname(file)):
            _check_meta(os.path.dirname(file))
            return found
        home = home_of(file)
        if home.code is None and not home.is_part and not is_template_file(file):
            found += [of_error(error, file) for error in plain_problems(file)]
            return found
        with collecting(found, file, lenient=home.is_part):
            found += [of_error(error, file) for error in _of_template(home)]
    return found


def _of_template(home: Home) -> Iterator[ForgatherError]:
    rendered = home.renderer.render(home.name, handed=Handover())
    graph = parse(rendered.text, rendered.source_map)
    tell_lost_lines(graph, rendered)
    if home.code:
        import sys

        sys.path.append(home.code)
    yield from static_problems(graph)
    if isinstance(graph, dict) and home.group is not None:
        yield from _wrong_defaults(graph.get("defaults"), home)


def _wrong_defaults(defaults: Any, home: Home) -> Iterator[ForgatherError]:
    """An error for each option of a defaults list that the group does not have."""
    for number, entry in enumerate(defaults if isinstance(defaults, list) else ()):
        for key, option in entry.items() if isinstance(entry, dict) else ():
            match = _ENTRY.match(str(key))
            if match is None or not isinstance(option, str) or "${" in option:
                continue
            group = match[2] if match[1] or not home.group else f"{home.group}/{match[2]}"
            options = _options(home, group)
            if options and option.removesuffix(".yaml") not in options:
                near, listed = did_you_mean(option, options), ", ".join(sorted(options))
                hint = "; ".join(filter(None, (near, f"{group} is one of: {listed}")))
                message = f"there is no {group} {option!r}"
                path = f"defaults.{number}"
                error = ForgatherError("unknown_option", message, path=path, hint=hint)
                yield error.locate(_origin(defaults, number))


def _options(home: Home, group: str) -> set[str]:
    folders = [os.path.join(f, group) for f in home.renderer.environment.search_path.folders]
    names = [n for folder in folders if os.path.isdir(folder) for n in os.listdir(folder)]
    return {name.removesuffix(".yaml") for name in names if name.endswith(".yaml")}


def _origin(sequence: Any, number: int) -> Origin | None:
    lines, mark = getattr(sequence, "_lines_", None) or {}, getattr(sequence, "_mark_", None)
    source = mark.source if mark else None
    return source.origin(lines[number][-1]) if source and number in lines else None


def _check_meta(folder: str) -> None:
    from forgather_hydra.project.meta_file import read_meta

    meta = read_meta(os.path.abspath(folder))
    if meta.default_config:
        meta.config()
