"""Data-parallel training: two processes against one with the same batches."""

from __future__ import annotations

import json
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from accel_run import CASES, MASKED, StopAt, make, seen, watchers, write_samples
from safetensors.torch import load_file
from several import in_processes

from forgather_hydra.train import AccelTrainer, Trainer
from forgather_hydra.train.batches.sampler import ResumableBatchSampler


def read(directory: Path, processes: int, errors: str) -> list[dict[str, Any]]:
    """What each process saw."""
    paths = [directory / f"rank-{rank}.json" for rank in range(processes)]
    assert all(path.exists() for path in paths), errors
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="module")
def launch(tmp_path_factory, warm_training) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """All runs in two processes; the last of them fails in one process."""
    directory = tmp_path_factory.mktemp("accel")
    return directory, in_processes(warm_training, 2, "accel_run", str(directory))


@pytest.fixture
def ranks(launch) -> list[dict[str, Any]]:
    return read(launch[0], 2, launch[1].stderr)


def one_process(tmp_path: Path, name: str) -> dict[str, Any]:
    trainer = make(Trainer, tmp_path / "single", **CASES[name], masked=name in MASKED)
    trainer.train()
    return seen(trainer)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_take_the_steps_of_one_with_batches_twice_as_large(
    ranks, tmp_path: Path, name: str
) -> None:
    expected, (first, second) = one_process(tmp_path, name), (rank[name] for rank in ranks)
    assert first["steps"] == 11
    assert first["losses"] == pytest.approx(expected["losses"], abs=1e-5)
    assert first["norms"] == pytest.approx(expected["norms"], rel=1e-4)
    assert first["tokens"] == second["tokens"] == expected["tokens"]
    assert first["losses"] == second["losses"]
    assert first["peaks"] == second["peaks"]
    assert len(set(first["peaks"])) == 2
    assert first["weights"] == second["weights"]
    for ours, theirs in zip(first["weights"], expected["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_processes_share_the_samples_without_overlap_or_loss(ranks, tmp_path, name: str) -> None:
    expected = one_process(tmp_path, name)["fetched"]
    fetched = [rank[name]["fetched"] for rank in ranks]
    assert sorted(fetched[0] + fetched[1]) == sorted(expected)
    assert min(map(len, fetched)) > len(expected) // 3


def test_evaluation_is_that_of_one_process_to_the_bit(ranks, tmp_path: Path) -> None:
    expected = one_process(tmp_path, "plain")["evaluations"]
    assert len(expected) == 1
    assert ranks[0]["plain"]["evaluations"] == ranks[1]["plain"]["evaluations"] == expected


def test_only_the_first_process_writes_metrics(launch, ranks) -> None:
    lines = (launch[0] / "plain/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, *range(1, 12)]


def assert_resumed_equals_whole(result: dict[str, Any]) -> None:
    for key in ("losses", "norms", "tokens", "weights", "steps"):
        assert result["resumed"][key] == result["whole"][key]


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(ranks) -> None:
    """With dropout, which needs the random numbers of both processes."""
    for result in (rank["resume"] for rank in ranks):
        assert_resumed_equals_whole(result)
        assert result["saved"] == result["resumed"]["weights"][1]
    assert ranks[0]["resume"]["draw"] != ranks[1]["resume"]["draw"]


EIGHT = {"per_device_train_batch_size": 8, "masked": True}


@pytest.fixture(scope="module")
def four(tmp_path_factory, warm_training) -> tuple[Path, list[dict[str, Any]]]:
    """Runs in four processes, after one in a single process that stops in mid-epoch."""
    directory = tmp_path_factory.mktemp("four")
    make(Trainer, directory / "single", **EIGHT, callbacks=[StopAt(6)]).train()
    words = (str(directory), str(directory / "single/checkpoints/checkpoint-6"))
    process = in_processes(warm_training, 4, "accel_run", *words)
    assert process.returncode == 0, process.stderr
    return directory, read(directory, 4, process.stderr)


@pytest.fixture(scope="module")
def eight(tmp_path_factory) -> dict[str, Any]:
    """An uninterrupted run in one process."""
    trainer = make(Trainer, tmp_path_factory.mktemp("eight"), **EIGHT)
    trainer.train()
    return seen(trainer)


def assert_close(result: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same losses, norms and weights, but for the rounding of sums in another order."""
    assert result["steps"] == expected["steps"]
    assert result["tokens"] == expected["tokens"]
    assert result["losses"] == pytest.approx(expected["losses"], abs=1e-5)
    assert result["norms"] == pytest.approx(expected["norms"], rel=1e-4)
    for ours, theirs in zip(result["weights"], expected["weights"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_resuming_four_processes_keeps_the_order_of_sums(four) -> None:
    """A sum of two numbers has no order; that of four is rounded differently in another one."""
    for rank in four[1]:
        assert_resumed_equals_whole(rank["resume"])


def test_a_checkpoint_of_one_process_goes_on_divided_among_four(four, eight) -> None:
    for rank in four[1]:
        assert_close(rank["four"]["divided"], eight)


def test_a_checkpoint_of_four_processes_goes_on_in_one(four, eight) -> None:
    """25 samples in batches of 8: the last has one sample, and three processes have none."""
    directory, ranks = four
    assert ranks[0]["four"]["copied"]["losses"] == pytest.approx(eight["losses"][:5], abs=1e-5)
    trainer = make(Trainer, directory / "again", **EIGHT)
    trainer.train(resume_from_checkpoint=directory / "copied/checkpoints/checkpoint-5")
    assert_close(seen(trainer), eight)


def test_a_divided_model_learns_as_a_whole_one(ranks, tmp_path: Path) -> None:
    """With clipping, accumulation and a process without samples, and so does one that resumes."""
    trainer = make(
        Trainer, tmp_path / "whole", **CASES["accumulated"], masked=True, max_grad_norm=0.1
    )
    trainer.train()
    expected = seen(trainer)
    for rank in ranks:
        result = rank["sharded"]
        assert_close(result, expected)
        assert result["evaluations"] == pytest.approx(expected["evaluations"], abs=1e-6)
        for key in ("losses", "norms", "tokens", "weights", "steps"):
            assert result["resumed"][key] == result[key]
    assert [rank["sharded"]["kept"] for rank in ranks] == [(7 + 4) * 8 + 4, (6 + 4) * 8 + 4]


def test_averages_and_norms_of_a_divided_model_are_those_of_a_whole_one(ranks, tmp_path) -> None:
    options = {**CASES["accumulated"], "masked": True, "max_grad_norm": 0.1}
    trainer = make(Trainer, tmp_path, **options, callbacks=watchers())
    trainer.train()
    for rank in ranks:
        assert_close(rank["sharded"]["averaged"], seen(trainer))
        assert rank["sharded"]["averaged"]["all"] == pytest.approx(seen(trainer)["all"], rel=1e-4)


def test_a_divided_model_writes_the_text_of_a_whole_one(ranks, tmp_path) -> None:
    expected = write_samples(Trainer, tmp_path, per_device_train_batch_size=6)
    assert len(expected) == 2 * 4  # before the first step, at steps 5 and 10, and at the last one
    assert [rank["sharded"]["samples"] for rank in ranks] == [expected, []]


def test_an_optimizer_that_needs_whole_weights_is_refused(ranks) -> None:
    assert "Adafactor needs whole weights" in ranks[0]["sharded"]["refused"]


def test_a_divided_model_is_saved_whole_and_goes_on_in_one_process(launch, ranks, tmp_path) -> None:
    options = {**CASES["accumulated"], "masked": True, "max_grad_norm": 0.1}
    trainer = make(Trainer, tmp_path, **options)
    trainer.train(resume_from_checkpoint=launch[0] / "part/checkpoints/checkpoint-3")
    assert_close(seen(trainer), ranks[0]["sharded"])
    saved = load_file(launch[0] / "sharded/model/model.safetensors")
    assert saved["mix.weight"].flatten().tolist() == ranks[0]["sharded"]["weights"][1]
    index = launch[0] / "part/checkpoints/checkpoint-3/model.safetensors.index.json"
    assert len(set(json.loads(index.read_text())["weight_map"].values())) == 2


def test_the_manifest_holds_the_random_numbers_of_every_process(launch) -> None:
    path = launch[0] / "stopped/checkpoints/checkpoint-4/manifest.json"
    assert {"rng-0.pt", "rng-1.pt"} < json.loads(path.read_text())["files"].keys()


def test_a_stop_asked_for_in_one_process_stops_both(ranks) -> None:
    assert [rank["resume"]["stopped"]["steps"] for rank in ranks] == [4, 4]


def test_a_failure_to_save_is_raised_in_both_processes(ranks) -> None:
    assert [rank["failure"] for rank in ranks] == ["FileExistsError"] * 2


def test_a_model_stays_the_same_in_both_processes_when_it_is_prepared_again(ranks) -> None:
    assert ranks[0]["twice"] == ranks[1]["twice"]
    assert ranks[0]["twice"]["copied"] == pytest.approx(ranks[0]["twice"]["sharded"], abs=1e-4)


def test_an_exception_in_one_process_ends_the_run(launch) -> None:
    assert launch[1].returncode != 0
    assert "a callback of one process failed" in launch[1].stderr


@pytest.mark.parametrize("workers", [0, 1])
def test_a_single_process_equals_the_plain_trainer_to_the_bit(tmp_path: Path, workers) -> None:
    options = {"gradient_accumulation_steps": 2, "max_grad_norm": 1.0, "masked": True}
    options["dataloader_num_workers"] = workers
    results = []
    for kind in (Trainer, AccelTrainer):
        trainer = make(kind, tmp_path / kind.__name__, **options, dropout=0.3)
        trainer.train()
        results.append(seen(trainer))
    assert results[0] == results[1]


@pytest.mark.parametrize("world_size", [2, 3, 4])
@pytest.mark.parametrize("drop_last", [False, True])
def test_parts_of_each_batch_make_up_the_batch(world_size: int, drop_last: bool) -> None:
    options = {"seed": 3, "shuffle": True, "drop_last": drop_last}
    whole = list(ResumableBatchSampler(29, 2 * world_size, **options))
    parts = [
        list(ResumableBatchSampler(29, 2, rank=rank, world_size=world_size, **options))
        for rank in range(world_size)
    ]
    assert [list(chain(*batches)) for batches in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accelerator_kwargs": {"mixed_precision": "fp16"}}, "set bf16 in the arguments"),
        ({"accelerator_kwargs": {"gradient_accumulation_steps": 2}}, "gradient_accumulation_steps"),
    ],
)
def test_what_the_arguments_say_is_not_said_twice(make_trainer, options, message: str) -> None:
    plain = make_trainer()
    trainer = AccelTrainer(
        plain.args, model_init=plain.model_init, train_dataset=plain.train_dataset, callbacks=[],
        **options,
    )  # fmt: skip
    with pytest.raises(ValueError, match=message):
        trainer.train()


def test_a_command_stops_all_processes_at_the_same_step(ranks, launch) -> None:
    first, second = (rank["told"] for rank in ranks)
    assert 3 <= first == second < 11
    assert (launch[0] / f"told/checkpoints/checkpoint-{first}").is_dir()
    assert json.loads((launch[0] / "told/REQUEUE").read_text())["step"] == first
    assert not (launch[0] / "told/STOP").exists()
