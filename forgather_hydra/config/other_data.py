"""A run that would go on with other data than it began with, told before these are prepared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.names import HYDRA

_DATA = "trainer.train_dataset"
_OURS = "forgather_hydra.data."  # whose arguments decide what is in the data
_PLACES = ("path", "dir", "file")  # where the same data may lie elsewhere


def other_data(cfg: DictConfig) -> ForgatherError | None:
    """The error for a run that ``resume=DIR`` goes on with, if its data are others now.

    What somebody else's data are made of is not known here, but whether something else makes them.

    Args:
        cfg: the configuration of a job.
    """
    folder = cfg.get("resume")
    if folder in (None, False, True, "auto"):
        return None
    try:
        before = _data(OmegaConf.load(Path(str(folder), HYDRA, "config.yaml")))
        now = _data(cfg)
    except (OSError, YAMLError, OmegaConfBaseException):
        return None
    for path, present, former in _changes(now, before, _DATA):
        return ForgatherError(
            "bad_override",
            f"the run of resume={folder} was trained on other data: here is {present!r}, and "
            f"there {former!r}",
            path=path,
            hint="leave that out, or start a new run",
        )
    return None


def _data(cfg: Any) -> Any:
    data = OmegaConf.select(cfg, _DATA)
    return OmegaConf.to_container(data, resolve=True) if OmegaConf.is_config(data) else data


def _changes(
    now: Any, before: Any, path: str, is_ours: bool = False
) -> Iterator[tuple[str, Any, Any]]:
    """(path, value now, value before) for each change that makes the data others."""
    if isinstance(now, dict) and isinstance(before, dict):
        target = now.get("_target_")
        if target != before.get("_target_"):
            yield path, target, before.get("_target_")
            return
        is_ours = str(target).startswith(_OURS) if target else is_ours
        for key in now:  # what only one of them has may be a default that has come since
            if key in before and not any(word in str(key) for word in _PLACES):
                yield from _changes(now[key], before[key], f"{path}.{key}", is_ours)
    elif is_ours and now != before:
        yield path, now, before
