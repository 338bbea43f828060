"""The precision that ``accelerate launch`` was told, which trainers take from their arguments."""

from __future__ import annotations

import os

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.errors import ForgatherError

_ASKED = "ACCELERATE_MIXED_PRECISION"  # by --mixed_precision, or by the file of `accelerate config`


def other_precision(cfg: DictConfig) -> ForgatherError | None:
    """The error for a job that was launched with a precision which its arguments do not have.

    Args:
        cfg: the configuration of a job.
    """
    asked = os.environ.get(_ASKED, "no")
    args = OmegaConf.select(cfg, "trainer.args", throw_on_missing=False)
    if asked == "no" or not OmegaConf.is_dict(args) or args.get(asked):
        return None
    cure = f"write trainer.args.{asked}=true, or " if asked in ("bf16", "fp16") else ""
    return ForgatherError(
        "bad_launcher",
        f"accelerate launch asks for {asked}, and the arguments of the trainer do not",
        hint=f"{cure}launch with --mixed_precision no",
    )
