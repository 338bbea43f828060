"""Optimizers that a trainer cannot use in several processes are refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

import forgather_hydra as fg
from forgather_hydra.config.application import composed
from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.topology import topology_of

FSDP = ("+experiment=stories", "trainer=fsdp", "resources.nproc_per_node=2")


@pytest.mark.parametrize("optimizer", ["adafactor", "galore", "apollo", "apollo_mini"])
def test_whole_weights_under_fsdp(optimizer: str) -> None:
    with (
        pytest.raises(ForgatherError, match="needs whole weights"),
        composed([*FSDP, f"optimizer={optimizer}"]) as job,
    ):
        topology_of(job.for_hydra())


def test_how_many_is_not_known_before_a_cluster_has_said_so() -> None:
    words = ["+experiment=stories", "trainer=fsdp", "optimizer=galore", "cluster=slurm"]
    with (
        pytest.raises(ForgatherError, match=r"needs whole weights.*\n.*resources.nproc_per_node=1"),
        composed(words) as job,
    ):
        topology_of(job.for_hydra())


@pytest.mark.parametrize(
    "overrides",
    [
        (*FSDP, "optimizer=adamw"),
        (*FSDP, "optimizer=galore", "resources.nproc_per_node=1"),
        ("+experiment=stories", "trainer=accel", "optimizer=galore", "resources.nproc_per_node=2"),
    ],
)
def test_what_can_work(overrides: tuple[str, ...]) -> None:
    with composed(list(overrides)) as job:
        topology_of(job.for_hydra())


def test_nothing_is_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(ForgatherError, match="Adafactor needs whole weights"):
        fg.launch(*FSDP, "optimizer=adafactor", f"hydra.run.dir={run}")
    assert not run.exists()
