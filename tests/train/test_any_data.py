"""Data sets of all kinds: without targets, as streams, with random samples."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset
from toys import VOCABULARY, Rows, ToyModel, losses

from forgather_hydra.train import TrainingArguments, run_training, tensorboard_callback
from forgather_hydra.train.guard import StepGuard

ROWS = [{"input_ids": row} for row in Rows(32).ids]


class Stream(IterableDataset):
    """A stream with a length."""

    def __init__(self, claimed: int = 32) -> None:
        self.claimed = claimed

    def __iter__(self):
        return iter(ROWS)

    def __len__(self) -> int:
        return self.claimed


class Bare:
    """Neither a list nor one of torch's classes."""

    def __iter__(self):
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


def without_targets(*numbers: int) -> list[dict]:
    data = [{**row, "labels": row["input_ids"].clone()} for row in ROWS[:8]]
    for number in numbers:
        data[number]["labels"][:] = -100
    return data


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_sample_without_targets_is_left_out_and_counted(make_trainer, policy: str) -> None:
    options = {"per_device_train_batch_size": 1, "shuffle": False, "nan_policy": policy}
    trainer = make_trainer(
        train_dataset=without_targets(2), lr_scheduler_type="constant", logging_steps=4, **options
    )
    trainer.train()
    logs = [r for r in trainer.state.log_history if "loss" in r]
    assert [r.get("skipped_steps") for r in logs] == [1, None]
    rest = [row for number, row in enumerate(without_targets()) if number != 2]
    expected = make_trainer(train_dataset=rest, lr_scheduler_type="constant", **options)
    expected.train()
    assert torch.equal(trainer.model.embedding.weight, expected.model.embedding.weight)


def test_data_without_any_target_end_the_run(make_trainer) -> None:
    trainer = make_trainer(train_dataset=without_targets(*range(8)), num_train_epochs=3)
    with pytest.raises(ValueError, match="2 training steps in a row have no target token"):
        trainer.train()


@pytest.mark.parametrize("data", [Stream(), Bare()])
def test_streams_with_a_length_train_for_epochs(make_trainer, data) -> None:
    trainer = make_trainer(
        train_dataset=data, eval_dataset=data, num_train_epochs=2, eval_strategy="epoch"
    )
    trainer.train()
    assert (trainer.state.global_step, trainer.state.epoch) == (16, 2.0)
    expected = make_trainer(train_dataset=ROWS, shuffle=False, num_train_epochs=2)
    expected.train()
    assert losses(trainer) == losses(expected)
    assert (
        trainer.evaluate()["eval_loss"]
        == make_trainer(model=trainer.model, eval_dataset=ROWS).evaluate()["eval_loss"]
    )


def test_a_generator_is_read_once(make_trainer) -> None:
    def samples():
        yield from ROWS

    trainer = make_trainer(train_dataset=samples(), eval_dataset=samples(), max_steps=8)
    trainer.train()
    assert trainer.evaluate() == trainer.evaluate()
    with pytest.raises(ValueError, match="is an iterator, which has come to its end"):
        make_trainer(train_dataset=samples(), max_steps=9).train()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: iter(ROWS), "cannot be read as a data set.*call a function"),
        ({"train": ROWS, "test": ROWS}, "a mapping of several .train, test.: give one"),
        (7, "int cannot be read as a data set"),
    ],
)
def test_what_is_no_data_set_is_refused_in_words(make_trainer, data, message) -> None:
    with pytest.raises(ValueError, match=message):
        make_trainer(train_dataset=data, max_steps=2).train()


