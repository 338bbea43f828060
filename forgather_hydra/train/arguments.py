"""Training arguments, under Hugging Face's names, with every cross-field check in one place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class IntervalStrategy(StrEnum):
    """When something periodic happens; equal to Hugging Face's enum and to the plain string."""

    NO = "no"
    STEPS = "steps"
    EPOCH = "epoch"


@dataclass(kw_only=True)
class TrainingArguments:
    """What a training run is asked to do.

    Names follow `transformers.TrainingArguments`. Steps are optimizer steps. `max_steps > 0`
    overrides `num_train_epochs`. `max_grad_norm` of `None` or 0 measures the norm without clipping.
    `warmup_steps` below 1 is a share of all steps. `device` defaults to the first accelerator, else
    the CPU. The trainer reads the arguments late, so they may be changed until `train()` is called.

    Raises:
        ValueError: naming every argument that cannot work, each with its cure.
    """

    output_dir: str = "tmp_trainer"
    seed: int = 42

    # Length and batches
    max_steps: int = -1
    num_train_epochs: float = 1
    per_device_train_batch_size: int = 16
    per_device_eval_batch_size: int = 16
    gradient_accumulation_steps: int = 1
    shuffle: bool = True
    dataloader_num_workers: int = 0
    dataloader_drop_last: bool = False
    dataloader_pin_memory: bool = True
    dataloader_persistent_workers: bool = False
    dataloader_prefetch_factor: int | None = None

    # Optimizer and learning-rate schedule, used where no factory is given
    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float | None = None
    lr_scheduler_type: str = "linear"
    lr_scheduler_kwargs: dict[str, Any] | None = None
    warmup_steps: float = 0

    # Logging, evaluation, checkpoints
    logging_strategy: IntervalStrategy = IntervalStrategy.STEPS
    logging_steps: int = 50
    logging_first_step: bool = False
    eval_strategy: IntervalStrategy = IntervalStrategy.NO
    eval_steps: int = 100
    eval_delay: float = 0
    eval_on_start: bool = False
    max_eval_steps: int = -1
    save_strategy: IntervalStrategy = IntervalStrategy.STEPS
    save_steps: int = 1000
    save_total_limit: int | None = 2
    load_best_model_at_end: bool = False
    metric_for_best_model: str = "loss"
    greater_is_better: bool | None = None

    # Device and numerics
    use_cpu: bool = False
    device: str | None = None
    bf16: bool = False
    torch_compile: bool = False
    torch_compile_backend: str | None = None
    torch_compile_mode: str | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        self.output_dir = str(self.output_dir)
        for name in ("logging_strategy", "eval_strategy", "save_strategy"):
            # An unquoted `no` in YAML arrives as False.
            value = getattr(self, name) or IntervalStrategy.NO
            if value in list(IntervalStrategy):
                setattr(self, name, IntervalStrategy(value))
        if self.greater_is_better is None:
            self.greater_is_better = not self.metric_for_best_model.endswith(("loss", "perplexity"))
        self.check()

    def check(self) -> None:
        """Raises ValueError listing every problem with its cure."""
        if problems := list(_problems(self)):
            raise ValueError("\n  - ".join(["training arguments that cannot work:", *problems]))

    def warmup(self, num_training_steps: int) -> int:
        """Number of warm-up steps in a run of this length."""
        if self.warmup_steps < 1:
            return math.ceil(self.warmup_steps * num_training_steps)
        return int(self.warmup_steps)

    @property
    def checkpoint_dir(self) -> Path:
        return Path(self.output_dir) / "checkpoints"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2)

    def to_sanitized_dict(self) -> dict[str, Any]:
        """The arguments as TensorBoard takes hyper-parameters: numbers, truth values and text."""
        scalar = (bool, int, float, str)
        return {k: v if isinstance(v, scalar) else str(v) for k, v in self.to_dict().items()}


def _problems(args: TrainingArguments) -> Iterator[str]:
    yield from _range_problems(args)
    yield from _strategy_problems(args)
    yield from _loading_problems(args)
    if args.use_cpu and args.device not in (None, "cpu"):
        yield f"use_cpu is set and device is {args.device!r}: drop one of them"
    if (args.torch_compile_backend or args.torch_compile_mode) and not args.torch_compile:
        yield "torch_compile_backend or torch_compile_mode without torch_compile: set torch_compile"
    if args.lr_scheduler_type == "reduce_lr_on_plateau":
        yield "lr_scheduler_type 'reduce_lr_on_plateau' follows a metric, not the step: use another"


def _range_problems(args: TrainingArguments) -> Iterator[str]:
    for name in (
        "per_device_train_batch_size",
        "per_device_eval_batch_size",
        "gradient_accumulation_steps",
        "logging_steps",
        "eval_steps",
        "save_steps",
    ):
        if getattr(args, name) < 1:
            yield f"{name} is {getattr(args, name)}: give 1 or more"
    for name in ("seed", "learning_rate", "weight_decay", "warmup_steps", "eval_delay"):
        if getattr(args, name) < 0:
            yield f"{name} is {getattr(args, name)}: give 0 or more"
    if args.max_steps <= 0 and args.num_train_epochs <= 0:
        yield (
            f"max_steps is {args.max_steps} and num_train_epochs is {args.num_train_epochs}:"
            " give one of them above 0"
        )
    if args.max_grad_norm is not None and args.max_grad_norm < 0:
        yield f"max_grad_norm is {args.max_grad_norm}: give a positive one, or null"
    if args.save_total_limit is not None and args.save_total_limit < 1:
        yield (
            f"save_total_limit is {args.save_total_limit}: give 1 or more, null to keep all,"
            " or save_strategy 'no' to save none"
        )


def _strategy_problems(args: TrainingArguments) -> Iterator[str]:
    for name in ("logging_strategy", "eval_strategy", "save_strategy"):
        if getattr(args, name) not in list(IntervalStrategy):
            yield f"{name} is {getattr(args, name)!r}: use 'no', 'steps' or 'epoch'"
    if not args.load_best_model_at_end:
        return
    if args.eval_strategy == IntervalStrategy.NO or args.eval_strategy != args.save_strategy:
        yield (
            f"load_best_model_at_end needs eval_strategy ({str(args.eval_strategy)!r}) and"
            f" save_strategy ({str(args.save_strategy)!r}) both 'steps' or both 'epoch'"
        )
    elif args.eval_strategy == IntervalStrategy.STEPS and args.save_steps % args.eval_steps:
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
