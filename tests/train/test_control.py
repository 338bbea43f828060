"""Commands to a running job, signals, and its heartbeat."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest
from toys import Rows

from forgather_hydra.train import ControlCallback, TrainerCallback, run_training
from forgather_hydra.train.callbacks import control as control_module


class At(TrainerCallback):
    """Does something at the beginning of a step, as somebody outside would while it runs."""

    def __init__(self, step: int, action) -> None:
        self.step, self.action = step, action

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step + 1 == self.step:
            self.action(Path(args.output_dir))


def command(name: str):
    return lambda directory: (directory / name).touch()


@pytest.fixture(autouse=True)
def _look_at_every_step(monkeypatch) -> None:
    monkeypatch.setattr(control_module, "PERIOD", 0.0)


def status(trainer) -> dict:
    return json.loads((Path(trainer.args.output_dir) / "status.json").read_text())


def saved(trainer) -> list[str]:
    return sorted(path.name for path in trainer.args.checkpoint_dir.glob("*"))


def left(trainer) -> set[str]:
    names = {"SAVE", "STOP", "ABORT", "REQUEUE"}
    return names & {path.name for path in Path(trainer.args.output_dir).iterdir()}


def controlled(make_trainer, *actions: At, **options):
    defaults = {"max_steps": 5, "callbacks": [*actions, ControlCallback()]}
    return make_trainer(**defaults | options)


def test_save_writes_one_checkpoint_and_the_run_goes_on(make_trainer) -> None:
    trainer = controlled(make_trainer, At(2, command("SAVE")))
    assert trainer.train().global_step == 5
    assert (saved(trainer), left(trainer)) == (["checkpoint-2"], set())
    assert status(trainer)["state"] == "finished"


def test_stop_saves_marks_the_rest_to_do_and_the_run_can_go_on(make_trainer) -> None:
    trainer = controlled(make_trainer, At(3, command("STOP")))
    assert trainer.train().global_step == 3
    assert (saved(trainer), left(trainer)) == (["checkpoint-3"], {"REQUEUE"})
    marker = json.loads((Path(trainer.args.output_dir) / "REQUEUE").read_text())
    assert marker == {"step": 3, "max_steps": 5, "reason": "STOP"}
    assert status(trainer)["state"] == "stopped"

    resumed = controlled(make_trainer)
    assert resumed.train(resume_from_checkpoint=True).global_step == 5
    assert left(resumed) == set()
    assert (status(resumed)["state"], status(resumed)["attempt"]) == ("finished", 2)


def test_stop_at_the_last_step_leaves_nothing_to_do(make_trainer) -> None:
    trainer = controlled(make_trainer, At(5, command("STOP")))
    trainer.train()
    assert (left(trainer), status(trainer)["state"]) == (set(), "finished")


def test_abort_ends_without_a_checkpoint(make_trainer) -> None:
    trainer = controlled(make_trainer, At(2, command("ABORT")), save_strategy="steps", save_steps=2)
    assert trainer.train().global_step == 2
    assert (saved(trainer), left(trainer)) == ([], set())
    assert status(trainer)["state"] == "aborted"


def test_a_job_that_is_aborted_is_not_finished(make_trainer, tmp_path) -> None:
    trainer = controlled(make_trainer, At(2, command("ABORT")))
    result = run_training(trainer, model_dir=tmp_path / "model")
    assert (result["stopped"], result["global_step"]) == (True, 2)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_stops_and_is_handled_as_before_afterwards(make_trainer, number) -> None:
    before = signal.getsignal(number)
    trainer = controlled(make_trainer, At(2, lambda _: os.kill(os.getpid(), number)))
    assert trainer.train().global_step == 2
    assert saved(trainer) == ["checkpoint-2"]
    marker = json.loads((Path(trainer.args.output_dir) / "REQUEUE").read_text())
    assert marker["reason"] == number.name
    assert signal.getsignal(number) == before


def test_signals_are_left_alone_outside_the_main_thread(make_trainer) -> None:
    trainer = controlled(make_trainer)
    thread = threading.Thread(target=trainer.train)
    thread.start()
    thread.join()
    assert status(trainer)["state"] == "finished"


def test_the_heartbeat_says_where_a_run_is(make_trainer) -> None:
    beats = []
    look = At(
        4, lambda directory: beats.append(json.loads((directory / "status.json").read_text()))
    )
    trainer = controlled(make_trainer, look)
    trainer.train()
    (beat,) = beats
    assert (beat["state"], beat["step"], beat["max_steps"]) == ("running", 3, 5)
    assert beat["loss"] == pytest.approx(trainer.state.log_history[1]["loss"])
    assert (beat["pid"], beat["attempt"]) == (os.getpid(), 1)
    assert beat["host"]
    assert 0 < status(trainer)["time"] - beat["time"] < 60


def test_the_directory_is_looked_at_once_a_period(make_trainer, monkeypatch) -> None:
    monkeypatch.setattr(control_module, "PERIOD", 1000.0)
    trainer = controlled(make_trainer, At(2, command("SAVE")))
    trainer.train()
    assert (saved(trainer), left(trainer)) == ([], {"SAVE"})


def test_a_failed_run_says_so(make_trainer) -> None:
    trainer = controlled(make_trainer, train_dataset=Rows(8, length=1))
    with pytest.raises(ValueError, match="no target token"):
        trainer.train()
    assert status(trainer)["state"] == "failed"
    assert status(trainer)["error"].startswith("ValueError: ")


def test_a_stopped_job_skips_what_follows_training(make_trainer, tmp_path) -> None:
    trainer = controlled(make_trainer, At(2, command("STOP")), eval_dataset=Rows(4))
    result = run_training(trainer, model_dir=tmp_path / "model")
    assert result["stopped"]
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("asked", [None, "STOP", "ABORT"])
def test_what_follows_training_does_not_put_the_heartbeat_back(make_trainer, asked) -> None:
    actions = [At(2, command(asked))] if asked else []
    trainer = controlled(make_trainer, *actions, eval_dataset=Rows(4))
    trainer.train()
    before = status(trainer)
    trainer.evaluate()
    trainer.predict(Rows(4))
    after = status(trainer)
    assert after["state"] == before["state"] != "running"
    assert after["time"] > before["time"]  # it is still there


def test_an_evaluation_without_training_says_nothing_about_a_run(make_trainer) -> None:
    trainer = controlled(make_trainer, eval_dataset=Rows(4))
    trainer.evaluate()
    assert not (Path(trainer.args.output_dir) / "status.json").exists()


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b'{"attempt": "x"}'])
def test_a_damaged_heartbeat_does_not_keep_a_run_from_going_on(make_trainer, content) -> None:
    trainer = controlled(make_trainer)
    path = Path(trainer.args.output_dir) / "status.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    trainer.train()
    assert (status(trainer)["state"], status(trainer)["attempt"]) == ("finished", 1)
