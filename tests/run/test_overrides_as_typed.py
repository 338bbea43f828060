"""What was typed is kept: interpolations as overrides, and the overrides of a run that goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from warm import WarmProcess

import forgather_hydra as fg
from forgather_hydra.cli.composed import composed
from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir import record
from forgather_hydra.rundir.command import command_of

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons", "jobs_need_no_torch")
MAIN = "+main={_target_: builtins.dict, _partial_: true, x: 1}"
VALUES = [
    (("+seed=5", "main.x=${seed}"), {"x": 5}),
    (("+main.y=${.x}",), {"x": 1, "y": 1}),
    (("+main.y=[a,'${main.x}']",), {"x": 1, "y": ["a", 1]}),
    (("+o={_target_: builtins.dict, a: 3}", "+main.y='${o}'"), {"x": 1, "y": {"a": 3}}),
    (("+main.y=${hydra:job.name}",), {"x": 1, "y": "forgather"}),
    ((r"+main.y=\${x}",), {"x": 1, "y": "${x}"}),
    (("+main.y='${oc.env:SOME_WORD}'",), {"x": 1, "y": "word"}),
]


@pytest.fixture(autouse=True)
def some_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_WORD", "word")


def typed(run_dir: Path) -> list[str]:
    """The overrides of a run, of which Hydra and the record of the run know the same."""
    saved: Any = OmegaConf.to_container(OmegaConf.load(run_dir / ".hydra/overrides.yaml"))
    assert json.loads((run_dir / "run.json").read_text())["overrides"] == saved
    return saved


@pytest.mark.parametrize(("words", "expected"), VALUES)
def test_an_interpolation_is_an_override(
    words: tuple[str, ...], expected: dict[str, Any], tmp_path: Path
) -> None:
    done = fg.launch(MAIN, *words, f"hydra.run.dir={tmp_path}")
    assert done.return_value == expected
    assert typed(tmp_path) == [MAIN, *words]


@pytest.mark.parametrize("launcher", ["forgather_local", "basic"])
def test_a_sweep_takes_interpolations(launcher: str, tmp_path: Path) -> None:
    values = ("+main.y=${.x}", "+main.z=[${main.x}]", "+main.number=${hydra:job.num}")
    words = (MAIN, "main.x=1,2", *values, f"hydra.sweep.dir={tmp_path}")
    (jobs,) = fg.launch(*words, f"hydra/launcher={launcher}", multirun=True)
    assert [job.return_value for job in jobs] == [
        {"x": 1, "y": 1, "z": [1], "number": 0},
        {"x": 2, "y": 2, "z": [2], "number": 1},
    ]


def test_hydras_own_values_name_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fg.launch(MAIN, "hydra.run.dir=${hydra:runtime.cwd}/one")
    fg.launch(MAIN, "main.x=1,2", "hydra.sweep.dir=${hydra:runtime.cwd}/many", multirun=True)
    found = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("run.json"))
    assert found == ["many/0", "many/1", "one"]


def test_a_template_reads_hydras_values_that_need_others(tmp_path: Path) -> None:
    text = "main: !call:dict\n    where: ${hydra:run.dir}\n    name: ${hydra:job.name}\n"
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/own.yaml").write_text(f"# @package _global_\n{text}")
    words = (f"hydra.searchpath=[forgather://{tmp_path}]", "+experiment=own")
    run_dir = tmp_path / "outputs"
    done = fg.launch(*words, f"output_root={run_dir}", "hydra.run.dir=${output_root}/x")
    assert done.return_value == {"where": f"{run_dir}/x", "name": "forgather"}


def test_a_run_goes_on_with_what_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("+main.y='${oc.env:SOME_WORD}'", "+main.z='${fg.tuple:1,2}'", r"+main.t=\${x}")
    fg.launch(MAIN, *words, f"hydra.run.dir={tmp_path}")
    monkeypatch.setenv("SOME_WORD", "another")
    done = fg.launch(f"resume={tmp_path}", "main.x=2")
    assert done.return_value == {"x": 2, "y": "another", "z": (1, 2), "t": "${x}"}
    assert typed(tmp_path) == [MAIN, *words, f"resume={tmp_path}", "main.x=2"]


def test_what_a_run_has_added_can_be_changed(tmp_path: Path) -> None:
    fg.launch(MAIN, "+main.y=1", "++main.x=3", f"hydra.run.dir={tmp_path}")
    done = fg.launch(f"resume={tmp_path}", "main.y=2", "main.x=4")
    assert done.return_value == {"x": 4, "y": 2}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("main._target_=builtins.dicz",), "did you mean"),
        (("main._target_=builtins.int", "+main._args_=[one]", "~main.x"), "invalid literal"),
        (("main.x=${nothing}",), "nothing"),
    ],
)
def test_a_failed_command_leaves_what_a_run_is(
    words: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    fg.launch(MAIN, r"+meta.note=\${x}", f"hydra.run.dir={tmp_path}")
    before = {path: path.read_text() for path in (tmp_path / ".hydra").iterdir()}
    with pytest.raises(Exception, match=expected):
        fg.launch(f"resume={tmp_path}", *words)
    assert {path: path.read_text() for path in (tmp_path / ".hydra").iterdir()} == before
    assert not (tmp_path / ".hydra.former").exists()
    assert fg.launch(f"rerun={tmp_path}", f"hydra.run.dir={tmp_path}/again").return_value == {
        "x": 1
    }


def test_a_finished_run_that_is_asked_to_go_on_stays_what_it_is(tmp_path: Path) -> None:
    fg.launch(MAIN, f"hydra.run.dir={tmp_path}")
    before = (tmp_path / ".hydra/overrides.yaml").read_text()
    assert fg.launch(f"resume={tmp_path}").return_value == {"x": 1}
    assert (tmp_path / ".hydra/overrides.yaml").read_text() == before
    assert len(record.read(tmp_path)["attempts"]) == 1  # type: ignore[index]


def test_a_run_that_needs_its_config_dir_names_it(tmp_path: Path) -> None:
    (tmp_path / "own/experiment").mkdir(parents=True)
    text = "# @package _global_\nmain: {_target_: builtins.dict, _partial_: true, x: 1}\n"
    (tmp_path / "own/experiment/mine.yaml").write_text(text)
    words = ["+experiment=mine", f"hydra.run.dir={tmp_path / 'run'}"]
    with composed(words, str(tmp_path / "own")) as job:
        (tmp_path / "run/.hydra").mkdir(parents=True)
        OmegaConf.save(OmegaConf.masked_copy(job.cfg, "hydra"), tmp_path / "run/.hydra/hydra.yaml")
    resumed = [f"resume={tmp_path / 'run'}"]
    with (
        pytest.raises(ForgatherError, match=rf"'mine'\n.*had --config-dir {tmp_path / 'own'}"),
        composed(resumed),
    ):
        pass
    with composed(resumed, str(tmp_path / "own")) as job:
        assert job.cfg.main.x == 1


@pytest.mark.parametrize(
    "words",
    [
        "--config-dir own +experiment=mine main.x=2",
        "--config-dir own --config-name primary +experiment=mine",
        "hydra.searchpath=[own] +experiment=mine",
    ],
)
def test_the_command_of_a_run_says_where_its_configs_are(
    words: str, tmp_path: Path, warm: WarmProcess
) -> None:
    (tmp_path / "own/experiment").mkdir(parents=True)
    text = "# @package _global_\nmain: {_target_: builtins.dict, _partial_: true, x: 1}\n"
    (tmp_path / "own/experiment/mine.yaml").write_text(text)
    (tmp_path / "own/primary.yaml").write_text("defaults: [config, _self_]\n")
    done = warm.run(*words.split(), "hydra.run.dir=run", cwd=tmp_path, environment=os.environ)
    assert done.returncode == 0, done.stderr
    hydra: Any = OmegaConf.to_container(OmegaConf.load(tmp_path / "run/.hydra/hydra.yaml"))
    command = command_of(typed(tmp_path / "run"), hydra["hydra"])
    assert command == ["python", "-m", "forgather_hydra", *words.split()]
