"""Runs and sweeps from Python."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console

import forgather_hydra as fg
from forgather_hydra.jobs.watch.view import View, most_telling
from forgather_hydra.report.results import JobResult, table
from forgather_hydra.rundir import record
from forgather_hydra.rundir.sweep import SweepDirectory

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons", "jobs_need_no_torch")
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


def test_a_launch_leaves_hydra_to_other_applications(tmp_path: Path) -> None:
    from hydra import compose, initialize_config_dir

    (tmp_path / "config.yaml").write_text("a: 1\nb: 2\n")
    fg.launch(MAIN, f"hydra.run.dir={tmp_path}/run")
    with initialize_config_dir(str(tmp_path), version_base=None):
        inner = fg.launch(MAIN, "main.x=5", f"hydra.run.dir={tmp_path}/inner")
        cfg = compose("config", ["b=3"])
    assert inner.return_value == {"x": 5}
    assert cfg == {"a": 1, "b": 3}


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    fg.launch(MAIN, f"hydra.run.dir={tmp_path}")
    before = (tmp_path / ".hydra/overrides.yaml").read_text()
    with (
        record.lock(tmp_path),
        pytest.raises(fg.errors.ForgatherError, match=f"process {os.getpid()} on .* is running"),
    ):
        fg.launch(MAIN, "main.x=2", f"hydra.run.dir={tmp_path}")
    assert (tmp_path / ".hydra/overrides.yaml").read_text() == before


class Meanwhile(Callback):
    """Launches in the directory of a job that is about to begin."""

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        place = f"hydra.run.dir={config.hydra.runtime.output_dir}"
        with pytest.raises(fg.errors.ForgatherError, match="another command is starting a run in"):
            fg.launch(MAIN, "main.x=2", place)


def test_of_two_commands_that_start_in_a_directory_one_does(tmp_path: Path) -> None:
    place = f"hydra.run.dir={tmp_path}"
    meanwhile = f"+hydra.callbacks.meanwhile._target_={__name__}.Meanwhile"
    assert fg.launch(MAIN, place, meanwhile).return_value == {"x": 1}
    assert "main.x=2" not in (tmp_path / ".hydra/overrides.yaml").read_text()
    assert fg.launch(MAIN, "main.x=2", place).return_value == {"x": 2}


def test_runs_that_begin_at_the_same_time_get_directories_of_their_own(tmp_path: Path) -> None:
    place = f"hydra.run.dir='${{fg.run_dir:{tmp_path}/${{now:%Y}}}}'"
    for x in (1, 2, 3):
        fg.launch(MAIN, f"main.x={x}", place)
    first, *others = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_ctime_ns)
    assert [path.name for path in others] == [f"{first.name}-2", f"{first.name}-3"]
    for x, path in enumerate((first, *others), 1):
        assert f"main.x={x}" in (path / ".hydra/overrides.yaml").read_text()
        assert record.read(path)["result"] == {"x": x}  # type: ignore[index]


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(fg.errors.ForgatherError, match=r"Not a directory: .*\n.*set output_root"):
        fg.launch(MAIN, f"hydra.run.dir={tmp_path}/file/run")


NUMBER = "+main={_target_: builtins.int, _partial_: true, _args_: ['1']}"


def overrides(run_dir: Path) -> list[str]:
    return json.loads((run_dir / "run.json").read_text())["overrides"]


def test_a_failed_attempt_does_not_change_what_a_run_is(tmp_path: Path) -> None:
    place = f"hydra.run.dir={tmp_path}"
    fg.launch(NUMBER, place)
    fg.launch(NUMBER, "main._args_=['2']", place)
    kept, graph = (tmp_path / ".hydra/overrides.yaml").read_text(), tmp_path / "graph.yaml"
    assert overrides(tmp_path) == [NUMBER, "main._args_=['2']"]
    built = graph.read_text()
    assert 'main: !partial:int ["2"]' in built
    with pytest.raises(ValueError, match="invalid literal"):
        fg.launch(NUMBER, "main._args_=[x]", place)
    assert (tmp_path / ".hydra/overrides.yaml").read_text() == kept
    assert graph.read_text() == built
    assert overrides(tmp_path) == [NUMBER, "main._args_=['2']"]
    assert record.read(tmp_path)["status"] == "failed"  # type: ignore[index]
    assert not (tmp_path / ".hydra.former").exists()
    assert fg.launch(f"resume={tmp_path}").return_value == 2


@pytest.mark.parametrize("status", ["finished", "running"])  # as after a kill
def test_an_attempt_that_is_refused_does_not_change_what_a_run_is(
    tmp_path: Path, status: str
) -> None:
    fg.launch(NUMBER, f"hydra.run.dir={tmp_path}")
    record.write(tmp_path, {**record.read(tmp_path), "status": status})  # type: ignore[dict-item]
    with pytest.raises(fg.errors.ForgatherError, match="the chosen launcher starts one"):
        fg.launch(f"resume={tmp_path}", "resources.nproc_per_node=2", "hydra/launcher=basic")
    assert "resources" not in (tmp_path / ".hydra/overrides.yaml").read_text()
    assert not (tmp_path / ".hydra.former").exists()


def test_a_run_goes_on_in_other_processes(tmp_path: Path) -> None:
    """Its own launcher starts them, as often as its overrides change, also after a kill."""
    fg.launch(NUMBER, f"hydra.run.dir={tmp_path}")
    for number in (5, 6):
        words = (f"main._args_=['{number}']", "resources.nproc_per_node=2", "hydra.job.num=3")
        assert fg.launch(f"resume={tmp_path}", *words).return_value == number
        (tmp_path / ".launch/result.json").unlink()
    assert len(record.read(tmp_path)["attempts"]) == 3  # type: ignore[index]
    assert fg.launch(f"resume={tmp_path}", "resources.nproc_per_node=1").return_value == 6
    assert not SweepDirectory(tmp_path).launched()  # which would show what ran before


def test_what_was_edited_since_a_run_began_is_told(tmp_path: Path) -> None:
    """But not what its own command, or the one that goes on, says otherwise."""
    template, run = tmp_path / "conf/experiment/mine.yaml", tmp_path / "run"
    template.parent.mkdir(parents=True)

    def write(**values: Any) -> None:
        main = {"_target_": "builtins.dict", "_partial_": True, **values}
        template.write_text(f"# @package _global_\nmain: {json.dumps(main)}\n")

    def go_on(*words: str) -> list[str]:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", fg.errors.ForgatherWarning)
            fg.launch(f"resume={run}", *words)
        return [str(each.message).partition(" in the run of")[0] for each in told]

    write(x=1, rate=1e-3, names=["a", "b"], nothing=None)
    mine = (f"hydra.searchpath=[{tmp_path}/conf]", "+experiment=mine", "main.x=2")
    fg.launch(*mine, f"hydra.run.dir={run}")
    assert go_on() == []
    assert go_on("main.rate=2") == []
    write(x=7, rate=1e-3, names=["a", "c"], nothing=None)
    assert go_on() == ["main.names.1 is 'c', and was 'b'"]
    assert go_on() == []
    write(x=7, rate=8, names=["a", "c"], other=1)
    assert go_on("main.rate=3") == ["main.nothing is not there, and was None"]


def test_a_failed_attempt_does_not_change_what_a_job_of_a_sweep_is(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    path = f"{{_target_: pathlib.Path, _args_: [{result}]}}"
    text = f"{{_target_: pathlib.Path.read_text, _args_: [{path}]}}"
    main = f"+main={{_target_: json.loads, _partial_: true, _args_: [{text}]}}"
    sweep = f"hydra.sweep.dir={tmp_path}/sweep"
    result.write_text('{"stopped": true}')
    fg.launch(main, "output_root=first", sweep, multirun=True)
    result.unlink()
    with pytest.raises(Exception, match="1 of 1 job failed"):
        fg.launch(main, "output_root=second", sweep, multirun=True)
    job = tmp_path / "sweep/0"
    assert record.read(job)["status"] == "failed"  # type: ignore[index]
    assert len(record.read(job)["attempts"]) == 2  # type: ignore[index]
    assert overrides(job)[1] == "output_root=first"
    assert "output_root=first" in (job / ".hydra/overrides.yaml").read_text()


def test_a_table_shows_words_in_brackets_as_they_are() -> None:
    results = [JobResult(n, [f"+paths=[/data/{n}]"], "finished", 1.0, "[dir]") for n in (0, 1)]
    console = Console(width=200, record=True)
    console.print(table(results, "eval_loss"))
    printed = console.export_text()
    assert "+paths=[/data/0]" in printed
    assert "[dir]" in printed


def test_where_there_is_little_room_jobs_that_run_come_before_those_that_wait() -> None:
    states = ["finished", "queued", "running", "queued", "failed"]
    over = ("finished", "failed")
    views = [View(n, state, "", is_over=state in over) for n, state in enumerate(states)]
    assert [[v.number for v in most_telling(views, room)] for room in (1, 2, 4, 5)] == [
        [2],
        [1, 2],
        [0, 1, 2, 3],
        [0, 1, 2, 3, 4],
    ]
