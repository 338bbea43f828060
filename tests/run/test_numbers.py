"""Results of jobs are numbers of any library; a trial without one says why."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

import forgather_hydra as fg
from forgather_hydra.report.results import metric_of, without_number
from forgather_hydra.rundir.files import write_json
from forgather_hydra.rundir.numbers import number, plain

NUMBERS = [
    *(0.5, 2, numpy.float32(0.5), numpy.int64(2), numpy.array(0.5), torch.tensor(0.5)),
    *(torch.tensor([2]), Decimal("0.5"), Fraction(1, 2)),
]
NONE = [None, True, numpy.bool_(True), torch.tensor(True), "0.5", [0.5], {}, 1j]


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_a_number(value: Any) -> None:
    assert number(value) in (0.5, 2.0)
    assert metric_of({"loss": value}, "loss") == metric_of(value, "loss") == number(value)


@pytest.mark.parametrize("value", [*NONE, numpy.zeros(2)], ids=repr)
def test_no_number(value: Any) -> None:
    assert number(value) is None
    assert "no number" in without_number([value], "loss")


def test_whole_numbers_stay_whole_in_files(tmp_path: Path) -> None:
    values = {"a": numpy.int64(2), "b": Decimal("2.5"), "c": torch.tensor(2), "d": Path("x")}
    write_json(tmp_path / "x.json", values)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 2, "b": 2.5, "c": 2, "d": "x"}
    assert isinstance(plain(numpy.int64(2)), int)
    assert isinstance(plain(numpy.float32(2)), float)


def sweep(tmp_path: Path, main: str) -> Any:
    words = ("hydra/sweeper=forgather_optuna", "hydra.sweeper.n_trials=2", "hydra/launcher=basic")
    place = f"hydra.sweep.dir={tmp_path}"
    return fg.launch(f"+main={main}", "+x=choice(1,2)", *words, place, multirun=True)


@pytest.mark.usefixtures("hydra_restore_singletons", "jobs_need_no_torch")
def test_a_search_goes_by_numbers_of_numpy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")
    sweep(tmp_path, "{_target_: numpy.float32, _partial_: true, _args_: ['${x}']}")
    table = capsys.readouterr().out
    assert "result" in table
    assert "eval_loss" not in table


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_trial_without_a_number_says_why(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    told = "2 of 2 trials gave no number to compare: it returned None"
    with pytest.raises(Exception, match=told):
        sweep(tmp_path, "{_target_: builtins.print, _partial_: true, _args_: ['${x}']}")


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_run_that_was_stopped_may_lack_what_it_is_ranked_by(tmp_path: Path) -> None:
    main = "+main={_target_: builtins.dict, _partial_: true, stopped: true}"
    returned = fg.launch(main, "optimized_metric=eval_loss", f"hydra.run.dir={tmp_path}")
    assert returned.return_value == {"stopped": True}
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "stopped"
