"""Runs and sweeps from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import forgather_hydra as fg

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")
MAIN = "+main={_target_: builtins.dict, _partial_: true, x: 1}"


def test_a_run_returns_what_main_returns(tmp_path: Path) -> None:
    done = fg.launch(MAIN, "main.x=5", f"hydra.run.dir={tmp_path}/run")
    assert done.return_value == {"x": 5}
    assert (tmp_path / "run" / "run.json").exists()


def test_a_sweep_returns_every_job(tmp_path: Path) -> None:
    batches = fg.launch(MAIN, "main.x=1,2,3", f"hydra.sweep.dir={tmp_path}", multirun=True)
    assert [job.return_value["x"] for batch in batches for job in batch] == [1, 2, 3]
    assert sorted(p.parent.name for p in tmp_path.glob("*/run.json")) == ["0", "1", "2"]


def test_the_named_metric_of_a_result_is_returned(tmp_path: Path) -> None:
    done = fg.launch(MAIN, "optimized_metric=x", f"hydra.run.dir={tmp_path}/run")
    assert done.return_value == 1


def test_a_wrong_configuration_raises_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(fg.errors.ForgatherError, match="did you mean 'dict'"):
        fg.launch(MAIN, "main._target_=builtins.dicz", f"hydra.run.dir={tmp_path}/run")
    assert not (tmp_path / "run").exists()
