"""Runs that stop at random steps and go on with other trainers, processes, batches and lengths.

`RESUME_SEEDS=200 pytest tests/train/test_resume_random.py` tries more of them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from changing_run import ROWS, WORLDS, one_part, parts, train
from client_processes import in_processes

SEEDS = list(range(int(os.environ.get("RESUME_SEEDS", "4"))))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """All runs, part by part."""
    root = tmp_path_factory.mktemp("changing")
    for place, world in enumerate(WORLDS):
        in_processes(world, one_part, place, SEEDS, root)
    return root


def found(root: Path, seed: int, place: int) -> list[dict[str, Any]]:
    """What each process of a part saw."""
    return [json.loads(path.read_text()) for path in sorted(root.glob(f"{seed}-{place}-*.json"))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_in_parts_takes_the_steps_of_one_process(root: Path, tmp_path, seed: int) -> None:
    """With the same batches; and each sample is trained on once in each epoch."""
    seen: list[int] = []
    for place, part in enumerate(parts(seed)):
        alone = train(part, tmp_path / str(seed), alone=True)
        for process in found(root, seed, place):
            assert process["losses"] == pytest.approx(alone["losses"], abs=1e-4), part
            for key in ("rates", "epochs", "steps", "tokens"):
                assert process[key] == pytest.approx(alone[key], abs=1e-9), (key, part)
        seen += alone["fetched"]
    assert alone["steps"][0] == alone["steps"][1]
    assert alone["epochs"][-1] >= part.epochs - 1e-6
    for epoch in range(int(part.epochs)):
        assert set(Counter(seen[epoch * ROWS : (epoch + 1) * ROWS]).values()) == {1}
