"""Training: one loop with its arguments, checkpoints, callbacks and the job that runs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "AccelTrainer": "accel",
    "AdamW": "adamw",
    "Apollo": "low_rank",
    "CausalCollator": "collator",
    "ControlCallback": "control",
    "EMACallback": "ema",
    "GaLore": "low_rank",
    "JsonlCallback": "jsonl",
    "MultiOptimizer": "multi_optimizer",
    "NormsCallback": "norms",
    "PackedCollator": "collator",
    "PeakMemoryCallback": "peak_memory",
    "PipelineTrainer": "pipeline",
    "ProgressCallback": "progress",
    "PruningCallback": "pruning",
    "TensorBoardCallback": "tensorboard",
    "TextSamples": "text_samples",
    "ThroughputCallback": "throughput",
    "TrainOutput": "state",
    "Trainer": "trainer",
    "TrainerCallback": "callbacks",
    "TrainerControl": "state",
    "TrainerState": "state",
    "TrainingArguments": "arguments",
    "block_collator": "collator",
    "check_pipeline": "pipeline_plan",
    "cosine": "schedules",
    "grouped": "parameter_groups",
    "infinite": "schedules",
    "latest_checkpoint": "checkpoint",
    "linear": "schedules",
    "multiple": "parameter_groups",
    "run_training": "run",
    "tensorboard_callback": "default_callbacks",
    "wsd": "schedules",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
