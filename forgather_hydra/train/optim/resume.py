"""Takes up a learning-rate schedule at the step of a checkpoint."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from forgather_hydra.train.optim.schedules import include_later_groups

logger = logging.getLogger(__name__)


def advance(scheduler: Any, saved: dict[str, Any]) -> list[float] | None:
    """Takes a fresh schedule to the step at which the state `saved` was taken.

    Returns:
        The rates that it has there, by parameter group; None for a schedule that counts no steps.
    """
    steps = saved.get("last_epoch")
    if steps is None or not hasattr(scheduler, "last_epoch"):
        return None
    left = steps - scheduler.last_epoch
    if isinstance(scheduler, LambdaLR) and left > 1:  # a function of the step
        scheduler.last_epoch = steps - 1
        left = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer has taken these steps in the former run
        for _ in range(left):
            scheduler.step()
    return [float(group["lr"]) for group in scheduler.optimizer.param_groups]


def resume_schedule(
    scheduler: Any,
    optimizer: torch.optim.Optimizer,
    saved: dict[str, Any],
    rates: list[float] | None,
    is_changed: bool,
) -> None:
    """Goes on with the saved state of a schedule, or with its present course if that is another.

    Args:
        optimizer: with its saved state.
        rates: of the present schedule at this step, as `advance` found them.
        is_changed: whether the optimizer's rates or the length of the run are others now.
    """
    include_later_groups(scheduler, optimizer)
    former = [float(rate) for rate in saved.get("_last_lr", ())]
    goes_on = rates is None or rates == former[: len(rates)]
    if goes_on or not (is_changed or isinstance(scheduler, LambdaLR)):
        scheduler.load_state_dict(saved)
        _fit_to_groups(scheduler, optimizer)
        return
    for group, rate in zip(optimizer.param_groups, rates or (), strict=False):
        group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], torch.Tensor) else rate
    _fit_to_groups(scheduler, optimizer)
    logger.warning("the learning rate goes on at %s, after %s in the checkpoint", rates, former)


def _fit_to_groups(scheduler: Any, optimizer: torch.optim.Optimizer) -> None:
    """Takes the learning rates of the present parameter groups, where a schedule has a list."""
    for part in (scheduler, *getattr(scheduler, "_schedulers", ())):
        if hasattr(part, "base_lrs"):
            part.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        part._last_lr = [group["lr"] for group in optimizer.param_groups]
