"""Runs of a small Llama, for one process or, by `several.py`, for several stages.

`main` trains every case and writes what each process saw to
`rank-<n>.json`; with a kind of trainer, a process of it is killed instead.
"""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tokenizers import Tokenizer, models, pre_tokenizers
from toys import VOCABULARY, Rows, loss_of_outputs, losses
from transformers import PreTrainedTokenizerFast

import forgather_hydra as fg
from forgather_hydra.model import build_model, modeling_code
from forgather_hydra.train import (
    AccelTrainer,
    EMACallback,
    PipelineTrainer,
    TextSamples,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from forgather_hydra.train.batches.collator import stack
from forgather_hydra.train.optim.parameter_groups import grouped

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
TIED = {"tie_word_embeddings": True}
EXPERTS = """mixture_factory: &mixture_factory !partial:.mixture_of_experts:MixtureOfExperts
    d_model: !var "hidden_size"
    num_experts: 2
    expert_factory: *feedforward_factory
    top_k: 1
    auxiliary_loss_weight: 0.5

rel_positional_encoder:"""
# Replacements in the graph of the model.
MIXTURE = {
    "rel_positional_encoder:": EXPERTS,
    "    feedforward_factory: *feedforward_factory": "    feedforward_factory: *mixture_factory",
}
FUSED_LOSS = {".causal_loss:CausalLoss": ".linear_causal_loss:LinearCausalLoss"}

SCHEDULES: dict[str, dict[str, Any]] = {
    "gpipe": {},
    "1f1b": {"stage_layers": [5, 3]},
    "looped_bfs": {},
    "interleaved_1f1b": {"microbatches": 2},
    "interleaved_zero_bubble": {},
    "zbv": {"stage_layers": [1, 2, 3, 2]},
    "ScheduleDualPipeV": {},
}
ZBV = {"schedule": "zbv"}


def padded(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A batch of rows of 4 or of 6, every other one with padding at its end."""
    batch = stack(samples)
    length = 4 + 2 * int(batch["input_ids"][0, 0] % 2)
    mask = torch.ones(len(samples), length, dtype=torch.long)
    mask[1::2, -1] = 0
    ids, labels = batch["input_ids"][:, :length], batch["labels"][:, :length]
    return {"input_ids": ids, "labels": labels.masked_fill(mask == 0, -100), "attention_mask": mask}


# What two processes train, and how; a single process trains the same without `pipeline`.
TWO: dict[str, dict[str, Any]] = {
    **{name: {"pipeline": {"schedule": name, **more}} for name, more in SCHEDULES.items()},
    **{
        f"{name}-tied": {"pipeline": {"schedule": name, **more}, "model": TIED}
        for name, more in SCHEDULES.items()
    },
    "accumulated": {
        "gradient_accumulation_steps": 3,
        "lr_scheduler_type": "cosine",
        "model": TIED,
    },
    "own-loss": {"max_grad_norm": None, "compute_loss_func": loss_of_outputs},
    "fused-loss": {"model": {"changes": FUSED_LOSS}},
    "fused-loss-zbv": {"model": {"changes": FUSED_LOSS}, "pipeline": ZBV},
    "recomputed": {"gradient_checkpointing": True},
    "recomputed-zbv": {"gradient_checkpointing": True, "pipeline": ZBV},
    "compiled": {"torch_compile": True, "torch_compile_backend": "eager"},
    "averaged": {"callbacks": [EMACallback(decay=0.5)], "model": TIED},
    "padded": {"data_collator": padded},
    "best": {
        "save_strategy": "steps",
        "save_steps": 2,
        "eval_steps": 2,
        "load_best_model_at_end": True,
        "learning_rate": 0.1,
        "model": {**TIED, "dtype": torch.float64},  # such steps magnify rounding
    },
    "half": {"bf16": True},
    # The loss that balances experts is one of the whole batch: of one microbatch here.
    "experts": {
        "model": {"changes": MIXTURE},
        "pipeline": {"schedule": "gpipe", "microbatches": 1},
    },
    "experts-zbv": {"model": {"changes": MIXTURE}, "pipeline": {**ZBV, "microbatches": 1}},
}
# With `replicas`, a single process has batches as many times as large.
FOUR: dict[str, dict[str, Any]] = {
    "four": {"pipeline": {"schedule": "1f1b"}, "model": TIED},
    "four-zbv": {"pipeline": ZBV, "model": TIED},
    "replicas": {"pipeline": {"replicas": 2, "microbatches": 2}, "model": TIED},
    "replicas-zbv": {
        "pipeline": {"replicas": 2, "microbatches": 2, **ZBV},
        "gradient_accumulation_steps": 2,
    },
}
# Checkpoints of these are resumed by other numbers of processes.
# Of their groups of parameters, one is in the first and the last stage only.
RULES = [
    {"pattern": "embedding|lm_head", "lr": 3e-3},
    {"pattern": ".", "ndim": 1, "weight_decay": 0.0},
    {"pattern": "."},
]
ADAMW = partial(torch.optim.AdamW, lr=1e-2, eps=1e-4)
PORTABLE: dict[str, Any] = {
    "model": TIED,
    "logging_steps": 2,
    "optimizer_factory": partial(grouped, optimizer=ADAMW, rules=RULES),
}
PARTS = ("compute_loss_func", "data_collator", "optimizer_factory", "processing_class")
STOP = 3  # in the middle of an epoch


def llama(
    output_dir: Path,
    changes: dict[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
    **config: Any,
) -> Any:
    text = Path(__file__).parents[1].joinpath("model/llama.yaml").read_text()
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    graph = fg.ConfigEnvironment().parse(text).config
    code = modeling_code(graph.model_factory, short_name="pipelined", source="llama.yaml")
    return build_model(code, CONFIG | config, output_dir / "code").to(dtype)


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{i}": i for i in range(VOCABULARY)}
    tokens = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="w1")


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

    def __init__(self) -> None:
        self.seen: dict[str, list[float]] = {}

    def on_pre_optimizer_step(self, args, state, control, model, **kwargs) -> None:
        if state.global_step == 0:
            named = model.named_parameters(remove_duplicate=False)
            self.seen = {name: p.grad.flatten().tolist() for name, p in named}


class Stop(TrainerCallback):
    """Asks for a checkpoint and an end after a step, in the last process only."""

    def on_step_end(self, args, state, control, **kwargs) -> None:
        last = not dist.is_initialized() or dist.get_rank() == dist.get_world_size() - 1
        if state.global_step == STOP and last:
            control.should_save = control.should_training_stop = True


class Kill(TrainerCallback):
    """Ends the second process without warning."""

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == 2 and dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def make(kind: type[Trainer], output_dir: Path, **options: Any) -> Trainer:
    """A trainer for 5 steps on 25 samples: three of 8, one of a single sample, one of 8."""
    model = options.pop("model", {})
    pipeline = options.pop("pipeline", {})
    callbacks = options.pop("callbacks", [])
    parts = {name: options.pop(name) for name in PARTS if name in options}
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
        "eval_strategy": "steps",
        "eval_steps": 5,
        "save_strategy": "no",
    }
    return kind(
        TrainingArguments(**defaults | options),
        model_init=partial(llama, output_dir, **model),
        train_dataset=Documents(25),
        eval_dataset=Documents(11, seed=1),
        callbacks=[Gradients(), *callbacks],
        **(pipeline if kind is PipelineTrainer else {}),
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
        "logits": trainer.predict(Documents(11, seed=1)).predictions.flatten().tolist(),
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


def resume_exactly(output_dir: Path, **options: Any) -> dict[str, Any]:
    """A run with dropout that is not stopped, and one that is, in the middle of an epoch."""
    options = {"model": {**TIED, "layer_dropout": 0.3}, "async_save": True, **options}
    whole = make(PipelineTrainer, output_dir / "whole", **options)
    whole.train()
    stopped = make(PipelineTrainer, output_dir / "stopped", callbacks=[Stop()], **options)
    stopped.train()
    resumed = make(PipelineTrainer, output_dir / "stopped", **options)
    resumed.train(resume_from_checkpoint=True)
    return {"whole": seen(whole), "stopped": seen(stopped), "resumed": seen(resumed)}


def write_model(output_dir: Path) -> dict[str, Any]:
    """A run that writes text samples, and in the end the model."""
    samples = TextSamples(["w3 w5", "w7"], max_new_tokens=4, do_sample=False)
    options = {**PORTABLE, "processing_class": tokenizer(), "callbacks": [samples]}
    trainer = make(PipelineTrainer, output_dir / "samples", **options)
    trainer.train()
    trainer.save_model(output_dir / "model")
    named = trainer.strategy.named_parameters()
    return {"samples": samples.samples, "parameters": sum(p.numel() for _, p in named)}


def train_portable(
    kind: type[Trainer], output_dir: Path, resume: Path | None = None, **options: Any
) -> Trainer:
    """Stops with a checkpoint, or goes on from one."""
    callbacks = [] if resume else [Stop()]
    trainer = make(kind, output_dir, **PORTABLE, callbacks=callbacks, **options)
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def two_processes(output_dir: Path) -> dict[str, Any]:
    train_portable(PipelineTrainer, output_dir / "portable")
    return {
        **train(output_dir, TWO),
        "exact": resume_exactly(output_dir / "exact"),
        "exact-zbv": resume_exactly(output_dir / "exact-zbv", pipeline=ZBV),
        "model": write_model(output_dir),
    }


def four_processes(output_dir: Path) -> dict[str, Any]:
    """Resumes checkpoints that fewer processes have written to the directories `from-*`."""
    results = train(output_dir, FOUR)
    for directory in sorted(output_dir.glob("from-*")):
        trainer = train_portable(PipelineTrainer, output_dir / "on", directory, pipeline=ZBV)
        results[directory.name] = seen(trainer)
    return results


def main(output: str, kind: str | None = None) -> None:
    output_dir = Path(output)
    torch.set_num_threads(1)
    if kind is not None:
        kinds = {"pipeline": PipelineTrainer, "accel": AccelTrainer}
        make(kinds[kind], output_dir, callbacks=[Kill()], max_steps=1000).train()
    run = two_processes if int(os.environ["WORLD_SIZE"]) == 2 else four_processes
    results = run(output_dir)
    (output_dir / f"rank-{dist.get_rank()}.json").write_text(json.dumps(results))
