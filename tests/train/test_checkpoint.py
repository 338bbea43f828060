"""Checkpoints are whole or absent, found, verified and rotated."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import pytest
import torch
from toys import Rows, ToyModel, losses

from forgather_hydra.train import TrainingArguments, latest_checkpoint
from forgather_hydra.train.checkpoint import tensor_files
from forgather_hydra.train.checkpoint.directory import rotate, write_checkpoint
from forgather_hydra.train.checkpoint.weights import load_weights
from forgather_hydra.train.parallel.base import SingleProcess

ALONE = SingleProcess(TrainingArguments(use_cpu=True), None)


def write(directory: Path, step: int) -> Path:
    def fill(to: Path) -> list[str]:
        (to / "data").write_text(f"step {step}")
        return ["data"]

    return write_checkpoint(directory, step, fill, ALONE)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_latest_is_the_highest_step_not_the_youngest_file(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        write(tmp_path, step)
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-100"


def test_no_directory_and_no_checkpoint_are_none(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "absent") is None
    (tmp_path / "checkpoint-best").mkdir()
    assert latest_checkpoint(tmp_path) is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "harm", "report"),
    [
        ("model.safetensors", cut, "model.safetensors has .* bytes instead of"),
        (
            "optimizer.safetensors",
            flip,
            r"optimizer.safetensors does not have .*hash differs",
        ),
        ("rng-0.pt", Path.unlink, "rng-0.pt is missing"),
        ("manifest.json", Path.unlink, "manifest.json is missing"),
        ("manifest.json", cut, "manifest.json is not readable"),
    ],
)
def test_a_damaged_checkpoint_is_reported_and_the_one_before_used(
    make_trainer, caplog, file, harm, report
) -> None:
    options = {"max_steps": 8, "save_strategy": "steps", "save_steps": 4}
    whole = make_trainer(**options)
    whole.train()
    damaged = whole.args.checkpoint_dir / "checkpoint-8"
    harm(damaged / file)
    resumed = make_trainer(**options)
    resumed.train(resume_from_checkpoint=True)
    assert caplog.text.count("passed over") == 1
    assert re.search(f"checkpoint-8 is passed over: {report}", caplog.text)
    assert losses(resumed) == losses(whole)
    assert latest_checkpoint(whole.args.checkpoint_dir) == damaged  # written anew, whole


def test_a_large_model_is_written_in_several_files_that_are_all_checked(
    make_trainer, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(tensor_files, "MAX_FILE_SIZE", 500)
    options = {"max_steps": 8, "save_strategy": "steps", "save_steps": 4}
    whole = make_trainer(**options)
    whole.train()
    newest = whole.args.checkpoint_dir / "checkpoint-8"
    index = json.loads((newest / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == {"embedding.weight", "mix.weight", "mix.bias"}
    files = {f"model-0000{number}-of-00002.safetensors" for number in (1, 2)}
    assert set(index["weight_map"].values()) == files
    assert len({path.stat().st_mode for path in newest.iterdir()}) == 1
    second = next(newest.glob("optimizer-00002-of-*.safetensors"))
    flip(second)
    resumed = make_trainer(**options)
    resumed.train(resume_from_checkpoint=True)
    assert f"checkpoint-8 is passed over: {second.name}" in caplog.text
    assert losses(resumed) == losses(whole)
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: torch.nn.Sequential(ToyModel()), r"no weight 0\.embedding\.weight"),
        (lambda: torch.nn.Module(), r"weights that the model has not: embedding\.weight, mix"),
    ],
)
def test_weights_of_another_model_are_refused(make_trainer, model, message) -> None:
    trainer = make_trainer(max_steps=1, save_strategy="steps")
    trainer.train()
    with pytest.raises(ValueError, match=message):
        load_weights(model(), trainer.args.checkpoint_dir / "checkpoint-1", ALONE)


def test_a_damaged_checkpoint_asked_for_by_path_is_an_error(make_trainer) -> None:
    trainer = make_trainer(max_steps=2, save_strategy="steps")
    trainer.train()
    path = trainer.args.checkpoint_dir / "checkpoint-2"
    (path / "rng-0.pt").unlink()
    with pytest.raises(ValueError, match=r"rng-0\.pt is missing; resume from another one"):
        make_trainer().train(resume_from_checkpoint=path)
    with pytest.raises(FileNotFoundError, match="checkpoint-7"):
        make_trainer().train(resume_from_checkpoint=str(path.with_name("checkpoint-7")))


def test_a_full_disk_leaves_the_previous_checkpoint_and_no_partial_one(
    make_trainer, monkeypatch
) -> None:
    trainer = make_trainer(max_steps=8, save_strategy="steps", save_steps=4)
    synced = os.fsync

    def fill_up(descriptor: int) -> None:
        if trainer.state.global_step > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(OSError, match=r"checkpoint-8 could not be written .*No space left") as info:
        trainer.train()
    assert info.value.errno == errno.ENOSPC
    assert "save_total_limit" in str(info.value)
    assert names(trainer.args.checkpoint_dir) == ["checkpoint-4"]
    assert latest_checkpoint(trainer.args.checkpoint_dir) is not None


def test_an_interrupted_write_is_never_offered_and_is_cleaned_up_later(tmp_path: Path) -> None:
    write(tmp_path, 1)
    partial = tmp_path / ".tmp-checkpoint-2"  # as a killed process leaves it
    partial.mkdir()
    (partial / "data").write_text("half")
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-1"
    write(tmp_path, 2)
    assert names(tmp_path) == ["checkpoint-1", "checkpoint-2"]


def test_rotation_keeps_the_newest_the_best_and_a_later_course(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40, 90):
        write(tmp_path, step)
    newest, best = tmp_path / "checkpoint-40", tmp_path / "checkpoint-10"
    rotate(tmp_path, newest, 2, str(best))
    assert names(tmp_path) == ["checkpoint-10", "checkpoint-30", "checkpoint-40", "checkpoint-90"]
    rotate(tmp_path, newest, 1, None)
    assert names(tmp_path) == ["checkpoint-40", "checkpoint-90"]


def test_training_keeps_as_many_as_asked_for(make_trainer) -> None:
    trainer = make_trainer(max_steps=10, save_strategy="steps", save_steps=3, save_total_limit=2)
    trainer.train()
    assert names(trainer.args.checkpoint_dir) == ["checkpoint-10", "checkpoint-9"]


def test_tied_weights_stay_tied_and_are_written_once(make_trainer) -> None:
    trainer = make_trainer(max_steps=2, save_strategy="steps")
    trainer.train()
    model = ToyModel()
    path = trainer.args.checkpoint_dir / "checkpoint-2"
    load_weights(model, path, ALONE)
    assert torch.equal(model.embedding.weight, trainer.model.embedding.weight)
    assert model.head.weight is model.embedding.weight
    assert (path / "model.safetensors").stat().st_size < 4 * (13 * 8 + 8 * 8 + 8) + 500


class OpaqueState(torch.optim.SGD):
    """Keeps a Python object in its state."""

    def state_dict(self):  # type: ignore[no-untyped-def]
        return {**super().state_dict(), "helper": Rows(1)}


def test_pickled_objects_in_optimizer_state_are_refused(make_trainer) -> None:
    options = {"max_steps": 2, "save_strategy": "steps", "optimizer_factory": OpaqueState}
    make_trainer(**options).train()
    with pytest.raises(ValueError, match=r"optimizer\.pt holds Python objects"):
        make_trainer(**options).train(resume_from_checkpoint=True)


def test_best_model_is_protected_and_loaded_without_rewinding(make_trainer) -> None:
    """The rate grows until the model gets worse again."""
    trainer = make_trainer(
        train_dataset=Rows(8), eval_dataset=Rows(8), max_steps=30, learning_rate=0.3,
        save_strategy="steps", save_steps=3, eval_strategy="steps", eval_steps=3,
        save_total_limit=1, load_best_model_at_end=True,
        lr_scheduler_factory=lambda optimizer: torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.1 if step < 9 else 5.0
        ),
    )  # fmt: skip
    result = trainer.train()
    evaluations = {
        record["step"]: record["eval_loss"]
        for record in trainer.state.log_history
        if "eval_loss" in record
    }
    best = min(evaluations, key=evaluations.__getitem__)
    assert best < 30
    assert trainer.state.best_global_step == best
    assert names(trainer.args.checkpoint_dir) == sorted([f"checkpoint-{best}", "checkpoint-30"])
    assert result.global_step == trainer.state.global_step == 30
    assert trainer.evaluate()["eval_loss"] == pytest.approx(evaluations[best])


def test_the_first_checkpoint_is_kept_while_it_is_the_best(make_trainer) -> None:
    """With no learning at all nothing is better than the first; random numbers go on."""
    options = {
        "max_steps": 8, "learning_rate": 0.0, "eval_dataset": Rows(4), "eval_strategy": "steps",
        "eval_steps": 2, "save_strategy": "steps", "save_steps": 2, "save_total_limit": 1,
    }  # fmt: skip
    states = []
    for load in (False, True):
        trainer = make_trainer(**options, load_best_model_at_end=load)
        trainer.train()
        states.append(torch.get_rng_state())
    assert names(trainer.args.checkpoint_dir) == ["checkpoint-2", "checkpoint-8"]
    assert torch.equal(*states)
