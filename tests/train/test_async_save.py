"""Checkpoints written beside the training."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toys import Rows, ToyModel, losses

from forgather_hydra.train import TrainerCallback, latest_checkpoint
from forgather_hydra.train.checkpoint import directory as checkpoint
from forgather_hydra.train.checkpoint.background import BackgroundWriter

SAVING = {"async_save": True, "save_strategy": "steps", "save_steps": 4, "save_total_limit": None}


@pytest.fixture
def gate(monkeypatch) -> threading.Event:
    """Writing to the disk waits for this event."""
    event, synced = threading.Event(), os.fsync

    def wait(descriptor: int) -> None:
        assert event.wait(60)
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", wait)
    return event


class OpenAt(TrainerCallback):
    """Lets the writer go on after a step, and notes what was complete by then."""

    def __init__(self, gate: threading.Event, step: int) -> None:
        self.gate, self.step = gate, step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            self.complete = latest_checkpoint(args.checkpoint_dir)
            self.gate.set()


def test_training_goes_on_while_a_checkpoint_of_its_step_is_written(make_trainer, gate) -> None:
    """The weights have moved on by three steps when they are written."""
    opener = OpenAt(gate, 7)
    trainer = make_trainer(**SAVING, max_steps=12, callbacks=[opener])
    trainer.train()
    assert opener.complete is None
    plain = make_trainer(**SAVING | {"async_save": False}, max_steps=12, output_dir="plain")
    plain.args.output_dir = str(Path(trainer.args.output_dir) / "plain")
    plain.train()
    for step in (4, 8, 12):
        for name in ("model", "optimizer"):
            file = f"checkpoint-{step}/{name}.safetensors"
            ours, theirs = (load_file(t.args.checkpoint_dir / file) for t in (trainer, plain))
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("step", [2, 4, 6])
def test_resuming_from_it_changes_nothing(make_trainer, step: int) -> None:
    """Seven batches an epoch in groups of two: step 4 ends one with a group of a single batch."""
    options = {
        **SAVING,
        "save_steps": 2,
        "max_steps": 10,
        "gradient_accumulation_steps": 2,
        "model_init": partial(ToyModel, dropout=0.3),
        "train_dataset": Rows(27, masked=True),
        "max_grad_norm": 0.5,
    }
    whole = make_trainer(**options)
    whole.train()
    resumed = make_trainer(**options)
    resumed.train(resume_from_checkpoint=whole.args.checkpoint_dir / f"checkpoint-{step}")
    assert losses(resumed) == losses(whole)
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.fixture
def full_disk(monkeypatch) -> None:
    """The disk is full when the checkpoint of step 8 is about to be completed."""
    seal = checkpoint.seal

    def fill_up(directory: Path, step: int, files: dict) -> None:
        if step == 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        seal(directory, step, files)

    monkeypatch.setattr(checkpoint, "seal", fill_up)


class WaitForTheWriter(TrainerCallback):
    """Ends each step when the writer is done, so that it is known which step sees an error."""

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.trainer.background._pending is not None:
            self.trainer.background._pending.exception()
        self.last = state.global_step


def test_an_error_of_the_writer_is_raised_at_the_next_step(make_trainer, full_disk) -> None:
    watcher = WaitForTheWriter()
    trainer = make_trainer(**SAVING, max_steps=20, callbacks=[watcher])
    watcher.trainer = trainer
    with pytest.raises(OSError, match=r"checkpoint-8 could not be written .*No space left"):
        trainer.train()
    assert watcher.last == 9
    assert [path.name for path in trainer.args.checkpoint_dir.iterdir()] == ["checkpoint-4"]


def test_an_error_of_the_last_checkpoint_is_raised_too(make_trainer, full_disk) -> None:
    trainer = make_trainer(**SAVING, max_steps=8)
    with pytest.raises(OSError, match="checkpoint-8 could not be written"):
        trainer.train()


def test_a_run_that_fails_ends_its_checkpoint_first(make_trainer, gate) -> None:
    class Fail(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs) -> None:
            if state.global_step == 5:
                threading.Timer(0.2, gate.set).start()
                raise RuntimeError("a callback failed")

    trainer = make_trainer(**SAVING, max_steps=8, callbacks=[Fail()])
    with pytest.raises(RuntimeError, match="a callback failed"):
        trainer.train()
    assert latest_checkpoint(trainer.args.checkpoint_dir).name == "checkpoint-4"


def test_copies_are_kept_in_the_same_memory() -> None:
    writer = BackgroundWriter()
    tensor = torch.arange(6.0).reshape(2, 3)
    first = writer.copy({"file": {"a": tensor.T}})["file"]["a"]
    assert first.is_contiguous()
    tensor += 1
    assert first.tolist() == [[0, 3], [1, 4], [2, 5]]
    second = writer.copy({"file": {"a": tensor.T}})["file"]["a"]
    assert second.data_ptr() == first.data_ptr()
    assert torch.equal(second, tensor.T)


def test_the_interpreter_does_not_exit_before_the_writer_has_ended(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from forgather_hydra.train.checkpoint.background import BackgroundWriter\n"
        "write = lambda: (time.sleep(0.5), Path(sys.argv[1]).touch())\n"
        "BackgroundWriter().start(write)\n"
        "raise RuntimeError('the end')"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "written"], capture_output=True)
    assert b"the end" in done.stderr
    assert (tmp_path / "written").exists()


@pytest.mark.parametrize("background", [True, False])
def test_the_log_has_one_line_a_checkpoint(make_trainer, caplog, background: bool) -> None:
    caplog.set_level("INFO", "forgather_hydra.train")
    trainer = make_trainer(max_steps=4, save_strategy="steps", save_steps=2, async_save=background)
    trainer.train()
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[0] for line in lines] == ["checkpoint-2", "checkpoint-4"]
    assert all(("training waited" in line) == background for line in lines)
