"""Where a run goes: a new directory, or that of the run which it continues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.resolvers import add_resolver
from forgather_hydra.run.signature import signature
from forgather_hydra.rundir.record import newest_unfinished


def register() -> None:
    """Register the resolver ``fg.run_dir``, which ``hydra.run.dir`` uses."""
    add_resolver("fg.run_dir", run_dir)


def run_dir(new: str, *, _root_: DictConfig) -> str:
    """The directory of a run: where its trainer writes, unless it goes on elsewhere.

    Args:
        new: the directory of a new run.
    """
    resume = _root_.get("resume")
    if resume in (None, False):
        return _output_dir(_root_) or new
    if resume not in ("auto", True):
        return str(resume)
    unfinished = newest_unfinished(Path(_root_.get("output_root") or "outputs"), signature(_root_))
    return new if unfinished is None else str(unfinished)


def _output_dir(cfg: DictConfig) -> str | None:
    """The directory that the arguments of the trainer name, if not Hydra's own."""
    written: Any = OmegaConf.to_container(cfg, resolve=False)
    for key in ("trainer", "args", "output_dir"):
        written = written.get(key) if isinstance(written, dict) else None
    if not isinstance(written, str) or "hydra:runtime.output_dir" in written:
        return None
    return str(cfg.trainer.args.output_dir)
