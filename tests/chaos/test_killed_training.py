"""Runs that are killed at random instants end as if they had not been.

`CHAOS_KILLS=20 pytest tests/chaos` kills more of them.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from training_run import KINDS, STEPS, Processes, result

from forgather_hydra.train.checkpoint.directory import latest_checkpoint

KILLS = int(os.environ.get("CHAOS_KILLS", "2"))


class Whole(NamedTuple):
    """A run that nobody killed, and how long it took."""

    kind: str
    directory: Path
    seconds: float


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory) -> None:
    """Has the first process import everything, which the others are forked from."""
    Processes("single", tmp_path_factory.mktemp("first")).wait(300)


@pytest.fixture(scope="module", params=list(KINDS))
def whole(request, tmp_path_factory) -> Whole:
    directory = tmp_path_factory.mktemp(request.param)
    processes = Processes(request.param, directory)
    assert processes.wait(300)
    return Whole(request.param, directory, processes.seconds)


@pytest.mark.parametrize("seed", range(KILLS // 2))
def test_a_killed_run_ends_as_if_it_had_not_been(whole: Whole, tmp_path, seed: int) -> None:
    draw = random.Random(seed)
    for kill in range(2):  # the second, of a run that goes on
        processes = Processes(whole.kind, tmp_path)
        processes.wait(draw.uniform(0.3, 1.0) * whole.seconds / (kill + 1))
        processes.kill(draw)
    latest_checkpoint(tmp_path / "checkpoints")  # whole, or there is none
    processes = Processes(whole.kind, tmp_path)
    assert processes.wait(300)
    assert [member.exitcode for member in processes.members] == [0] * len(processes.members)
    records, weights = result(tmp_path)
    expected, expected_weights = result(whole.directory)
    assert [record["step"] for record in records] == list(range(1, STEPS + 1))
    assert records == expected
    for name, weight in expected_weights.items():
        assert torch.equal(weights[name], weight), name
    left = {path.name for path in tmp_path.rglob("*") if "tmp" in path.name}
    assert left == set()
