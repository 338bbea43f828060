"""Runs of a small Llama, for one process or, as a script under `torchrun`, for several stages.

`pipeline_run.py OUTPUT_DIR` trains every case and writes what each process saw to
`rank-<n>.json`.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from toys import VOCABULARY, Rows, losses, shifted_loss

import forgather_hydra as fg
from forgather_hydra.model import build_model, modeling_code
from forgather_hydra.train import PipelineTrainer, Trainer, TrainerCallback, TrainingArguments

CONFIG = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_kv_heads": 1,
    "d_head": 8,
    "num_hidden_layers": 8,
    "dim_feedforward": 24,
    "max_sequence_length": 16,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCABULARY,
}
TIED = {"config": {"tie_word_embeddings": True}}
SCHEDULES = {
    "gpipe": {},
    "1f1b": {"stage_layers": [5, 3]},
    "looped_bfs": {},
    "interleaved_1f1b": {"microbatches": 2},
    "interleaved_zero_bubble": {},
    "zbv": {"stage_layers": [1, 2, 3, 2]},
    "ScheduleDualPipeV": {},
}


# What two processes train, and how; a single process trains the same without `pipeline`.
TWO: dict[str, dict[str, Any]] = {
    **{name: {"pipeline": {"schedule": name, **more}} for name, more in SCHEDULES.items()},
    **{
        f"{name}-tied": {"pipeline": {"schedule": name, **more}, **TIED}
        for name, more in SCHEDULES.items()
    },
    "accumulated": {"gradient_accumulation_steps": 3, "lr_scheduler_type": "cosine", **TIED},
    "unclipped": {"max_grad_norm": None, "compute_loss_func": shifted_loss},
    "recomputed": {"gradient_checkpointing": True},
    "recomputed-zbv": {"gradient_checkpointing": True, "pipeline": {"schedule": "zbv"}},
    "compiled": {"torch_compile": True, "torch_compile_backend": "eager"},
    "half": {"bf16": True},
}
# With `replicas`, a single process has batches as many times as large.
FOUR: dict[str, dict[str, Any]] = {
    "four": {"pipeline": {"schedule": "1f1b"}, **TIED},
    "four-zbv": {"pipeline": {"schedule": "zbv"}, **TIED},
    "replicas": {"pipeline": {"replicas": 2, "microbatches": 2}, **TIED},
    "replicas-zbv": {
        "pipeline": {"replicas": 2, "schedule": "zbv", "microbatches": 2},
        "gradient_accumulation_steps": 2,
    },
}


def llama(output_dir: Path, **config: Any) -> Any:
    text = Path(__file__).parents[1].joinpath("model/llama.yaml").read_text()
    graph = fg.ConfigEnvironment().parse(text).config
    code = modeling_code(graph.model_factory, short_name="pipelined", source="llama.yaml")
    return build_model(code, CONFIG | config, output_dir / "code")


class Documents(Rows):
    """Rows of two documents each, with positions that start anew, and unequal targets."""

    def __init__(self, count: int, length: int = 6, *, seed: int = 0) -> None:
        super().__init__(count, length, seed=seed, masked=True)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        first = 1 + index % (self.ids.shape[1] - 1)
        second = self.ids.shape[1] - first
        positions = torch.cat([torch.arange(first), torch.arange(second)])
        return {**super().__getitem__(index), "position_ids": positions}


class Gradients(TrainerCallback):
    """Keeps the gradients of the first step, as the optimizer gets them, by each name."""

    def on_pre_optimizer_step(self, args, state, control, model, **kwargs) -> None:
        if state.global_step == 0:
            named = model.named_parameters(remove_duplicate=False)
            self.seen = {name: p.grad.flatten().tolist() for name, p in named}


class Stop(TrainerCallback):
    """Asks for an end after a step, in the last process only."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step and dist.get_rank() == dist.get_world_size() - 1:
            control.should_save = control.should_training_stop = True


def make(kind: type[Trainer], output_dir: Path, **options: Any) -> Trainer:
    """A trainer for 5 steps on 25 samples: three of 8, one of a single sample, one of 8."""
    config = options.pop("config", {})
    pipeline = options.pop("pipeline", {}) if kind is PipelineTrainer else {}
    options.pop("pipeline", None)
    parts = {n: options.pop(n) for n in ("compute_loss_func", "processing_class") if n in options}
    defaults = {
        "output_dir": str(output_dir),
        "use_cpu": True,
        "max_steps": 5,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 4,
        "learning_rate": 1e-2,
        "weight_decay": 0.1,
        "adam_epsilon": 1e-4,  # the update of a gradient near 0 would magnify rounding
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "eval_on_start": True,
        "save_strategy": "no",
    }
    return kind(
        TrainingArguments(**defaults | options),
        model_init=partial(llama, output_dir, **config),
        train_dataset=Documents(25),
        eval_dataset=Documents(11, seed=1),
        callbacks=[Gradients(), *options.pop("callbacks", [])],
        **pipeline,
        **parts,
    )


def seen(trainer: Trainer) -> dict[str, Any]:
    """What a run came to, as JSON; weights and gradients by each of their names."""
    history = trainer.state.log_history
    named = trainer.model.named_parameters(remove_duplicate=False)
    return {
        "losses": losses(trainer),
        "evaluations": [record["eval_loss"] for record in history if "eval_loss" in record],
        "norms": [record["grad_norm"] for record in history if "grad_norm" in record],
        "rates": [record["learning_rate"] for record in history if "learning_rate" in record],
        "tokens": trainer.state.num_input_tokens_seen,
        "weights": {name: p.detach().flatten().tolist() for name, p in named},
        "gradients": trainer.callbacks.callbacks[0].seen,
    }


def train(output_dir: Path, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    results = {}
    for name, options in cases.items():
        size = 8 // options.get("pipeline", {}).get("replicas", 1)
        options = {**options, "per_device_train_batch_size": size}
        trainer = make(PipelineTrainer, output_dir / name, **options)
        trainer.train()
        results[name] = seen(trainer)
    return results


def main(output_dir: Path) -> None:
    torch.set_num_threads(1)
    cases = TWO if int(os.environ["WORLD_SIZE"]) == 2 else FOUR
    results = train(output_dir, cases)
    (output_dir / f"rank-{dist.get_rank()}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
