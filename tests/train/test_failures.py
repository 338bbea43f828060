"""What a run says when it fails, and that it can be taken up again."""

from __future__ import annotations

import pytest
import torch
from toys import Rows, ToyModel, losses

from forgather_hydra.train import TrainerCallback


def notes(caught) -> str:
    return "\n".join(caught.value.__notes__)


class Greedy(ToyModel):
    """Asks in its sixth pass for more memory than there is."""

    count = 0

    def forward(self, input_ids, labels):
        self.count += 1
        if self.count == 6:
            torch.empty(2**50)
        return super().forward(input_ids, labels)


def test_out_of_memory_names_the_arguments_to_change(make_trainer) -> None:
    trainer = make_trainer(
        model_init=Greedy, max_steps=9, save_strategy="steps", save_steps=2,
        gradient_accumulation_steps=1,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="can't allocate memory") as caught:
        trainer.train()
    for part in (
        "lower per_device_train_batch_size (4) and raise gradient_accumulation_steps (1)",
        "set gradient_checkpointing",
        "set bf16",
        "Training failed after step 5; the newest checkpoint is",
        "checkpoint-4",
    ):
        assert part in notes(caught)


class Broken(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step == 5:
            raise KeyError("what I was looking for")


def test_a_callback_that_raises_is_named_and_the_run_can_go_on(make_trainer) -> None:
    options = {"max_steps": 9, "save_strategy": "steps", "save_steps": 2}
    with pytest.raises(KeyError, match="what I was looking for") as caught:
        make_trainer(callbacks=[Broken()], **options).train()
    assert "The callback Broken raised this in on_step_end." in notes(caught)
    assert "after step 5; the newest checkpoint is" in notes(caught)
    assert caught.traceback[-1].name == "on_step_end"

    resumed, whole = make_trainer(**options), make_trainer(**options)
    assert resumed.train(resume_from_checkpoint=True).global_step == 9
    whole.args.output_dir += "-whole"
    whole.train()
    assert losses(resumed) == losses(whole)


class Short(Rows):
    """Has fewer rows than it says."""

    def __getitem__(self, index: int):
        if index >= 20:
            raise IndexError(f"there is no row {index}")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_end_early_are_an_error(make_trainer, workers: int) -> None:
    trainer = make_trainer(
        train_dataset=Short(24), shuffle=False, max_steps=12, save_strategy="steps", save_steps=3,
        dataloader_num_workers=workers,
    )  # fmt: skip
    with pytest.raises(IndexError, match="there is no row 20") as caught:
        trainer.train()
    assert "The training data could not be read to the end." in notes(caught)
    assert "after step 5; the newest checkpoint is" in notes(caught)


class Silent(Rows):
    """Says in the way of an iterator that there is no more, which a loader takes for the end."""

    def __getitem__(self, index: int):
        if index >= 20:
            raise StopIteration
        return super().__getitem__(index)


def test_data_that_end_early_in_silence_are_an_error_too(make_trainer) -> None:
    trainer = make_trainer(
        train_dataset=Silent(24), shuffle=False, max_steps=12, dataloader_num_workers=1
    )
    with pytest.raises(ValueError, match="ended before its length"):
        trainer.train()
