"""Torch Titan's configuration, and which of it means something where the model is ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from forgather_hydra.errors import nearest
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.titan import library

# What a job says of its own where model, data, optimizer and evaluation are ours: whole sections,
# or keys of them.
_OWN: dict[str, tuple[str, ...]] = {
    "comm": (),
    "profiling": (),
    "debug": ("deterministic", "deterministic_warn_only"),
    "metrics": ("disable_color_printing", "enable_tensorboard", "enable_wandb", "save_tb_folder"),
    "training": ("gc_freq", "gc_debug"),
}
_INSTEAD = {
    "activation_checkpoint": "trainer.args.gradient_checkpointing",
    "checkpoint": "trainer.args.save_steps, save_total_limit, async_save",
    "compile": "trainer.args.torch_compile",
    "lr_scheduler": "trainer.args.lr_scheduler_type, warmup_steps, or lr_scheduler=",
    "model": "model=, or +experiment=titan_native for a model of Torch Titan's",
    "optimizer": "optimizer=",
    "parallelism": "+experiment=titan_native; a model of ours is divided by FSDP2 alone",
    "validation": "trainer.args.eval_steps, max_eval_steps",
}


def check_titan(args: TrainingArguments, job: Mapping[str, Any] | None = None) -> None:
    """Check what is known before there are processes, data and a model.

    Args:
        args: of the trainer.
        job: sections of Torch Titan's configuration.

    Raises:
        ValueError: naming all that the trainer does not do, each with what to set instead.
        ModuleNotFoundError, ImportError: no release of Torch Titan that works is installed.
    """
    library.check_release()
    if found := [*_of_arguments(args), *_of_job(job or {})]:
        raise ValueError("\n  - ".join(["what trainer=titan does not do:", *found]))


def _of_arguments(args: TrainingArguments) -> Iterator[str]:
    other = "use trainer=single, accel or fsdp"
    if args.fp16:
        yield f"fp16, whose losses it does not scale: set bf16, or {other}"
    if args.nan_policy == "skip":
        yield f"nan_policy=skip, for it takes every step: {other}"
    if args.fuse_optim_with_backward:
        yield f"fuse_optim_with_backward: {other}"
    if (args.use_cpu or args.device) and library.has_accelerator():
        yield "use_cpu or device, where there is an accelerator: it takes that; leave them out"


def _of_job(job: Mapping[str, Any]) -> Iterator[str]:
    for section, values in job.items():
        allowed = _OWN.get(section)
        if allowed is None:
            yield f"job.{section}: " + _use(_INSTEAD.get(section), section)
            continue
        for key in values or {}:
            if allowed and key not in allowed:
                yield f"job.{section}.{key}: it follows from trainer.args and the data"


def _use(instead: str | None, section: str) -> str:
    if instead:
        return f"use {instead}"
    near = nearest(section, _OWN)
    return f"did you mean {near[0]}?" if near else f"it has {', '.join(_OWN)}"


def filled(config: Any, values: Mapping[str, Any]) -> Any:
    """`config`, a dataclass, with values of its fields, and of the fields of these.

    Raises:
        ValueError: naming all keys that it has not.
    """
    if found := list(_fill(config, values, "job")):
        raise ValueError("\n  - ".join(["Torch Titan's configuration has no such key:", *found]))
    return config


def _fill(config: Any, values: Mapping[str, Any], path: str) -> Iterator[str]:
    known = {field.name for field in fields(config)}
    for key, value in values.items():
        former = getattr(config, key, None)
        if key not in known:
            near = nearest(key, known)
            yield f"{path}.{key}" + (f"; did you mean {near[0]}?" if near else "")
        elif is_dataclass(former) and isinstance(value, Mapping):
            yield from _fill(former, value, f"{path}.{key}")
        else:
            setattr(config, key, value)


def merged(first: Mapping[str, Any], second: Mapping[str, Any] | None) -> dict[str, Any]:
    """Sections of two, key by key; the second counts."""
    result: dict[str, Any] = {section: dict(values) for section, values in first.items()}
    for section, values in (second or {}).items():
        result[section] = result.get(section, {}) | dict(values or {})
    return result
