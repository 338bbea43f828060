"""Runs of a toy model, for one process or, by `several.py`, for several of them.

`main` trains every case, or only a few and one from the checkpoint
of a former run, and writes what each process saw to `rank-<n>.json`.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from toys import VOCABULARY, Rows, ToyModel, losses
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from forgather_hydra.train import (
    AccelTrainer,
    ControlCallback,
    EMACallback,
    JsonlCallback,
    NormsCallback,
    PeakMemoryCallback,
    TextSamples,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from forgather_hydra.train.callbacks import control

# 25 samples in batches of 6: the last one has a single sample, and one of two processes has none.
CASES: dict[str, dict[str, Any]] = {
    "plain": {"per_device_train_batch_size": 6},
    "masked": {"per_device_train_batch_size": 6, "max_grad_norm": 0.1},
    "accumulated": {"per_device_train_batch_size": 6, "gradient_accumulation_steps": 2},
}
MASKED = ("masked", "accumulated")


def watchers() -> list[TrainerCallback]:
    """Callbacks that compute with weights and gradients."""
    return [EMACallback(0.5), NormsCallback({"all": "."})]


class Stop(TrainerCallback):
    """Asks for an end after a step, in one of the processes only."""

    def __init__(self, step: int, rank: int) -> None:
        self.step, self.rank = step, rank

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step and torch.distributed.get_rank() == self.rank:
            control.should_save = control.should_training_stop = True


class Fail(TrainerCallback):
    """Raises in the second process."""

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == 2 and torch.distributed.get_rank() == 1:
            raise RuntimeError("a callback of one process failed")


def make(kind: type[Trainer], output_dir: Path, **options: Any) -> Trainer:
    """A trainer for 11 steps, which are more than two epochs of 25 samples."""
    masked, dropout = options.pop("masked", False), options.pop("dropout", 0.0)
    callbacks = options.pop("callbacks", [])
    special = {"sharded": True} if options.pop("sharded", False) else {}
    optimizer = options.pop("optimizer", None)
    defaults = {
        "output_dir": str(output_dir),
        "use_cpu": True,
        "max_steps": 11,
        "per_device_train_batch_size": 3,
        "per_device_eval_batch_size": 2,
        "logging_steps": 1,
        "eval_on_start": True,
        "save_strategy": "no",
    }
    if optimizer is None:
        defaults["learning_rate"] = 1e-2
    return kind(
        TrainingArguments(**defaults | options),
        model_init=partial(ToyModel, dropout=dropout),
        train_dataset=Rows(25, masked=masked),
        eval_dataset=Rows(11, seed=1, masked=True),
        callbacks=callbacks,
        optimizer_factory=optimizer,
        **special,
    )


class StopAt(TrainerCallback):
    """Ends every process after a step, with a checkpoint."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            control.should_save = control.should_training_stop = True


def seen(trainer: Trainer) -> dict[str, Any]:
    """What a run came to, as JSON."""
    return {
        "losses": losses(trainer),
        "evaluations": [r["eval_loss"] for r in trainer.state.log_history if "eval_loss" in r],
        "norms": [r["grad_norm"] for r in trainer.state.log_history if "grad_norm" in r],
        "tokens": trainer.state.num_input_tokens_seen,
        "weights": [p.flatten().tolist() for p in trained(trainer)],
        "fetched": trainer.train_dataset.fetched,
        "steps": trainer.state.global_step,
        "all": [r.get("grad_norm/all") for r in trainer.state.log_history if "loss" in r],
    }


def trained(trainer: Trainer) -> list[torch.Tensor]:
    """The weights, whole."""
    weights = [p.detach() for p in trainer.model.parameters()]
    return [w.full_tensor() if hasattr(w, "full_tensor") else w for w in weights]


def train_sharded(output_dir: Path) -> dict[str, Any]:
    """The model divided: a whole run, and one that stops in mid-epoch and goes on."""
    options = {**CASES["accumulated"], "masked": True, "sharded": True, "max_grad_norm": 0.1}
    options |= {"per_device_train_batch_size": 3, "async_save": True}
    # The first process says where, as the others may have been started a second later.
    first = output_dir / ("stray" if os.environ.get("RANK", "0") != "0" else "sharded")
    whole = make(AccelTrainer, first, **options)
    whole.train()
    whole.save_model(output_dir / "sharded/model")
    make(AccelTrainer, output_dir / "part", **options, callbacks=[StopAt(3)]).train()
    resumed = make(AccelTrainer, output_dir / "part", **options)
    resumed.train(resume_from_checkpoint=output_dir / "part/checkpoints/checkpoint-3")
    averaged = make(AccelTrainer, output_dir / "ema", **options, callbacks=watchers())
    averaged.train()
    try:
        make(AccelTrainer, output_dir / "ema", **options, optimizer=torch.optim.Adafactor).train()
    except ValueError as error:
        refused = str(error)
    parts = [p.to_local().numel() for p in whole.model.parameters()]
    return {
        **seen(whole),
        "resumed": seen(resumed),
        "kept": sum(parts),
        "averaged": seen(averaged),
        "refused": refused,
        "samples": write_samples(AccelTrainer, output_dir / "samples", sharded=True),
    }


