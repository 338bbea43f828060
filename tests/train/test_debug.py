"""What helps to find faults: presets of the group `debug`, a profile, and metrics as a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from toys import Rows

from forgather_hydra.cli.composed import composed
from forgather_hydra.config.check import check_job
from forgather_hydra.paths import conf_dir
from forgather_hydra.train import CsvCallback, JsonlCallback, ProfileCallback, TrainerCallback
from forgather_hydra.train.checkpoint.directory import latest_checkpoint


@pytest.mark.parametrize("preset", sorted(p.stem for p in Path(conf_dir(), "debug").glob("*.yaml")))
@pytest.mark.parametrize("experiment", ["stories", "baseline"])
def test_a_preset_fits_any_experiment(hydra_restore_singletons, preset, experiment) -> None:
    with composed([f"+experiment={experiment}", f"+debug={preset}"]) as job:
        check_job(job)
        assert job.cfg.trainer.args.max_steps in (3, 100, -1, 10)


def test_a_profile_says_where_the_time_goes(make_trainer) -> None:
    trainer = make_trainer(max_steps=5, callbacks=[ProfileCallback(skip=1, steps=2, rows=9)])
    trainer.train()
    directory = Path(trainer.args.output_dir)
    table = (directory / "profile.txt").read_text()
    assert table.startswith("2 steps, 1 before them left out\n")
    assert "aten::" in table
    assert "Self CPU" in table
    trace = json.loads((directory / "profile.json").read_text())
    assert sum(e.get("name", "").startswith("ProfilerStep#") for e in trace["traceEvents"]) >= 2


@pytest.mark.parametrize(("skip", "steps", "told"), [(4, 2, "raise max_steps"), (0, 2, "give 1")])
def test_a_profile_that_cannot_be_made_is_told(make_trainer, skip, steps, told) -> None:
    with pytest.raises(ValueError, match=told):
        make_trainer(max_steps=5, callbacks=[ProfileCallback(skip, steps)]).train()


def test_training_takes_the_first_samples_only(make_trainer) -> None:
    data = Rows(20)
    make_trainer(train_dataset=data, max_train_samples=3, max_steps=6).train()
    assert {*data.fetched} == {0, 1, 2}
    data.fetched.clear()
    with pytest.raises(ValueError, match="max_train_samples is 0: give 1 or more"):
        make_trainer(train_dataset=data, max_train_samples=0)


class Fail(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt


def test_the_table_holds_what_the_lines_do(make_trainer) -> None:
    options = {
        "max_steps": 6, "eval_dataset": Rows(4), "eval_strategy": "steps", "eval_steps": 2,
        "save_strategy": "steps", "save_steps": 3,
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        make_trainer(**options, callbacks=[JsonlCallback(), CsvCallback(), Fail()]).train()
    trainer = make_trainer(**options, callbacks=[JsonlCallback(), CsvCallback()])
    assert latest_checkpoint(trainer.args.checkpoint_dir) is not None
    trainer.train(resume_from_checkpoint=True)
    directory = Path(trainer.args.output_dir)
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    with (directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = [{k: float(v) for k, v in row.items() if v} for row in rows]
    assert found == [pytest.approx(line) for line in lines]
    assert [int(row["step"]) for row in rows] == [1, 2, 2, 3, 4, 4, 5, 6, 6]
