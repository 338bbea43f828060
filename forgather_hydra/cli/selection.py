"""Which project and configuration the words of a command mean, in words that Hydra understands."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from forgather_hydra.errors import ForgatherError
from forgather_hydra.project.workspace import is_project

_NO_RUN = ("auto", "true", "null", "false")  # values of `resume` that name no run


def selected(project: str | None, config: str | None, words: list[str]) -> list[str]:
    """The words, with those that choose a configuration of a project.

    Args:
        project: folder of the project; None for the working directory, if that is one.
        config: name of the configuration; None for the default one, unless the words choose what
            to run.
        words: overrides and options of Hydra.

    Raises:
        ForgatherError: there is no such project or configuration.
    """
    if project is None and config is None and not is_project("."):
        return words
    from forgather_hydra.project.meta import load_meta
    from forgather_hydra.project.overrides import SEARCH_PATH, choice, search_path

    meta = load_meta(project or ".")
    meta.add_system_path()
    if _continues(words):
        if config:
            raise ForgatherError(
                "bad_override",
                f"a run that goes on has its configuration already, so -t {config} has no meaning",
                hint="leave it out, or use resume=auto",
            )
        return words
    given = [word for word in words if word.startswith(SEARCH_PATH)]
    rest = [word for word in words if word not in given]
    ours = [search_path(meta, given[-1] if given else None)]
    if config is not None or not _keys(words) & {"experiment", "project"}:
        ours.append(choice(meta.config(config or "")))
    return _inserted(ours, rest)


def require_choice(options: argparse.Namespace) -> None:
    """Refuse a command about a configuration where nothing chooses one.

    Raises:
        ForgatherError: ``no_project``, with the project around the working directory, if any.
    """
    names = ("overrides", "config", "config_dir", "config_name", "project_dir")
    if not hasattr(options, "overrides") or any(getattr(options, name, None) for name in names):
        return
    if not is_project("."):
        above = (os.path.join(*[os.pardir] * steps) for steps in range(1, len(Path.cwd().parts)))
        found = next(filter(is_project, above), None)
        message = "no configuration is chosen, and this folder is no project"
        hint = "-p DIR, or words such as +experiment=baseline"
        if found:
            hint = f"its project is above: -p {found}"
        raise ForgatherError("no_project", message, hint=hint)


def _inserted(ours: list[str], words: list[str]) -> list[str]:
    """The words with ours among them: Hydra wants its options before or after all overrides."""
    places = [i for i, word in enumerate(words) if "=" in word and not word.startswith("-")]
    place = places[0] if places else 0
    return [*words[:place], *ours, *words[place:]]


def _continues(words: list[str]) -> bool:
    """Whether the words name a run, which has its configuration already."""
    values = {key: value for key, _, value in (word.partition("=") for word in words)}
    return "rerun" in values or values.get("resume", "auto") not in _NO_RUN


def _keys(words: list[str]) -> set[str]:
    return {word.partition("=")[0].lstrip("+") for word in words}
