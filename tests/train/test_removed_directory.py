"""Somebody removes the directory of a run while it trains."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from forgather_hydra.train import (
    ControlCallback,
    JsonlCallback,
    ProgressCallback,
    TrainerCallback,
    tensorboard_callback,
)


class Remove(TrainerCallback):
    """Removes the directory after a step."""

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == 3:
            shutil.rmtree(args.output_dir)


@pytest.mark.parametrize("options", [{"logging_steps": 2}, {"logging_steps": 99, "save_steps": 4}])
def test_the_run_ends_with_one_message(make_trainer, options, capfd) -> None:
    written = [JsonlCallback(), ProgressCallback(), ControlCallback(), tensorboard_callback()]
    trainer = make_trainer(
        max_steps=40, save_strategy="steps", **options, callbacks=[*written, Remove()]
    )
    with pytest.raises(FileNotFoundError, match="was removed while the run trained") as caught:
        trainer.train()
    assert trainer.state.global_step == 4
    assert not [note for note in caught.value.__notes__ if "callback" in note]
    assert "Traceback" not in capfd.readouterr().err
    assert not Path(trainer.args.output_dir).exists()


def test_a_run_that_writes_nothing_needs_no_directory(make_trainer) -> None:
    trainer = make_trainer(max_steps=4, callbacks=[])
    trainer.train()
    assert not Path(trainer.args.output_dir).exists()
