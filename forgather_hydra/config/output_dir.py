"""The directory of a run where the arguments of its trainer name one: it must be the only one."""

from __future__ import annotations

import os

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.content import content
from forgather_hydra.errors import ForgatherError

OUTPUT_DIR = "trainer.args.output_dir"


def own_directory(cfg: DictConfig) -> str | None:
    """The directory that the arguments of the trainer name, if not Hydra's own."""
    # `trainer` and its `args` may be references, so each is looked up before the next.
    args = OmegaConf.select(cfg, "trainer.args", throw_on_missing=False)
    if not OmegaConf.is_dict(args) or OmegaConf.is_missing(args, "output_dir"):
        return None
    if "hydra:runtime.output_dir" in str(content(args).get("output_dir")):
        return None
    return None if args.get("output_dir") is None else str(args.output_dir)


def contradiction(cfg: DictConfig, is_swept: bool) -> ForgatherError | None:
    """The error for a run whose files would be in two directories, if they would be.

    Args:
        cfg: the configuration of a job, ``hydra`` included.
        is_swept: whether it is that of a job of a sweep.
    """
    resume = cfg.get("resume")
    if is_swept and resume not in (None, False, True, "auto"):
        return ForgatherError(
            "run_directory",
            f"resume={resume} goes on with one run, and the jobs of a sweep are new ones",
            path="resume",
            hint=f"leave out -m, or write rerun={resume}, which repeats the run with other values",
        )
    own = own_directory(cfg)
    other = _chosen(cfg, is_swept) if own is not None else None
    if own is None or other is None or os.path.abspath(other) == os.path.abspath(own):
        return None
    return ForgatherError(
        "run_directory",
        f"the trainer would write to {own}, but the directory of the run is {other}",
        path=OUTPUT_DIR,
        hint=f"leave one of them out, or have it follow: '{OUTPUT_DIR}="
        "${hydra:runtime.output_dir}'",
    )


def no_place(cfg: DictConfig) -> ForgatherError | None:
    """The error for new runs that have no directory, or the root of the file system, if so."""
    written = content(cfg.hydra.run)
    if not str(written["dir"] or "").strip():
        message = "hydra.run.dir is empty: the run has no folder to go to"
        return ForgatherError("run_directory", message, path="hydra.run.dir")
    if own_directory(cfg) == "":
        message = "trainer.args.output_dir is empty: the run has no folder to go to"
        hint = "leave it out, or name a folder"
        return ForgatherError("run_directory", message, path=OUTPUT_DIR, hint=hint)
    if "${output_root}/" not in str(written["dir"]) or cfg.get("output_root"):
        return None
    return ForgatherError(
        "run_directory",
        "output_root is empty: new runs have no folder to go to",
        path="output_root",
        hint="output_root=outputs, or another folder",
    )


def _chosen(cfg: DictConfig, is_swept: bool) -> str | None:
    """The directory that something else than the trainer's arguments chooses, if any does."""
    if is_swept:
        return f"a folder of its own in {cfg.hydra.sweep.dir}"
    resume = cfg.get("resume")
    if resume not in (None, False, True, "auto"):
        return str(resume)
    written = content(cfg.hydra.run)
    return None if "fg.run_dir" in str(written["dir"]) else str(cfg.hydra.run.dir)
