"""How two runs' configurations differ, by path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from forgather_hydra.errors import ForgatherError

ABSENT = object()
# What says where or how a run goes on, rather than what it is.
APART = ("hydra", "resume", "output_root", "resources")


class Difference(NamedTuple):
    """A path at which two configurations differ; a side that lacks it holds `ABSENT`."""

    path: str
    left: Any
    right: Any


def difference(left: Path, right: Path) -> list[Difference]:
    """The differences between the saved configurations of two run directories.

    Raises:
        ForgatherError: ``no_run`` for a directory without ``.hydra/config.yaml``.
    """
    return between(saved(left), saved(right))


def between(left: dict[str, Any], right: dict[str, Any]) -> list[Difference]:
    """The differences between the values of two configurations, given by path."""
    pairs = ((p, left.get(p, ABSENT), right.get(p, ABSENT)) for p in {**left, **right})
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def saved(run_dir: Path) -> dict[str, Any]:
    """The values of a run's saved configuration, by path.

    Raises:
        ForgatherError: ``no_run`` for a directory without ``.hydra/config.yaml``.
    """
    file = run_dir / ".hydra" / "config.yaml"
    if not file.is_file():
        raise ForgatherError(
            "no_run", f"{run_dir} is not the directory of a run: it has no .hydra/config.yaml"
        )
    return dict(leaves(OmegaConf.to_container(OmegaConf.load(file), resolve=False)))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) for every scalar and empty container in plain data."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path, value
