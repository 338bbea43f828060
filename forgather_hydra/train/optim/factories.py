"""Optimizer and learning-rate schedule, from the user's factories or from the arguments."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from forgather_hydra.train.arguments.checks import OWN_SCHEDULES
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.optim import schedules
from forgather_hydra.train.optim.adamw import FUSED_DEVICES, AdamW
from forgather_hydra.train.optim.multi_optimizer import (
    BackwardOptimizer,
    NamedParameters,
    OptimizerFactory,
)
from forgather_hydra.train.optim.state import Named

logger = logging.getLogger(__name__)

# They equal those of transformers where no more is said of them.
_SCHEDULES = {name: getattr(schedules, name) for name in OWN_SCHEDULES}


def chosen_factories(given: Mapping[str, Any]) -> tuple[OptimizerFactory | None, Any]:
    """Factories of optimizer and schedule, from whichever arguments of a trainer say them.

    Raises:
        ValueError: if two of them say the same.
    """
    factories = [given["optimizer_factory"]] if "optimizer_factory" in given else []
    if "optimizer_cls_and_kwargs" in given:
        optimizer_class, options = given["optimizer_cls_and_kwargs"]
        factories.append(partial(optimizer_class, **options))
    optimizer, scheduler = given.get("optimizers", (None, None))
    if optimizer is not None:
        factories.append(partial(_of_these_parameters, optimizer))
    schedules = [given["lr_scheduler_factory"]] if "lr_scheduler_factory" in given else []
    if scheduler is not None:
        schedules.append(lambda optimizer: scheduler)
    for made, what in ((factories, "optimizer"), (schedules, "schedule")):
        if len(made) > 1:
            raise ValueError(f"the {what} is given twice: leave one of the arguments out")
    return factories[0] if factories else None, schedules[0] if schedules else None


def _of_these_parameters(
    optimizer: torch.optim.Optimizer, named_parameters: NamedParameters
) -> torch.optim.Optimizer:
    """`optimizer`, if its parameters are those that are trained."""
    trained = {parameter for _, parameter in named_parameters}
    if strangers := [p for g in optimizer.param_groups for p in g["params"] if p not in trained]:
        raise ValueError(
            f"the optimizer given in optimizers has {len(strangers)} parameters that are not those "
            "of the model where it is trained: give optimizer_factory, which makes it there"
        )
    return optimizer


def idle_settings(args: TrainingArguments, factory: OptimizerFactory | None) -> str | None:
    """What the arguments say of an optimizer that is made by something else, if anything.

    They may repeat their own defaults, and what a partial gives to the optimizer that it makes.
    """
    defaults = {name: field.default for name, field in type(args).__dataclass_fields__.items()}
    used = _settings_of(factory)
    found = [
        name
        for name in ("learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")
        if getattr(args, name) not in (defaults[name], used.get(name))
    ]
    if not (factory and found):
        return None
    return (
        f"{', '.join(found)} in the arguments has no effect, as the optimizer is made by "
        "optimizer_factory: set it there (optimizer.lr and so on in a configuration)"
    )


def _settings_of(factory: OptimizerFactory | None) -> dict[str, Any]:
    """What a factory gives to an optimizer by itself, under the names of the arguments."""
    try:
        parameters = inspect.signature(factory).parameters if factory else {}
    except ValueError:  # builtins without a signature
        parameters = {}
    given = {name: parameter.default for name, parameter in parameters.items()}
    betas = given.get("betas")
    beta1, beta2 = betas if isinstance(betas, (tuple, list)) and len(betas) == 2 else (None, None)
    return {
        "learning_rate": given.get("lr"),
        "weight_decay": given.get("weight_decay"),
        "adam_beta1": beta1,
        "adam_beta2": beta2,
        "adam_epsilon": given.get("eps"),
    }


def build_optimizer(
    args: TrainingArguments, model: Named, factory: OptimizerFactory | None
) -> torch.optim.Optimizer:
    """`factory(named_parameters)` with the parameters that need gradients, else AdamW.

    Raises:
        ValueError: if none does.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise ValueError("no parameter of the model needs a gradient, so that nothing is trained")
    factory = factory or partial(_adamw, args)
    if args.fuse_optim_with_backward:
        return BackwardOptimizer(named, factory)
    return factory(named)


