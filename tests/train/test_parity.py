"""The same losses as Hugging Face's trainer on the same data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from toys import VOCABULARY, Rows, losses

SIZE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def llama() -> transformers.LlamaForCausalLM:
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, **SIZE, bos_token_id=1, eos_token_id=2, pad_token_id=0
    )
    return transformers.LlamaForCausalLM(config)


class InOrder(transformers.Trainer):
    """Takes the rows as they come."""

    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def collate(samples):
    batch = torch.utils.data.default_collate(samples)
    return {"labels": batch["input_ids"], **batch}


def hugging_face_s(output_dir: Path, data: Rows, callbacks=(), **options) -> InOrder:
    transformers.set_seed(42)
    args = transformers.TrainingArguments(
        output_dir=str(output_dir), report_to="none", disable_tqdm=True, **options
    )
    return InOrder(
        llama(), args, train_dataset=data, eval_dataset=Rows(9, length=8, seed=1),
        data_collator=collate, callbacks=list(callbacks),
    )  # fmt: skip


@pytest.mark.parametrize(("masked", "accumulation"), [(False, 1), (True, 2)])
def test_twenty_steps_equal_hugging_face_s(make_trainer, tmp_path, masked, accumulation) -> None:
    data = Rows(30, length=8, masked=masked)
    shared = {
        "max_steps": 20,
        "learning_rate": 5e-3,
        "max_grad_norm": 0.5,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": accumulation,
        "warmup_steps": 3,
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
    }
    ours = make_trainer(model_init=llama, train_dataset=data, shuffle=False, **shared)
    result = ours.train()

    theirs = hugging_face_s(tmp_path / "hf", data, **shared)
    reference = theirs.train()

    expected = [record for record in theirs.state.log_history if "loss" in record]
    assert losses(ours) == pytest.approx([record["loss"] for record in expected], abs=2e-5)
    norms = [record["grad_norm"] for record in ours.state.log_history]
    assert norms == pytest.approx([record["grad_norm"] for record in expected], rel=1e-3)
    assert result.training_loss == pytest.approx(reference.training_loss, abs=2e-5)
    assert ours.state.epoch == pytest.approx(theirs.state.epoch)


BEST = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "learning_rate": 5e-2}
SEMANTICS = {
    "epochs of groups": {
        "num_train_epochs": 2, "gradient_accumulation_steps": 3, "eval_strategy": "epoch",
        "save_strategy": "epoch", "logging_strategy": "epoch",
    },
    "a part of an epoch": {"num_train_epochs": 1.5, "warmup_steps": 0.25},
    "beyond the epochs": {"max_steps": 20, "num_train_epochs": 1, "eval_strategy": "epoch"},
    "evaluation later": {
        "max_steps": 10, "eval_strategy": "steps", "eval_steps": 2, "eval_delay": 5,
        "save_strategy": "steps", "save_steps": 3, "save_total_limit": 2,
    },
    "first step": {"max_steps": 8, "logging_steps": 4, "logging_first_step": True},
    "early stop": {
        "max_steps": 60, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps",
        "save_steps": 2, "save_total_limit": 2, **BEST,
    },
}  # fmt: skip


def steps_and(key: str, trainer, logged_with: str) -> list[float]:
    """Step and value, of each record that has `logged_with`."""
    records = [r for r in trainer.state.log_history if logged_with in r]
    return [number for record in records for number in (record["step"], record[key])]


@pytest.mark.parametrize("case", SEMANTICS)
def test_everything_happens_at_hugging_face_s_steps(make_trainer, tmp_path, case: str) -> None:
    data = Rows(30, length=8, masked=True)
    options = {
        "learning_rate": 5e-3, "max_grad_norm": 0.5, "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "save_strategy": "no", "save_total_limit": 9, "use_cpu": True, **SEMANTICS[case],
    }  # fmt: skip

    def callbacks():
        return [transformers.EarlyStoppingCallback(2)] if case == "early stop" else []

    ours = make_trainer(
        model_init=llama, train_dataset=data, eval_dataset=Rows(9, length=8, seed=1),
        callbacks=callbacks(), shuffle=False, **options,
    )  # fmt: skip
    theirs = hugging_face_s(
        tmp_path / "hf", data, callbacks(), include_num_input_tokens_seen="all", **options
    )
    ours.train()
    theirs.train()
    assert ours.state.global_step == theirs.state.global_step
    assert ours.state.num_input_tokens_seen == theirs.state.num_input_tokens_seen
    for key, kind in (("learning_rate", "loss"), ("loss", "loss"), ("eval_loss", "eval_loss")):
        expected = steps_and(key, theirs, kind)
        assert steps_and(key, ours, kind) == pytest.approx(expected, abs=1e-4)
    saved = [{p.name for p in path.glob("checkpoint-*")}
             for path in (ours.args.checkpoint_dir, tmp_path / "hf")]  # fmt: skip
    assert saved[0] >= saved[1]
    assert len(saved[0]) <= len(saved[1]) + 1  # the best one here comes on top of the limit
    if case == "early stop":
        assert ours.state.best_global_step == theirs.state.best_global_step < ours.state.global_step
