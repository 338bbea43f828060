"""Pipeline-parallel training: two and four processes against one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pipeline_run
import pytest
import torch
from pipeline_run import FOUR, TWO, make, seen

from forgather_hydra.train import Trainer


def launch(directory: Path, processes: int) -> list[dict[str, Any]]:
    """What each of so many processes saw."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    package = str(Path(__file__).parents[2])
    process = subprocess.run(
        [sys.executable, *launcher, pipeline_run.__file__, str(directory)],
        env={**os.environ, "PYTHONPATH": package, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    paths = [directory / f"rank-{rank}.json" for rank in range(processes)]
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[dict[str, Any]]:
    return launch(tmp_path_factory.mktemp("two"), 2)


@pytest.fixture(scope="module")
def four(tmp_path_factory) -> list[dict[str, Any]]:
    return launch(tmp_path_factory.mktemp("four"), 4)


def one_process(tmp_path: Path, options: dict[str, Any]) -> dict[str, Any]:
    torch.set_num_threads(1)
    trainer = make(Trainer, tmp_path, **options)
    trainer.train()
    return seen(trainer)


def assert_equal_runs(processes: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Gradients of the first step, and what came of them, to 1e-5."""
    for actual in processes:
        for key in ("losses", "evaluations", "rates"):
            assert actual[key] == pytest.approx(expected[key], abs=1e-5), key
        assert actual["norms"] == pytest.approx(expected["norms"], rel=1e-4)
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
    assert_equal_runs([rank[name] for rank in two], one_process(tmp_path, TWO[name]))


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
    embedding, head = "causal_lm.input_encoder.embedding.weight", "causal_lm.output_decoder.weight"
    assert embedding not in last
    assert head not in first
    assert first[embedding] == last[head]
