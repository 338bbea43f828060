"""What a trained model was found to be worth: a file in its directory, by what it was put to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forgather_hydra.rundir.files import read_json, write_json
from forgather_hydra.rundir.names import EVALUATIONS


def read(directory: Path) -> dict[str, dict[str, Any]]:
    """The evaluations of the model of a run, by what it was put to; empty if there is none."""
    content = read_json(directory / EVALUATIONS) or {}
    return {
        name: each
        for name, each in content.items()
        if isinstance(each, dict) and isinstance(each.get("metrics"), dict)
    }


def save(directory: Path, name: str, metrics: dict[str, float], **about: Any) -> Path:
    """Note an evaluation, in the place of an earlier one of the same name.

    Args:
        directory: of the run.
        name: what the model was put to.
        metrics: what came of it.
        about: how it was done.

    Returns:
        The file.
    """
    found = {"metrics": metrics, "time": datetime.now(UTC).isoformat(timespec="seconds"), **about}
    write_json(directory / EVALUATIONS, {**read(directory), name: found})
    return directory / EVALUATIONS
