"""Commands for editors: problems as JSON, and a language server."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from forgather_hydra.cli.selection import selected
from forgather_hydra.errors import ForgatherError

if TYPE_CHECKING:
    from forgather_hydra.editor.problem import Problem

EXIT_WRONG = 2


def add_command(add: Any) -> None:
    """Add the language server to a parser."""
    add("lsp", _serve, "answer an editor, as a language server over standard input and output")


def check(options: argparse.Namespace) -> None:
    """Print the problems of files, of a project's configurations, or of a composed configuration.

    The exit code is 2 if any of them is an error.
    """
    from forgather_hydra.editor.check import problems_of
    from forgather_hydra.editor.problem import ERROR

    files = _files(options)
    found = problems_of(files) if files is not None else _of_composed(options)
    print(json.dumps([problem._asdict() for problem in found], indent=1, ensure_ascii=False))
    if any(problem.severity == ERROR for problem in found):
        sys.exit(EXIT_WRONG)


def _files(options: argparse.Namespace) -> list[str] | None:
    """The files that a command line is about; None if it composes a configuration."""
    words = options.overrides
    if words and not any("=" in word for word in words):
        return [*words]
    from forgather_hydra.project.workspace import META_FILE, is_project

    folder = options.project_dir or "."
    if words or not (options.project_dir or options.config or is_project(folder)):
        return None
    from forgather_hydra.project.meta import load_meta

    try:
        meta = load_meta(folder)
    except ForgatherError:
        return [os.path.join(folder, META_FILE)]  # in which the mistake is
    names = [meta.config(options.config)] if options.config else meta.configs()
    bases = [os.path.join(place, meta.config_prefix) for place in meta.searchpath]
    paths = [os.path.join(base, name) for name in names for base in bases]
    return [os.path.join(folder, META_FILE), *filter(os.path.isfile, paths)]


def _of_composed(options: argparse.Namespace) -> list[Problem]:
    from forgather_hydra.cli.composed import composed
    from forgather_hydra.config.check import static_problems_of_job
    from forgather_hydra.editor.check import collecting
    from forgather_hydra.editor.problem import of_error

    found: list[Problem] = []
    with collecting(found, None):
        words = selected(options.project_dir, options.config, options.overrides)
        with composed(words, options.config_dir, options.config_name) as job:
            found += [of_error(error, None) for error in static_problems_of_job(job)]
    return found


def _serve(options: argparse.Namespace) -> None:
    try:
        from forgather_hydra.editor.server import make_server
    except ImportError as error:
        message = "the language server is made with pygls, which is not installed"
        hint = "pip install 'forgather-hydra[lsp]'"
        raise ForgatherError("missing_extra", message, hint=hint) from error
    make_server().start_io()
