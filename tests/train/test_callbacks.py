"""Callback events, and Hugging Face's own callbacks unmodified."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from toys import Rows, losses

from forgather_hydra.train import TensorBoardCallback, TrainerCallback, TrainerControl
from forgather_hydra.train.callbacks.events import EVENTS


class Recorder:
    """Writes down every event; not derived from any base class."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.keywords: dict[str, dict[str, Any]] = {}


def _record(event: str):
    def handler(self, args, state, control, **kwargs) -> None:
        self.events.append(event)
        self.keywords[event] = kwargs

    return handler


for _event in EVENTS:
    setattr(Recorder, _event, _record(_event))


def test_order_of_events(make_trainer) -> None:
    recorder = Recorder()
    trainer = make_trainer(
        train_dataset=Rows(12), num_train_epochs=1, gradient_accumulation_steps=2,
        eval_dataset=Rows(4), eval_strategy="steps", eval_steps=2, save_strategy="epoch",
        callbacks=[recorder],
    )  # fmt: skip
    trainer.train()
    step = ["pre_optimizer_step", "optimizer_step", "step_end", "log_begin", "log"]
    expected = ["init_end", "train_begin", "epoch_begin", "step_begin", "substep_end", *step]
    expected += ["step_begin", *step, "evaluate_begin", "prediction_step", "log_begin", "log"]
    expected += ["evaluate", "epoch_end", "save", "train_end"]
    assert [event.removeprefix("on_") for event in recorder.events] == expected
    assert recorder.keywords["on_log"]["logs"]["eval_loss"] > 0
    assert recorder.keywords["on_evaluate"]["metrics"].keys() == {"eval_loss", "eval_perplexity"}
    assert recorder.keywords["on_step_end"]["model"] is trainer.model
    assert recorder.keywords["on_step_end"]["optimizer"] is trainer.optimizer


class Ask(TrainerCallback):
    """Sets a control flag at the end of a step."""

    def __init__(self, step: int, **flags: bool) -> None:
        self.step = step
        self.flags = flags

    def on_step_end(self, args, state, control, **kwargs) -> TrainerControl | None:
        if state.global_step != self.step:
            return None
        return TrainerControl(**self.flags)


def test_a_callback_stops_training_and_the_end_is_saved(make_trainer) -> None:
    trainer = make_trainer(
        max_steps=9, save_strategy="steps", callbacks=[Ask(4, should_training_stop=True)]
    )
    assert trainer.train().global_step == 4
    assert (trainer.args.checkpoint_dir / "checkpoint-4").is_dir()


def test_an_abort_does_not_save(make_trainer) -> None:
    flags = {"should_training_stop": True, "should_abort_without_save": True, "should_save": True}
    trainer = make_trainer(max_steps=9, save_strategy="steps", callbacks=[Ask(4, **flags)])
    assert trainer.train().global_step == 4
    assert not trainer.args.checkpoint_dir.exists()


def test_a_callback_ends_an_epoch_early(make_trainer) -> None:
    trainer = make_trainer(num_train_epochs=2, callbacks=[Ask(2, should_epoch_stop=True)])
    assert trainer.train().global_step == 2 + 6


def test_train_end_is_fired_when_training_fails(make_trainer) -> None:
    recorder = Recorder()
    trainer = make_trainer(callbacks=[recorder], train_dataset=Rows(8, length=1))
    with pytest.raises(ValueError, match="no target token"):
        trainer.train()
    assert recorder.events[-1] == "on_train_end"


@pytest.mark.parametrize(("given", "told"), [("ema", "'ema'"), ([len], "<built-in")])
def test_what_handles_no_event_is_refused(make_trainer, given, told) -> None:
    with pytest.raises(TypeError, match=f"{told}.* is no callback"):
        make_trainer(callbacks=given)


def test_the_first_failure_is_told_where_tensorboard_cannot_write(make_trainer) -> None:
    with pytest.raises(OSError, match="/proc/nowhere"):
        make_trainer(callbacks=[TensorBoardCallback()], output_dir="/proc/nowhere").train()


def test_callbacks_are_added_popped_and_removed(make_trainer) -> None:
    trainer = make_trainer(max_steps=1)
    recorder = Recorder()
    trainer.add_callback(recorder)
    trainer.add_callback(transformers.PrinterCallback)
    assert isinstance(
        trainer.pop_callback(transformers.PrinterCallback), transformers.PrinterCallback
    )
    assert trainer.pop_callback(transformers.PrinterCallback) is None
    trainer.remove_callback(recorder)
    trainer.train()
    assert recorder.events == []


def test_hugging_face_callbacks_run_unmodified(make_trainer, capsys) -> None:
    from transformers.integrations import TensorBoardCallback

    stock = [
        transformers.DefaultFlowCallback(),
        transformers.PrinterCallback(),
        transformers.ProgressCallback(),
        TensorBoardCallback(),
    ]
    trainer = make_trainer(
        max_steps=4, eval_dataset=Rows(4), eval_strategy="steps", eval_steps=2, callbacks=stock
    )
    trainer.train()
    assert len(losses(trainer)) == 4
    assert capsys.readouterr().out.count("eval_loss") == 4  # the two that print


def test_early_stopping_of_hugging_face_stops_and_resumes_its_count(make_trainer) -> None:
    """With no learning at all, the second and third evaluation do not improve on the first."""

    def trainer(max_steps: int):
        return make_trainer(
            max_steps=max_steps, learning_rate=0.0, eval_dataset=Rows(4), eval_strategy="steps",
            eval_steps=2, save_strategy="steps", save_steps=2, load_best_model_at_end=True,
            callbacks=[transformers.EarlyStoppingCallback(early_stopping_patience=2)],
        )  # fmt: skip

    whole = trainer(20)
    assert whole.train().global_step == 6
    assert whole.state.best_global_step == 2
    assert trainer(4).train().global_step == 4
    assert trainer(20).train(resume_from_checkpoint=True).global_step == 6
