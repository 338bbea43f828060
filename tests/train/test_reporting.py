"""What a run leaves behind: metrics, TensorBoard events, console output."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toys import Rows

from forgather_hydra.train import (
    JsonlCallback,
    ProgressCallback,
    TensorBoardCallback,
    TrainerCallback,
)


def metrics(trainer) -> list[dict]:
    path = Path(trainer.args.output_dir) / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metrics_have_one_record_a_log_and_evaluation(make_trainer) -> None:
    trainer = make_trainer(
        max_steps=4, logging_steps=2, max_grad_norm=1.0, eval_dataset=Rows(4),
        eval_strategy="steps", eval_steps=4, gradient_accumulation_steps=2,
        callbacks=[JsonlCallback()],
    )  # fmt: skip
    trainer.train()
    first, second, evaluation = metrics(trainer)
    position = ["step", "epoch", "tokens", "time"]
    assert sorted(first) == sorted(
        [*position, "loss", "learning_rate", "grad_norm", "tokens_per_second"]
    )
    assert [record["step"] for record in (first, second, evaluation)] == [2, 4, 4]
    assert first["tokens"] == 2 * 2 * 4 * 6
    assert first["epoch"] == pytest.approx(2 / 3)
    assert second["time"] > first["time"] > 0
    assert second["tokens_per_second"] == pytest.approx(
        (second["tokens"] - first["tokens"]) / (second["time"] - first["time"])
    )
    assert sorted(evaluation) == sorted([*position, "eval_loss", "eval_perplexity"])


def test_a_new_run_starts_a_new_file(make_trainer) -> None:
    for steps in (5, 3):
        trainer = make_trainer(max_steps=steps, callbacks=[JsonlCallback()])
        trainer.train()
    assert [record["step"] for record in metrics(trainer)] == [1, 2, 3]
    former = Path(trainer.args.output_dir) / "metrics.jsonl.old"
    assert len(former.read_text().splitlines()) == 5


def test_numbers_that_are_not_finite_are_null_for_others_and_kept_for_a_resumed_run(
    make_trainer,
) -> None:
    values = iter([math.nan, math.inf, 0.5])
    options = {
        "eval_dataset": Rows(4), "eval_strategy": "steps", "eval_steps": 2, "max_steps": 4,
        "save_strategy": "steps", "save_steps": 4,
        "compute_metrics": lambda predicted: {"f": next(values), "g": np.float32(0.5)},
    }  # fmt: skip
    trainer = make_trainer(**options, callbacks=[JsonlCallback()])
    trainer.train()

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    lines = (Path(trainer.args.output_dir) / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line, parse_constant=refuse) for line in lines]
    assert [r["eval_f"] for r in found if "eval_f" in r] == [None, None]
    assert [r["eval_g"] for r in found if "eval_g" in r] == [0.5, 0.5]
    (checkpoint,) = trainer.args.checkpoint_dir.iterdir()
    json.loads((checkpoint / "trainer_state.json").read_text(), parse_constant=refuse)

    resumed = make_trainer(**options | {"max_steps": 6}, callbacks=[])
    resumed.train(resume_from_checkpoint=checkpoint)
    history = [r["eval_f"] for r in resumed.state.log_history if "eval_f" in r]
    assert math.isnan(history[0])
    assert history[1:] == [math.inf, 0.5]


def test_tensorboard_shows_a_resumed_run_once(make_trainer) -> None:
    options = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, "save_total_limit": 9}
    first = make_trainer(**options, callbacks=[TensorBoardCallback()])
    first.train()
    resumed = make_trainer(**options, callbacks=[TensorBoardCallback()])
    resumed.train(resume_from_checkpoint=first.args.checkpoint_dir / "checkpoint-4")
    events = EventAccumulator(str(Path(first.args.output_dir) / "runs"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]


SUMMARY = 5  # lines before the first step


def test_logged_values_of_any_kind_are_written_and_resumed(make_trainer) -> None:
    class Odd(TrainerCallback):
        def on_log_begin(self, args, state, control, logs, **kwargs) -> None:
            logs |= {
                "a": np.float32("nan"),
                "b": torch.tensor(1.5),
                "c": Path("x"),
                "d": np.int64(3),
            }

    options = {"max_steps": 2, "save_strategy": "steps", "save_steps": 2}
    trainer = make_trainer(**options, callbacks=[Odd(), JsonlCallback()])
    trainer.train()
    record = metrics(trainer)[0]
    assert [record[key] for key in "abcd"] == [None, 1.5, "x", 3]
    make_trainer(**options | {"max_steps": 3}).train(resume_from_checkpoint=True)


def progress_output(make_trainer, **console_options) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=160, **console_options)
    make_trainer(
        max_steps=4, logging_steps=2, eval_dataset=Rows(4), eval_strategy="steps", eval_steps=4,
        callbacks=[ProgressCallback(console)],
    ).train()  # fmt: skip
    return stream.getvalue()


def test_without_a_terminal_there_is_one_line_a_log(make_trainer) -> None:
    lines = progress_output(make_trainer).splitlines()[SUMMARY:]
    assert len(lines) == 3
    for part in ("step 2/4", "epoch 0.33", "eta 0:00:0", "loss ", "lr 7.50e-03", "tokens/s"):
        assert part in lines[0]
    assert "eval loss" in lines[2]
    assert "perplexity" in lines[2]


class Clock(TrainerCallback):
    """A step takes ten seconds."""

    seconds = 1000

    def monotonic(self) -> int:
        return self.seconds

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.seconds += 10


def test_the_time_left_of_a_resumed_run_counts_its_own_steps(make_trainer, monkeypatch) -> None:
    options = {"max_steps": 12, "save_strategy": "steps", "save_steps": 6, "logging_steps": 2}
    first = make_trainer(**options)
    first.train()
    clock, stream = Clock(), io.StringIO()
    monkeypatch.setattr("forgather_hydra.train.callbacks.progress.time", clock)
    progress = ProgressCallback(Console(file=stream, width=160))
    make_trainer(**options, callbacks=[clock, progress]).train(
        resume_from_checkpoint=first.args.checkpoint_dir / "checkpoint-6"
    )
    eight, ten, twelve = stream.getvalue().splitlines()[SUMMARY:]
    assert "step 8/12" in eight
    assert "eta 0:00:40" in eight
    assert "eta 0:00:20" in ten
    assert "eta" not in twelve


def test_on_a_terminal_there_is_a_bar(make_trainer) -> None:
    text = progress_output(make_trainer, force_terminal=True, color_system=None)
    assert "4/4" in text
    assert "tokens/s" in text
    assert "eval loss" in text


def test_a_value_of_zero_is_shown_too(make_trainer) -> None:
    trainer = make_trainer(max_steps=2, warmup_steps=1, callbacks=[TensorBoardCallback()])
    trainer.train()
    events = EventAccumulator(str(Path(trainer.args.output_dir) / "runs"))
    events.Reload()
    rates = [event.value for event in events.Scalars("train/learning_rate")]
    assert rates == pytest.approx([0.0, trainer.args.learning_rate])
    assert (
        "learning_rate"
        in events.Tensors("arguments/text_summary")[0].tensor_proto.string_val[0].decode()
    )
