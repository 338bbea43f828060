"""The templates of a composed configuration, from the user's cache where nothing has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from forgather_hydra.errors import tell, withheld
from forgather_hydra.template.kept import Disk, basis, environment_of_processes, holds, read, write

if TYPE_CHECKING:
    from forgather_hydra.config.composition import Composed

_KIND = "references"
_FROM_RUNS = ("resume=", "rerun=")  # which take their configuration from elsewhere
_FOLDERS = ("file", "forgather", "forgather-auto")
_INSTALLED = (("pkg", "hydra.conf"), ("structured", ""))


def kept_lines(words: Sequence[str], make: Callable[[], tuple[list[str], Composed]]) -> list[str]:
    """Lines about the templates of a configuration, made anew only after a file has changed.

    Args:
        words: all that chooses the configuration and the form of the lines.
        make: composes it; returns the lines, and what was composed.
    """
    about = (environment_of_processes(), *words)
    is_of_a_run = any(word.lstrip("+").startswith(_FROM_RUNS) for word in words)
    kept = {} if is_of_a_run else read(_KIND, *about)
    if kept and _is_still(kept):
        tell(kept["warnings"])
        return list(kept["lines"])
    try:
        with withheld() as warnings:
            lines, composed = make()
    finally:
        tell(warnings)
    found = None if is_of_a_run else _basis(composed)
    if found is not None:
        write({"lines": lines, "warnings": warnings, **found}, _KIND, *about)
    return lines


def _is_still(kept: dict[str, Any]) -> bool:
    from forgather_hydra.project.meta import load_meta

    same = all(load_meta(path).folders == folders for path, folders in kept["projects"].items())
    return same and holds(Disk(), kept["basis"])


def _basis(composed: Composed) -> dict[str, Any] | None:
    """What the composition rests on: all that lies where Hydra looks; None if that is too much."""
    from forgather_hydra.paths import library_dirs
    from forgather_hydra.project.meta import load_meta

    folders = [*map(str, library_dirs())]
    projects = {}
    for source in composed.cfg.hydra.runtime.config_sources:
        if source.schema == "forgather-project":
            projects[source.path] = load_meta(source.path).folders
        elif source.schema in _FOLDERS:
            folders.append(source.path)
        elif (source.schema, source.path) not in _INSTALLED:
            return None
    folders += [folder for each in projects.values() for folder in each]
    found = basis(Disk(), dict.fromkeys(folders), {}, (), is_whole=True)
    return found and {"projects": projects, "basis": found}