def write_samples(kind: type[Trainer], output_dir: Path, **options: Any) -> list[dict[str, Any]]:
    """The texts that a small Llama draws while it is trained."""
    samples = TextSamples(["w3 w5", "w7"], max_new_tokens=4)
    evaluating = {"eval_strategy": "steps", "eval_steps": 5, "callbacks": [samples]}
    trainer = make(kind, output_dir, **evaluating, **options)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=VOCABULARY, num_hidden_layers=2, **sizes)
    trainer.model_init = partial(LlamaForCausalLM, config)
    words = Tokenizer(WordLevel({f"w{n}": n for n in range(VOCABULARY)}))
    words.pre_tokenizer = Whitespace()
    trainer.processing_class = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w0")
    trainer.train()
    return samples.samples


def four_processes(output_dir: Path, former: Path) -> dict[str, Any]:
    """Copies of the model, stopped in mid-epoch; then the model divided, from a checkpoint of a
    single process.
    """
    options = {"per_device_train_batch_size": 2, "masked": True}
    copied = make(AccelTrainer, output_dir / "copied", **options, callbacks=[StopAt(5)])
    copied.train()
    divided = make(AccelTrainer, output_dir / "divided", **options, sharded=True)
    divided.train(resume_from_checkpoint=former)
    return {"copied": seen(copied), "divided": seen(divided)}


def train_cases(output_dir: Path) -> dict[str, Any]:
    results = {}
    for name, options in CASES.items():
        size = options["per_device_train_batch_size"] // int(os.environ["WORLD_SIZE"])
        options = {**options, "per_device_train_batch_size": size, "masked": name in MASKED}
        memory = PeakMemoryCallback()
        callbacks = [memory, JsonlCallback()]
        trainer = make(AccelTrainer, output_dir / name, callbacks=callbacks, **options)
        trainer.train()
        results[name] = {**seen(trainer), "peaks": memory.by_rank}
    return results


def stop_and_resume(output_dir: Path) -> dict[str, Any]:
    """A run that the second process stops at step 4, in mid-epoch, and one that is not stopped."""
    options = {"masked": True, "dropout": 0.3, "gradient_accumulation_steps": 2, "async_save": True}
    whole = make(AccelTrainer, output_dir / "whole", **options)
    whole.train()
    stopped = make(AccelTrainer, output_dir / "stopped", **options, callbacks=[Stop(4, rank=1)])
    stopped.train()
    resumed = make(AccelTrainer, output_dir / "stopped", **options)
    resumed.train(resume_from_checkpoint=True)
    resumed.save_model(output_dir / "model")
    saved = load_file(output_dir / "model/model.safetensors")
    return {
        "whole": seen(whole),
        "stopped": seen(stopped),
        "resumed": seen(resumed),
        "saved": saved["mix.weight"].flatten().tolist(),
        "files": sorted(p.name for p in (stopped.args.checkpoint_dir / "checkpoint-4").iterdir()),
        "draw": torch.rand(1).item(),
    }


class Tell(TrainerCallback):
    """Writes a command from another process than the one that looks for it."""

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step == 2 and torch.distributed.get_rank() == 1:
            (Path(args.output_dir) / "STOP").touch()


def stop_by_file(output_dir: Path) -> int:
    """The step at which a process ends when told to."""
    control.PERIOD = 0.0
    trainer = make(AccelTrainer, output_dir / "told", callbacks=[Tell(), ControlCallback()])
    return trainer.train().global_step


def fail_to_save(output_dir: Path) -> str:
    """The error that each process gets when the first one cannot write."""
    saving = {"save_strategy": "steps", "save_steps": 2, "async_save": True}
    trainer = make(AccelTrainer, output_dir / "full", **saving)
    if torch.distributed.get_rank() == 0:
        (output_dir / "full").mkdir()
        (output_dir / "full/checkpoints").touch()
    torch.distributed.barrier()
    try:
        trainer.train()
    except OSError as error:
        return type(error).__name__
    return "none"


def train_one_model_twice(output_dir: Path) -> dict[str, list[float]]:
    """Sums of the weights of a given model, put in place anew after an evaluation."""
    sums = {}
    for sharded in (False, True):
        trainer = make(AccelTrainer, output_dir / "twice", sharded=sharded)
        torch.manual_seed(torch.distributed.get_rank())
        trainer.model, trainer.model_init = ToyModel(), None
        trainer.evaluate()
        trainer.train()
        sums["sharded" if sharded else "copied"] = [w.sum().item() for w in trained(trainer)]
    return sums


def main(output: str, former: str = "") -> None:
    output_dir = Path(output)
    torch.set_num_threads(1)
    results: dict[str, Any] = {"resume": stop_and_resume(output_dir)}
    if former:
        results["four"] = four_processes(output_dir, Path(former))
    else:
        results |= train_cases(output_dir)
        results["sharded"] = train_sharded(output_dir)
        results["told"] = stop_by_file(output_dir)
        results["failure"] = fail_to_save(output_dir)
        results["twice"] = train_one_model_twice(output_dir)
    (output_dir / f"rank-{torch.distributed.get_rank()}.json").write_text(json.dumps(results))
    if not former:
        make(AccelTrainer, output_dir / "crash", callbacks=[Fail()]).train()