def check_optimizer(optimizer: Any) -> None:
    """Refuse an optimizer whose step computes losses itself.

    Raises:
        ValueError: for such an optimizer, as torch.optim.LBFGS.
    """
    if "closure" in _required(type(optimizer).step):
        raise ValueError(
            f"a step of {type(optimizer).__name__} computes the loss several times, by a closure, "
            "and a training step has its gradients once: choose another optimizer"
        )


def _adamw(args: TrainingArguments, named_parameters: NamedParameters) -> torch.optim.Optimizer:
    """Fused AdamW; weight decay leaves vectors (norm scales and biases) alone."""
    named = list(named_parameters)
    matrices = [(name, p) for name, p in named if p.ndim >= 2]
    vectors = [(name, p) for name, p in named if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": args.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    fused = named[0][1].device.type in FUSED_DEVICES
    return (AdamW if fused else torch.optim.AdamW)(
        [group for group in groups if group["params"]] if args.weight_decay else named,
        lr=args.learning_rate,
        betas=(args.adam_beta1, args.adam_beta2),
        eps=args.adam_epsilon,
        weight_decay=args.weight_decay,
    )


def build_scheduler(
    args: TrainingArguments,
    optimizer: torch.optim.Optimizer,
    num_training_steps: int,
    factory: Callable[..., LRScheduler] | None,
) -> LRScheduler:
    """`factory(optimizer=...)`, told `num_training_steps` if it asks; else the named schedule.

    Raises:
        ValueError: for a schedule that follows a metric.
    """
    if factory is not None:
        length = {"num_training_steps": num_training_steps} if _asks_for_length(factory) else {}
        made = factory(optimizer=optimizer, **length)
        if "metrics" in _required(type(made).step):
            raise ValueError(
                f"{type(made).__name__} follows a metric, and a schedule is told of steps: choose "
                "another"
            )
        _tell_of_long_warmup(
            getattr(factory, "keywords", {}).get("warmup_steps"), num_training_steps
        )
        return made

    warmup = args.warmup(num_training_steps)
    if args.lr_scheduler_type != "constant":  # which has none
        _tell_of_long_warmup(warmup, num_training_steps)
    own = _SCHEDULES.get(args.lr_scheduler_type)
    if own and not args.lr_scheduler_kwargs:
        return own(optimizer, num_training_steps, warmup_steps=warmup)

    from transformers.optimization import get_scheduler  # with peft and what it imports: seconds

    return get_scheduler(
        args.lr_scheduler_type,
        optimizer,
        num_warmup_steps=warmup,
        num_training_steps=num_training_steps,
        scheduler_specific_kwargs=args.lr_scheduler_kwargs,
    )


def _tell_of_long_warmup(warmup: Any, num_training_steps: int) -> None:
    if isinstance(warmup, (int, float)) and warmup > num_training_steps > 0:
        logger.warning(
            "warmup_steps is %d and the run has %d steps: the learning rate ends at %.2g of its "
            "value; set fewer, or a share of the run such as 0.1",
            *(warmup, num_training_steps, (num_training_steps - 1) / warmup),
        )


def _required(function: Callable[..., Any]) -> set[str]:
    """Parameters of a function that have no default."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name for each in parameters if each.default is inspect.Parameter.empty}


def _asks_for_length(factory: Callable[..., Any]) -> bool:
    """Whether `num_training_steps` is a parameter that is not already bound to a value."""
    parameter = inspect.signature(factory).parameters.get("num_training_steps")
    return parameter is not None and parameter.default in (inspect.Parameter.empty, None)
