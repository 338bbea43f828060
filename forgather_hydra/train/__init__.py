"""Training: one loop with its arguments, checkpoints, callbacks and the job that runs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "AccelTrainer": "parallel.accel",
    "AdamW": "optim.adamw",
    "Apollo": "optim.low_rank",
    "CausalCollator": "batches.collator",
    "ControlCallback": "callbacks.control",
    "CsvCallback": "callbacks.csv_log",
    "EMACallback": "callbacks.ema",
    "GaLore": "optim.low_rank",
    "JsonlCallback": "callbacks.jsonl",
    "MultiOptimizer": "optim.multi_optimizer",
    "NormsCallback": "callbacks.norms",
    "PackedCollator": "batches.collator",
    "PeakMemoryCallback": "callbacks.peak_memory",
    "PipelineTrainer": "pipeline.trainer",
    "ProfileCallback": "callbacks.profile",
    "ProgressCallback": "callbacks.progress",
    "PruningCallback": "callbacks.pruning",
    "TensorBoardCallback": "callbacks.tensorboard",
    "TextSamples": "callbacks.text_samples",
    "ThroughputCallback": "callbacks.throughput",
    "TitanJob": "titan.native",
    "TitanModel": "titan.model",
    "TitanTrainer": "titan.trainer",
    "TrainOutput": "state",
    "Trainer": "trainer",
    "TrainerCallback": "callbacks.events",
    "TrainerControl": "state",
    "TrainerState": "state",
    "TrainingArguments": "arguments.training_arguments",
    "block_collator": "batches.collator",
    "conversation_collator": "batches.collator",
    "padding_collator": "batches.collator",
    "check_pipeline": "pipeline.plan",
    "check_result": "preflight",
    "check_titan": "titan.job",
    "check_training": "preflight",
    "cosine": "optim.schedules",
    "grouped": "optim.parameter_groups",
    "infinite": "optim.schedules",
    "latest_checkpoint": "checkpoint.directory",
    "linear": "optim.schedules",
    "multiple": "optim.parameter_groups",
    "run_preferences": "preferences",
    "run_titan": "titan.native",
    "run_training": "run",
    "tensorboard_callback": "callbacks.defaults",
    "wsd": "optim.schedules",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
