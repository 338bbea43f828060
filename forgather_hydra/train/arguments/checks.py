"""What cannot work among training arguments: every cross-field check, each with its cure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields
from numbers import Real
from typing import TYPE_CHECKING

from forgather_hydra.errors import nearest

if TYPE_CHECKING:
    from forgather_hydra.train.arguments.training_arguments import TrainingArguments


# By their names in transformers, and known without a look at it.
OWN_SCHEDULES = ("constant", "constant_with_warmup", "cosine", "linear")


def problems(args: TrainingArguments) -> Iterator[str]:
    if of_types := list(_type_problems(args)):
        yield from of_types  # what compares numbers cannot go on
        return
    yield from _range_problems(args)
    yield from _strategy_problems(args)
    yield from _loading_problems(args)
    yield from _numeric_problems(args)
    if args.use_cpu and args.device not in (None, "cpu"):
        yield f"use_cpu is set and device is {args.device!r}: drop one of them"
    if args.lr_scheduler_type == "reduce_lr_on_plateau":
        yield "lr_scheduler_type 'reduce_lr_on_plateau' follows a metric, not the step: use another"
    elif args.lr_scheduler_type not in OWN_SCHEDULES:
        yield from _schedule_problems(args.lr_scheduler_type)


def _type_problems(args: TrainingArguments) -> Iterator[str]:
    """Texts for numbers and switches: `no` on a command line is a text, and counts as true."""
    for field in fields(args):
        kind, _, other = str(field.type).partition(" | ")
        value = getattr(args, field.name)
        if kind in _KINDS and not (other == "None" and value is None):
            accepts, words = _KINDS[kind]
            if not accepts(value):
                yield f"{field.name} is {value!r}: give {words}"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def _is_whole(value: object) -> bool:
    return (
        isinstance(value, Real)
        and _is_number(value)
        and math.isfinite(value)
        and value == math.floor(value)
    )


# What the fields of these types take, and its name.
_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
}


def _schedule_problems(name: str) -> Iterator[str]:
    from transformers.trainer_utils import SchedulerType  # half a second of imports

    known = [str(each.value) for each in SchedulerType]
    if name not in known:
        near = nearest(name, known, 1) or known
        yield f"lr_scheduler_type is {str(name)!r}: use {' or '.join(near)}"


_SEEDS = 2**63  # torch takes no larger one

# Arguments that take one of a few words, besides null.
_WORDS = {
    "nan_policy": ("stop", "skip"),
    "default_dtype": ("float32", "bfloat16", "float16", "float64"),
    "float32_matmul_precision": ("highest", "high", "medium"),
    "sdpa_backend": ("math", "flash_attention", "efficient_attention", "cudnn_attention"),
}


def _numeric_problems(args: TrainingArguments) -> Iterator[str]:
    for name, words in _WORDS.items():
        value = getattr(args, name)
        if value not in words and (value is not None or name == "nan_policy"):
            yield f"{name} is {value!r}: use one of {', '.join(words)}"
    if args.bf16 and args.fp16:
        yield "bf16 and fp16 are both set: choose one"
    for name in ("backend", "mode", "dynamic", "full_graph"):
        if getattr(args, f"torch_compile_{name}") and not args.torch_compile:
            yield f"torch_compile_{name} without torch_compile: set torch_compile"
    if args.gradient_checkpointing_kwargs and not args.gradient_checkpointing:
        yield "gradient_checkpointing_kwargs without gradient_checkpointing: set that too"
    if args.fuse_optim_with_backward:
        yield from _fused_problems(args)


def _fused_problems(args: TrainingArguments) -> Iterator[str]:
    """A step taken during the backward pass sees one gradient, once."""
    fused = "fuse_optim_with_backward takes each step as soon as its gradient is there, so"
    if args.max_grad_norm:
        yield f"{fused} max_grad_norm ({args.max_grad_norm}) cannot be applied: unset one of them"
    if args.gradient_accumulation_steps > 1:
        yield (
            f"{fused} gradient_accumulation_steps ({args.gradient_accumulation_steps}) must be 1:"
            " raise per_device_train_batch_size instead"
        )
    if args.fp16 or args.nan_policy == "skip":
        yield f"{fused} none can be left out: unset it, or fp16 and nan_policy 'skip'"


def _range_problems(args: TrainingArguments) -> Iterator[str]:
    for name in (
        "per_device_train_batch_size",
        "per_device_eval_batch_size",
        "gradient_accumulation_steps",
        "logging_steps",
        "eval_steps",
        "save_steps",
        "dataloader_prefetch_factor",
    ):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            yield f"{name} is {getattr(args, name)}: give 1 or more"
    for name in (
        *("seed", "data_seed", "learning_rate", "weight_decay"),
        *("adam_epsilon", "warmup_steps", "eval_delay"),
    ):
        if getattr(args, name) is not None and getattr(args, name) < 0:
            yield f"{name} is {getattr(args, name)}: give 0 or more"
    for name in ("seed", "data_seed"):
        if (getattr(args, name) or 0) >= _SEEDS:
            yield f"{name} is {getattr(args, name)}: give less than 2**63"
    for name in ("adam_beta1", "adam_beta2", "label_smoothing_factor"):
        if not 0 <= getattr(args, name) < 1:
            yield f"{name} is {getattr(args, name)}: give a number from 0 to below 1"
    if args.max_eval_steps == 0 or args.max_eval_steps < -1:
        yield f"max_eval_steps is {args.max_eval_steps}: give 1 or more, or -1 for all"
    if args.max_steps < -1:
        yield f"max_steps is {args.max_steps}: give 0 or more, or -1 for the epochs to count"
    if args.max_steps < 0 and args.num_train_epochs <= 0:
        yield (
            f"max_steps is {args.max_steps} and num_train_epochs is {args.num_train_epochs}:"
            " give one of them above 0, or max_steps=0 to evaluate only"
        )
    if args.max_grad_norm is not None and args.max_grad_norm < 0:
        yield f"max_grad_norm is {args.max_grad_norm}: give a positive one, or null"
    if args.max_train_samples is not None and args.max_train_samples < 1:
        yield f"max_train_samples is {args.max_train_samples}: give 1 or more, or null for all"
    if args.save_total_limit is not None and args.save_total_limit < 1:
        yield (
            f"save_total_limit is {args.save_total_limit}: give 1 or more, null to keep all,"
            " or save_strategy 'no' to save none"
        )


def _strategy_problems(args: TrainingArguments) -> Iterator[str]:
    for name in ("logging_strategy", "eval_strategy", "save_strategy"):
        if getattr(args, name) not in ("no", "steps", "epoch"):
            yield f"{name} is {getattr(args, name)!r}: use 'no', 'steps' or 'epoch'"
    if not args.load_best_model_at_end:
        return
    if args.eval_strategy == "no" or args.eval_strategy != args.save_strategy:
        yield (
            f"load_best_model_at_end needs eval_strategy ({str(args.eval_strategy)!r}) and"
            f" save_strategy ({str(args.save_strategy)!r}) both 'steps' or both 'epoch'"
        )
    elif args.eval_strategy == "steps" and args.save_steps % args.eval_steps:
        yield (
            f"load_best_model_at_end needs save_steps ({args.save_steps}) to be a multiple of"
            f" eval_steps ({args.eval_steps}), so that every saved model was evaluated"
        )


def _loading_problems(args: TrainingArguments) -> Iterator[str]:
    if args.dataloader_num_workers < 0:
        yield f"dataloader_num_workers is {args.dataloader_num_workers}: give 0 or more"
    if args.dataloader_num_workers == 0:
        if args.dataloader_persistent_workers:
            yield "dataloader_persistent_workers without workers: set dataloader_num_workers"
        if args.dataloader_prefetch_factor is not None:
            yield "dataloader_prefetch_factor without workers: set dataloader_num_workers"
