"""Where a run goes: a new directory, or that of the run which it continues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.given import directory_of
from forgather_hydra.config.output_dir import own_directory
from forgather_hydra.config.resolvers import add_resolver
from forgather_hydra.run.signature import signature
from forgather_hydra.rundir.record import newest_unfinished, read


def register() -> None:
    """Register the resolver ``fg.run_dir``, which ``hydra.run.dir`` uses."""
    add_resolver("fg.run_dir", run_dir)


def run_dir(new: str, *, _root_: DictConfig) -> str:
    """The directory of a run: where its trainer writes, unless it goes on elsewhere.

    Args:
        new: the directory of a new run.
    """
    resume = _root_.get("resume")
    if resume not in (None, False, "auto", True):
        return str(resume)
    if own := own_directory(_root_):
        return own
    if resume in (None, False):
        return new
    unfinished = newest_unfinished(Path(_root_.get("output_root") or "outputs"), signature(_root_))
    return new if unfinished is None else str(unfinished)


def is_named_by_time(config: DictConfig) -> bool:
    """Whether the directory of a run is a new one, and called by the time.

    Args:
        config: that of the run, ``hydra`` included.
    """
    written: Any = OmegaConf.to_container(config.hydra.run, resolve=False)
    is_ours = all(word in str(written["dir"]) for word in ("${fg.run_dir:", "${now:"))
    if not is_ours or own_directory(config) is not None:
        return False
    resume = config.get("resume")
    if resume in (None, False):
        return True
    return resume in (True, "auto") and read(directory_of(config, "hydra.run.dir")) is None
