"""The cores that a launcher shares out: those it sees, or fewer that it has been granted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forgather_hydra.jobs.local import cores as granted
from forgather_hydra.jobs.local.cores import cores

SEEN = 64


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of many cores without limits; the folder of its groups of processes."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(SEEN)))
    monkeypatch.setattr(granted, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(granted, "OWN", tmp_path / "own")
    for name in ("SLURMD_NODENAME", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def limit(machine: Path, group: str, text: str) -> None:
    folder = machine / "groups" / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(text)


def test_all_that_are_seen_where_nobody_sets_a_limit(machine: Path) -> None:
    assert cores() == SEEN
    (machine / "own").write_text("1:cpu:/elsewhere\n0::/user/shell\n")
    limit(machine, "user", "max 100000\n")
    assert cores() == SEEN


@pytest.mark.parametrize(
    ("group", "own"), [("", "/"), ("", "/a/b"), ("a", "/a/b"), ("a/b", "/a/b")]
)
def test_a_container_that_is_granted_few(machine: Path, group: str, own: str) -> None:
    (machine / "own").write_text(f"0::{own}\n")
    limit(machine, group, "350000 100000\n")
    assert cores() == 3


def test_a_container_that_is_granted_less_than_one(machine: Path) -> None:
    (machine / "own").write_text("0::/\n")
    limit(machine, "", "50000 100000\n")
    assert cores() == 1


def test_a_group_that_is_not_limited_by_another(machine: Path) -> None:
    (machine / "own").write_text("0::/a/b\n")
    limit(machine, "a/c", "100000 100000\n")
    assert cores() == SEEN


def test_a_job_of_a_cluster_that_keeps_nobody_to_his_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "4")
    assert cores() == SEEN  # of an allocation that is elsewhere
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    assert cores() == 4
