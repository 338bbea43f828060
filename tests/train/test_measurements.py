"""Callbacks that add norms, memory and operations to the logs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import transformers
from toys import Rows

from forgather_hydra.train import (
    JsonlCallback,
    NormsCallback,
    PeakMemoryCallback,
    ThroughputCallback,
)
from forgather_hydra.train.callbacks.throughput import flops_per_token


def test_norms_by_name_are_those_of_the_gradients_after_clipping(make_trainer) -> None:
    norms = NormsCallback({"all": ".", "mix": "^mix", "bias": "bias$"})
    trainer = make_trainer(
        max_steps=5, logging_steps=2, max_grad_norm=0.01, callbacks=[JsonlCallback(), norms],
        eval_dataset=Rows(4), eval_strategy="epoch",
    )  # fmt: skip
    weights = {}

    class Keep(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model, **kwargs):
            weights[state.global_step + 1] = model.mix.bias.detach().norm().item()

    trainer.add_callback(Keep())
    trainer.train()
    records = [r for r in trainer.state.log_history if "loss" in r]
    assert [record["step"] for record in records] == [2, 4, 5]
    for record in records:
        assert record["grad_norm/all"] == pytest.approx(min(record["grad_norm"], 0.01), rel=1e-3)
        assert record["grad_norm/bias"] < record["grad_norm/mix"] < record["grad_norm/all"]
        assert record["weight_norm/bias"] == pytest.approx(weights[record["step"]])
    lines = (Path(trainer.args.output_dir) / "metrics.jsonl").read_text().splitlines()
    assert "grad_norm/mix" in json.loads(lines[0])
    evaluation = next(r for r in trainer.state.log_history if "eval_loss" in r)
    assert "grad_norm/mix" not in evaluation


def test_a_pattern_that_fits_nothing_is_an_error(make_trainer) -> None:
    with pytest.raises(ValueError, match="fit no parameter: typo"):
        make_trainer(callbacks=[NormsCallback({"typo": "embeding"})]).train()


def test_peak_memory_grows_with_what_is_allocated(make_trainer) -> None:
    peak = PeakMemoryCallback()

    class Allocate(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                torch.ones(2**27)

    trainer = make_trainer(max_steps=2, callbacks=[Allocate(), peak])
    trainer.train()
    first, second = (r["peak_memory_mib"] for r in trainer.state.log_history)
    assert peak.by_rank == [second]
    assert 100 < first <= second
    assert second >= 512


def test_operations_follow_the_formula_and_mfu_the_peak(make_trainer) -> None:
    trainer = make_trainer(max_steps=2, callbacks=[ThroughputCallback(peak_tflops=0.5)])
    trainer.train()
    flops = 6 * (13 * 8 + 8 * 8 + 8)  # the embedding is the head too
    for record in trainer.state.log_history:
        assert record["tflops"] == pytest.approx(record["tokens_per_second"] * flops / 1e12)
        assert record["mfu"] == pytest.approx(record["tflops"] / 0.5)
    assert trainer.state.total_flos == flops * 2 * 4 * 6


def test_embeddings_that_are_only_looked_up_take_no_operations() -> None:
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    layers = 2 * (4 * 16 * 16 + 3 * 16 * 32 + 2 * 16) + 16
    assert flops_per_token(model, None) == 6 * (layers + 50 * 16)
    assert flops_per_token(model, 64) == 6 * (layers + 50 * 16 + 2 * 16 * 64)
    assert math.isfinite(flops_per_token(torch.nn.Linear(2, 2), 64))
