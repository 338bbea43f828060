"""Arguments: normalisation, checks before work, and what Hugging Face callbacks ask of them."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from transformers import TrainingArguments as HFTrainingArguments
from transformers.trainer_utils import IntervalStrategy as HFIntervalStrategy

from forgather_hydra.train import TrainingArguments


def test_strategies_are_normalised_and_equal_to_hugging_face_ones() -> None:
    args = TrainingArguments(eval_strategy="steps", save_strategy=False)  # type: ignore[arg-type]
    assert args.eval_strategy == HFIntervalStrategy.STEPS == "steps"
    assert args.save_strategy == "no"


def test_all_problems_are_reported_at_once_each_with_a_cure() -> None:
    with pytest.raises(ValueError, match="cannot work") as caught:
        TrainingArguments(
            per_device_train_batch_size=0,
            max_steps=-1,
            num_train_epochs=0,
            eval_strategy="sometimes",  # type: ignore[arg-type]
            dataloader_prefetch_factor=2,
            save_total_limit=0,
        )
    message = str(caught.value)
    for part in (
        "per_device_train_batch_size is 0: give 1 or more",
        "give one of them above 0",
        "'sometimes': use 'no', 'steps' or 'epoch'",
        "set dataloader_num_workers",
        "save_total_limit is 0",
    ):
        assert part in message


def test_late_changes_are_checked_when_training_starts(make_trainer) -> None:
    trainer = make_trainer()
    trainer.args.gradient_accumulation_steps = 0
    with pytest.raises(ValueError, match="gradient_accumulation_steps is 0"):
        trainer.train()


def test_best_model_needs_an_evaluation_at_every_save() -> None:
    with pytest.raises(ValueError, match=r"save_steps \(15\) to be a multiple of"):
        TrainingArguments(
            load_best_model_at_end=True, eval_strategy="steps", eval_steps=10, save_steps=15
        )


def test_unknown_names_are_refused_each_with_advice() -> None:
    with pytest.raises(TypeError) as caught:
        TrainingArguments(  # type: ignore[call-arg]
            learning_rte=1.0, warmup_ratio=0.1, neftune_noise_alpha=5.0, colour="red"
        )
    for part in (
        "learning_rte: did you mean learning_rate?",
        "warmup_ratio: give warmup_steps a share below 1",
        "neftune_noise_alpha: an argument of Hugging Face's trainer that has no equal here",
        "colour: no such argument",
    ):
        assert part in str(caught.value)
    assert "learning_rate" in inspect.signature(TrainingArguments).parameters


def test_every_argument_of_hugging_face_is_either_there_or_explained() -> None:
    from forgather_hydra.train.arguments.names import _INSTEAD

    ours = TrainingArguments.__dataclass_fields__
    for name in HFTrainingArguments.__dataclass_fields__:
        if name not in ours:
            with pytest.raises(TypeError, match=rf"\n  - {name}: ."):
                TrainingArguments(**{name: None})
    assert not _INSTEAD.keys() & ours.keys()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"bf16": True, "fp16": True}, "bf16 and fp16 are both set"),
        ({"nan_policy": None}, "nan_policy is None: use one of stop, skip"),
        ({"sdpa_backend": "flash"}, "use one of math, flash_attention"),
        ({"torch_compile_dynamic": True}, "set torch_compile"),
        ({"gradient_checkpointing_kwargs": {"use_reentrant": True}}, "set that too"),
        ({"fuse_optim_with_backward": True, "max_grad_norm": 1.0}, "max_grad_norm (1.0) cannot"),
        ({"fuse_optim_with_backward": True, "gradient_accumulation_steps": 2}, "must be 1"),
        ({"fuse_optim_with_backward": True, "fp16": True}, "unset it, or fp16"),
        ({"bf16": "no", "max_steps": "3"}, "max_steps is '3': give a whole number"),
        ({"bf16": "no"}, "bf16 is 'no': give true or false"),
        ({"learning_rate": "1e-3"}, "learning_rate is '1e-3': give a number"),
        ({"eval_steps": 2.5}, "eval_steps is 2.5: give a whole number"),
        ({"shuffle": None}, "shuffle is None: give true or false"),
    ],
)
def test_settings_that_exclude_each_other(options, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        TrainingArguments(**options)


@pytest.mark.parametrize(
    ("metric", "greater"), [("loss", False), ("eval_perplexity", False), ("accuracy", True)]
)
def test_direction_of_the_best_metric_follows_from_its_name(metric: str, greater: bool) -> None:
    assert TrainingArguments(metric_for_best_model=metric).greater_is_better is greater


def test_warmup_is_a_count_or_a_share() -> None:
    assert TrainingArguments(warmup_steps=7).warmup(100) == 7
    assert TrainingArguments(warmup_steps=0.1).warmup(95) == 10


def test_arguments_are_plain_json() -> None:
    args = TrainingArguments(eval_strategy="epoch", lr_scheduler_kwargs={"num_cycles": 2})
    assert json.loads(args.to_json_string()) == args.to_dict()
    assert args.to_dict()["eval_strategy"] == "epoch"
    kinds = (bool, int, float, str)
    assert all(isinstance(value, kinds) for value in args.to_sanitized_dict().values())


def test_every_argument_is_in_the_reference() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/trainer.md").read_text(encoding="utf-8")
    assert [
        name for name in TrainingArguments.__dataclass_fields__ if f"`{name}`" not in page
    ] == []