PLAIN = [row["input_ids"] for row in ROWS]
UNEQUAL = [{"input_ids": ids[: 3 + number % 3]} for number, ids in enumerate(PLAIN)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PLAIN, "a sample is a Tensor, and batches are made of mappings"),
        (torch.stack(PLAIN), "a sample is a Tensor"),
        (torch.utils.data.TensorDataset(torch.stack(PLAIN)), "a sample is a tuple"),
        (UNEQUAL, r"input_ids of the shapes .*\(3,\).*: give a data_collator.*CausalCollator"),
        ([{"x": ids} for ids in PLAIN], r"a batch has no input_ids .*; it has x"),
        ([*ROWS[:31], {"ids": PLAIN[0]}], "a sample has no 'i.*'; it has i"),
        ([{**row, "labels": torch.tensor(1)} for row in ROWS], r"shape \[4\].*one for each token"),
    ],
)
def test_samples_of_another_form_are_told(make_trainer, data, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make_trainer(train_dataset=data, num_train_epochs=1).train()


def test_a_collator_that_makes_no_mapping_is_told(make_trainer) -> None:
    trainer = make_trainer(data_collator=lambda samples: [samples[0]["input_ids"]], max_steps=1)
    with pytest.raises(TypeError, match="the data_collator returned a list"):
        trainer.train()


def test_each_of_several_evaluation_sets_is_evaluated_by_itself(make_trainer) -> None:
    options = {"max_steps": 4, "eval_strategy": "steps", "eval_steps": 2}
    sets = {"a": ROWS[:5], "b": ROWS[5:]}
    trainer = make_trainer(eval_dataset=sets, **options)
    metrics = run_training(trainer)
    alone = {
        f"eval_{name}_loss": trainer.evaluate(rows)["eval_loss"] for name, rows in sets.items()
    }
    assert {name: metrics[name] for name in alone} == alone
    found = [r["step"] for r in trainer.state.log_history if "eval_b_loss" in r]
    assert found == [2, 4]


def test_the_best_may_be_that_of_one_of_several_sets(make_trainer) -> None:
    options = {"max_steps": 4, "eval_strategy": "steps", "eval_steps": 2, "save_steps": 2}
    options |= {"save_strategy": "steps", "load_best_model_at_end": True}
    sets = {"a": ROWS[:5], "b": ROWS[5:]}
    trainer = make_trainer(eval_dataset=sets, metric_for_best_model="b_loss", **options)
    trainer.train()
    losses = [r["eval_b_loss"] for r in trainer.state.log_history if "eval_b_loss" in r]
    assert trainer.state.best_metric == min(losses)
    with pytest.raises(ValueError, match="give one of eval_a_loss, eval_a_perplexity, eval_b_loss"):
        make_trainer(eval_dataset=sets, **options).train()


def test_evaluations_without_data_are_told(make_trainer) -> None:
    with pytest.warns(UserWarning, match="ask for evaluations, and the trainer has no eval_data"):
        make_trainer(eval_strategy="epoch", max_steps=1).train()


@pytest.mark.parametrize("data", [[], {"a": ROWS, "b": []}, 7])
def test_what_cannot_be_evaluated_is_told_before_training(make_trainer, data) -> None:
    trainer = make_trainer(eval_dataset=data, eval_strategy="steps", eval_steps=2, max_steps=4)
    with pytest.raises(ValueError, match=r"set is empty|mapping of several|cannot be"):
        trainer.train()
    assert trainer.state.global_step == 0


class Crops(Dataset):
    """Draws from all three generators."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int):
        drawn = [random.randrange(VOCABULARY), int(np.random.randint(VOCABULARY))]
        return {"input_ids": torch.tensor([*drawn, *torch.randint(VOCABULARY, (4,)).tolist()])}


class Seen(ToyModel):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[int]] = []

    def forward(self, input_ids, labels):
        if self.training:
            self.rows += input_ids.tolist()
        return super().forward(input_ids, labels)


def drawn(make_trainer, *, resume=None, **options) -> list[list[int]]:
    trainer = make_trainer(
        model_init=Seen, train_dataset=Crops(), max_steps=8, save_strategy="steps", save_steps=3,
        save_total_limit=None, **{"dataloader_num_workers": 2, **options},
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=resume and trainer.args.checkpoint_dir / resume)
    return trainer.model.rows


def test_workers_draw_by_seed_and_place(make_trainer) -> None:
    first = drawn(make_trainer)
    assert drawn(make_trainer, dataloader_num_workers=1) == first
    assert drawn(make_trainer, resume="checkpoint-3") == first[12:]
    assert drawn(make_trainer, resume="checkpoint-6") == first[24:]  # in the second epoch
    assert drawn(make_trainer, seed=1)[:4] != first[:4]
    assert len({tuple(row) for row in first}) == 32  # none twice


def test_tensorboard_shows_each_step_once(make_trainer) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator

    class Die:
        def on_step_end(self, args, state, control, **kwargs) -> None:
            if state.global_step == 3:
                raise KeyboardInterrupt

    for callbacks in ([Die()], []):
        trainer = make_trainer(
            max_steps=4, eval_on_start=True, eval_dataset=Rows(4),
            callbacks=[tensorboard_callback(), *callbacks],
        )  # fmt: skip
        try:
            trainer.train()
        except KeyboardInterrupt:
            continue
    curves = accumulator(str(trainer.args.checkpoint_dir.parent / "runs")).Reload()
    assert [event.step for event in curves.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [event.step for event in curves.Scalars("eval/loss")] == [0]


def test_only_steps_without_targets_in_a_row_count() -> None:
    guard = StepGuard(TrainingArguments(use_cpu=True))
    for has_targets in (False, True) * 4:
        guard.note_targets(has_targets, steps_of_epoch=2)
    guard.note_targets(False, steps_of_epoch=2)
    with pytest.raises(ValueError, match="2 training steps in a row"):
        guard.note_targets(False, steps_of_epoch=2)
