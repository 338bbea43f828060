"""A run that an earlier version has made goes on, and is repeated.

`saved_run` was made before modules moved into rooms (commit c832293), by ``+experiment=stories``
with the overrides that its ``run.json`` lists; paths in it are made up.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_runs import Run, metrics

import forgather_hydra as fg

SAVED = Path(__file__).parent / "saved_run"


def losses(run: Path) -> list[float]:
    return [record["loss"] for record in metrics(run) if "loss" in record]


def test_it_goes_on(forgather: Run, tmp_path: Path) -> None:
    shutil.copytree(SAVED, tmp_path / "run")
    assert fg.RunDirectory(tmp_path / "run").state() == "finished"
    forgather("resume=run", "trainer.args.max_steps=3", cwd=tmp_path)
    assert losses(tmp_path / "run")[:2] == losses(SAVED)
    assert len(losses(tmp_path / "run")) == 3
    run = fg.RunDirectory(tmp_path / "run")
    assert (run.state(), len(run.record["attempts"])) == ("finished", 2)
    assert run.heartbeat is not None
    assert (run.heartbeat.state, run.heartbeat.attempt) == ("finished", 2)


def test_it_is_repeated(forgather: Run, tmp_path: Path) -> None:
    forgather(f"rerun={SAVED}", "hydra.run.dir=again", cwd=tmp_path)
    assert losses(tmp_path / "again") == pytest.approx(losses(SAVED), rel=1e-4)
