"""Sixty random argument sets: the losses of transformers' trainer, to 1e-5."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from test_parity import InOrder, collate, llama
from toys import Rows, losses

SETS = 60


def drawn(seed: int) -> dict[str, Any]:
    """Arguments that both trainers take."""
    choose = random.Random(seed).choice
    length = choose([{"max_steps": choose([3, 7])}, {"num_train_epochs": choose([1, 1.5, 2])}])
    return length | {
        "per_device_train_batch_size": choose([2, 3, 5]),
        "gradient_accumulation_steps": choose([1, 1, 2, 3]),
        "max_grad_norm": choose([0.0, 0.1, 1.0]),
        "learning_rate": choose([1e-3, 5e-3]),
        "weight_decay": choose([0.0, 0.1]),
        "adam_beta2": choose([0.99, 0.999]),
        "lr_scheduler_type": choose(["linear", "cosine", "constant", "constant_with_warmup"]),
        "warmup_steps": choose([0, 2, 0.25]),
        "label_smoothing_factor": choose([0.0, 0.0, 0.1]),
        "dataloader_drop_last": choose([False, True]),
        "dataloader_num_workers": choose([0] * 14 + [1]),
        "seed": seed,
    }


def reference(where: Path, data: Rows, options: dict[str, Any]) -> list[float]:
    transformers.set_seed(options["seed"])
    args = transformers.TrainingArguments(
        output_dir=str(where), report_to="none", disable_tqdm=True, use_cpu=True, logging_steps=1,
        save_strategy="no", **options,
    )  # fmt: skip
    trainer = InOrder(llama(), args, train_dataset=data, data_collator=collate)
    trainer.train()
    return [record["loss"] for record in trainer.state.log_history if "loss" in record]


@pytest.fixture(scope="module", autouse=True)
def _spared_objects() -> Iterator[None]:
    """Leaves what is there out of collections: accelerate asks for one in each run."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("seed", range(SETS))
def test_losses_agree(make_trainer, tmp_path, seed: int) -> None:
    transformers.utils.logging.set_verbosity_error()
    options = drawn(seed)
    data = Rows(14, length=8, masked=seed % 2 == 1)

    def ours(stop: int | None = None, resume: bool = False) -> list[float]:
        class Stop:
            def on_step_end(self, args, state, control, **kwargs) -> None:
                if state.global_step == stop:
                    control.should_save = control.should_training_stop = True

        trainer = make_trainer(
            model_init=llama, train_dataset=data, shuffle=False, callbacks=[Stop()],
            save_strategy="steps", save_steps=1000, **options,
        )  # fmt: skip
        trainer.train(resume_from_checkpoint=resume)
        return losses(trainer)

    if seed % 3 == 0:
        ours(stop=2)  # and goes on in the middle
    found = ours(resume=seed % 3 == 0)
    assert found == pytest.approx(reference(tmp_path / "hf", data, options), abs=1e-5)
    assert torch.get_num_threads() == 1
