"""Training arguments, under Hugging Face's names, with every cross-field check in one place."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from forgather_hydra.train.arguments.checks import problems
from forgather_hydra.train.arguments.names import names_explained


class IntervalStrategy(StrEnum):
    """When something periodic happens; equal to Hugging Face's enum and to the plain string."""

    NO = "no"
    STEPS = "steps"
    EPOCH = "epoch"


@names_explained
@dataclass(kw_only=True)
class TrainingArguments:
    """What a training run is asked to do.

    Names follow `transformers.TrainingArguments`. Steps are optimizer steps. `max_steps`
    overrides `num_train_epochs`, unless it is negative; with 0, a run evaluates and trains nothing.
    `max_train_samples` takes the first so many samples of the training data.
    `max_grad_norm` of `None` or 0 measures the norm without clipping. `warmup_steps` below 1 is a
    share of all steps. `device` defaults to the first accelerator, else the CPU. `seed` decides the
    initial weights and dropout (each process has its own), and the order of the data unless
    `data_seed` does. `nan_policy` says what happens where loss or gradients are not finite: `stop`
    ends training at the next log or save, `skip` leaves the step out, at the price of one read of
    the device a step. `default_dtype` is the type in which `model_init` makes parameters. The
    trainer reads the arguments late, so they may be changed until `train()` is called.

    Raises:
        ValueError: naming every argument that cannot work, each with its cure.
    """

    output_dir: str = "tmp_trainer"
    seed: int = 42
    data_seed: int | None = None

    # Length and batches
    max_steps: int = -1
    num_train_epochs: float = 1
    per_device_train_batch_size: int = 16
    per_device_eval_batch_size: int = 16
    gradient_accumulation_steps: int = 1
    max_train_samples: int | None = None
    shuffle: bool = True
    group_by_length: bool = False
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
    label_smoothing_factor: float = 0.0

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
    async_save: bool = False
    load_best_model_at_end: bool = False
    metric_for_best_model: str = "loss"
    greater_is_better: bool | None = None

    # Device and numerics
    use_cpu: bool = False
    device: str | None = None
    bf16: bool = False
    fp16: bool = False
    default_dtype: str | None = None
    float32_matmul_precision: str | None = None
    sdpa_backend: str | None = None
    torch_compile: bool = False
    torch_compile_backend: str | None = None
    torch_compile_mode: str | None = None
    torch_compile_dynamic: bool | None = None
    torch_compile_full_graph: bool = False
    gradient_checkpointing: bool = False
    gradient_checkpointing_kwargs: dict[str, Any] | None = None
    enable_activation_offloading: bool = False
    fuse_optim_with_backward: bool = False
    nan_policy: str = "stop"
    detect_anomaly: bool = False

    # What Hugging Face's callbacks for experiment trackers ask for
    run_name: str | None = None
    project: str = "forgather"
    trackio_space_id: str | None = None
    trackio_bucket_id: str | None = None
    trackio_static_space_id: str | bool | None = None
    hub_private_repo: bool | None = None

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
        if found := list(problems(self)):
            raise ValueError("\n  - ".join(["training arguments that cannot work:", *found]))

    def warmup(self, num_training_steps: int) -> int:
        """Number of warm-up steps in a run of this length."""
        if self.warmup_steps < 1:
            return math.ceil(self.warmup_steps * num_training_steps)
        return int(self.warmup_steps)

    @property
    def checkpoint_dir(self) -> Path:
        return Path(self.output_dir) / "checkpoints"

    def to_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        return {k: str(v) if isinstance(v, IntervalStrategy) else v for k, v in plain.items()}

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2)

    def to_sanitized_dict(self) -> dict[str, Any]:
        """The arguments as TensorBoard takes hyper-parameters: numbers, truth values and text."""
        scalar = (bool, int, float, str)
        return {k: v if isinstance(v, scalar) else str(v) for k, v in self.to_dict().items()}
