"""Pipeline-parallel training: two and four processes against one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pipeline_run import FOUR, PORTABLE, STOP, TWO, make, seen, tokenizer, train_portable
from several import in_processes
from transformers import AutoModelForCausalLM
from warm import WarmProcess

from forgather_hydra.train import TextSamples, Trainer

EMBEDDING = "model.causal_lm.input_encoder.embedding.weight"
HEAD = "lm_head.weight"


def run(process: WarmProcess, directory: Path, processes: int) -> list[dict[str, Any]]:
    """What each of so many processes saw."""
    done = in_processes(process, processes, "pipeline_run", str(directory))
    assert done.returncode == 0, done.stderr
    paths = [directory / f"rank-{rank}.json" for rank in range(processes)]
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="module")
def one_stops(tmp_path_factory) -> Path:
    """Checkpoint of a single process in the middle of an epoch."""
    torch.set_num_threads(1)
    return checkpoint_of(train_portable(Trainer, tmp_path_factory.mktemp("one")))


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def two(directory, warm_training) -> list[dict[str, Any]]:
    return run(warm_training, directory, 2)


@pytest.fixture(scope="module")
def four(two, directory, one_stops, tmp_path_factory, warm_training) -> list[dict[str, Any]]:
    """Four processes, with the checkpoints of one and of two at hand."""
    four = tmp_path_factory.mktemp("four")
    shutil.copytree(one_stops, four / "from-one")
    shutil.copytree(directory / f"portable/checkpoints/checkpoint-{STOP}", four / "from-two")
    return run(warm_training, four, 4)


def checkpoint_of(trainer: Trainer) -> Path:
    return trainer.args.checkpoint_dir / f"checkpoint-{STOP}"


def one_process(tmp_path: Path, options: dict[str, Any]) -> dict[str, Any]:
    trainer = make(Trainer, tmp_path, **options)
    trainer.train()
    return seen(trainer)


def assert_equal_runs(processes: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Gradients of the first step, and what came of them, to 1e-5."""
    for actual in processes:
        for key in ("losses", "evaluations", "rates"):
            assert actual[key] == pytest.approx(expected[key], abs=1e-5), key
        assert actual["norms"] == pytest.approx(expected["norms"], rel=1e-4)
        assert actual["logits"] == pytest.approx(expected["logits"], abs=1e-4)
        assert actual["losses"] == processes[0]["losses"]
        assert actual["tokens"] == expected["tokens"]
    for key in ("weights", "gradients"):
        parts = [(name, value) for actual in processes for name, value in actual[key].items()]
        assert {name for name, _ in parts} == set(expected[key])
        for name, value in parts:
            assert value == pytest.approx(expected[key][name], abs=1e-5), name


@pytest.mark.parametrize("name", [name for name in TWO if name != "half"])
def test_two_processes_train_as_one(two, tmp_path: Path, name: str) -> None:
    """Unequal numbers of targets, packed documents, and a batch with a single sample."""
    options = {key: value for key, value in TWO[name].items() if "compile" not in key}
    assert_equal_runs([rank[name] for rank in two], one_process(tmp_path, options))


def test_autocast_is_that_of_one_process(two, tmp_path: Path) -> None:
    half, full = (one_process(tmp_path, TWO[name])["losses"][0] for name in ("half", "recomputed"))
    assert two[0]["half"]["losses"][0] == pytest.approx(half, abs=1e-5)
    assert abs(half - full) > 4e-5


@pytest.mark.parametrize("name", FOUR)
def test_four_processes_train_as_one(four, tmp_path: Path, name: str) -> None:
    """Also in two replicas, of which one has no sample in a batch of a single one."""
    assert_equal_runs([rank[name] for rank in four], one_process(tmp_path, FOUR[name]))


def test_copies_of_a_tied_weight_stay_equal_to_the_bit(two) -> None:
    first, last = (rank["1f1b-tied"]["weights"] for rank in two)
    assert EMBEDDING not in last
    assert HEAD not in first
    assert first[EMBEDDING] == last[HEAD]


@pytest.mark.parametrize("name", ["exact", "exact-zbv"])
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(two, name: str) -> None:
    """With dropout, which needs the random numbers of both processes."""
    for rank in two:
        runs = rank[name]
        assert len(runs["stopped"]["losses"]) == STOP
        for key in ("losses", "norms", "evaluations", "rates", "tokens", "weights"):
            assert runs["resumed"][key] == runs["whole"][key]


@pytest.mark.parametrize("source", ["from-one", "from-two"])
def test_a_checkpoint_goes_on_in_four_processes(four, tmp_path: Path, source: str) -> None:
    assert_goes_on([rank[source] for rank in four], tmp_path)


def test_a_checkpoint_of_two_processes_goes_on_in_one(two, directory, tmp_path: Path) -> None:
    source = directory / f"portable/checkpoints/checkpoint-{STOP}"
    assert_goes_on([seen(train_portable(Trainer, tmp_path / "on", source))], tmp_path)


def assert_goes_on(processes: list[dict[str, Any]], tmp_path: Path) -> None:
    """As if one process had never stopped."""
    expected = one_process(tmp_path, PORTABLE)
    gradients = {process.pop("gradients") == {} for process in processes}
    assert gradients == {True}  # the first step was another process's
    expected["gradients"] = {}
    assert_equal_runs([{**process, "gradients": {}} for process in processes], expected)


def test_the_saved_model_is_whole(two, directory, tmp_path: Path) -> None:
    """It loads as any other from the hub, and the text samples are those of one process."""
    samples = TextSamples(["w3 w5", "w7"], max_new_tokens=4, do_sample=False)
    options = {**PORTABLE, "processing_class": tokenizer(), "callbacks": [samples]}
    trainer = make(Trainer, tmp_path / "one", **options)
    trainer.train()
    assert two[0]["model"]["samples"] == samples.samples
    assert two[1]["model"]["samples"] == []
    parameters = sum(p.numel() for p in trainer.model.parameters())
    assert [rank["model"]["parameters"] for rank in two] == [parameters] * 2
    for file in (tmp_path / "one/code").glob("*.*"):  # the code beside the weights
        shutil.copy(file, directory / "model") if file.suffix == ".py" else None
    loaded = AutoModelForCausalLM.from_pretrained(directory / "model", trust_remote_code=True)
    for name, weight in trainer.model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], weight, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["pipeline", "accel"])
def test_a_killed_process_ends_the_others(tmp_path: Path, kind: str, warm_training) -> None:
    process = in_processes(warm_training, 2, "pipeline_run", str(tmp_path), kind)
    assert process.returncode != 0
    cause = process.stderr.split("Root Cause")[1]
    # The agent looks ten times a second: by then the other may have said what it missed.
    assert "Signal 9 (SIGKILL)" in cause or "failed after step 2" in cause
