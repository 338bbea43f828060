"""New workspaces, projects and configurations work at once, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.cli.forgather import main
from forgather_hydra.project.meta import load_meta

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")
SMALL = (
    *("data=stories", "data.corpus.num_stories=100", "data.block_size=32"),
    *("model_config.hidden_size=32", "model_config.num_hidden_layers=1"),
    *("trainer.args.max_steps=2", "trainer.args.max_eval_steps=1", "main.max_new_tokens=2"),
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    main(["ws", "create"])
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {str(p): p.read_text() for p in folder.rglob("*") if p.is_file()}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*words])
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_a_new_project_trains(workspace: Path) -> None:
    words = ("project", "create", "first", "--description", "Small steps")
    script = (
        "import sys\nfrom forgather_hydra.cli.forgather import main\nmain(sys.argv[1:])\n"
        "assert not {'torch', 'hydra', 'transformers'} & set(sys.modules)\n"
    )
    made = [sys.executable, "-c", script, *words]
    done = subprocess.run(made, capture_output=True, text=True, timeout=60, check=True)
    next_words = done.stdout.splitlines()[-1].removeprefix("next: forgather ").split()
    script = "from forgather_hydra.cli.forgather import main; main()"
    subprocess.run(
        [sys.executable, "-c", script, *next_words, *SMALL],
        env={**os.environ, "XDG_CACHE_HOME": str(workspace / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=200,
        check=True,
    )
    (record,) = workspace.glob("outputs/*/*/run.json")
    assert json.loads(record.read_text())["status"] == "finished"
    meta = load_meta("first")
    assert (meta.name, meta.description, meta.config()) == ("first", "Small steps", "baseline.yaml")


def test_nothing_is_overwritten(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "taken/templates/configs").mkdir(parents=True)
    (workspace / "taken/templates/configs/baseline.yaml").write_text("mine")
    (workspace / "other").mkdir()
    (workspace / "other/.gitignore").write_text("mine")
    before = texts(workspace)
    told = refused(capsys, "project", "create", "taken")
    assert "taken/templates/configs/baseline.yaml exists already" in told
    assert "nothing was written" in told
    refused(capsys, "ws", "create")
    assert texts(workspace) == before
    main(["ws", "create", "other"])
    assert (workspace / "other/.gitignore").read_text() == "mine"
    main(["project", "create", "new"])
    before = texts(workspace)
    refused(capsys, "-p", "new", "project", "new_config", "baseline")
    refused(capsys, "project", "create", "new")
    assert texts(workspace) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("project", "create", "a", "--extends", "experiment/baselin.yaml"),
            "'experiment/baseline",
        ),
        (("project", "create", "../outside/a"), "forgather ws create"),
        (("-p", "good", "project", "new_config", "../x"), "no name for a configuration"),
        (("-p", "good", "project", "new_config", "a b"), "no name for a configuration"),
        (("-p", "good", "project", "new_config", "x", "baselin"), "did you mean 'baseline.yaml'"),
    ],
)
def test_what_cannot_work_leaves_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    main(["project", "create", "good"])
    before = sorted(workspace.parent.rglob("*"))
    assert told in refused(capsys, *words)
    assert sorted(workspace.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "text", ["it's: {{ x }} #1", 'a "b" \\', "-- set x", "## no", "ünï $x ${y}"]
)
def test_any_text_can_be_a_name_or_description(workspace: Path, text: str) -> None:
    main(["project", "create", "a", "--name", text, "--description", text])
    meta = load_meta("a")
    assert (meta.name, meta.description) == (text, text)


def test_a_workspace_of_other_files_will_do(workspace: Path) -> None:
    for path in (workspace / "forgather_workspace").iterdir():
        path.unlink()
    (workspace / "forgather_workspace/shared.yaml").write_text("[main]\nmain: 1\n")
    main(["project", "create", "a", "--extends", "shared.yaml"])
    assert fg.Project(project_dir="a")() == 1


def arguments(project: fg.Project) -> dict[str, Any]:
    """What the project's configuration gives to `TrainingArguments`."""
    kwargs: dict[str, Any] = project.config["trainer"].kwargs["args"].kwargs
    return kwargs


def test_a_new_configuration_extends_what_the_project_shares(workspace: Path) -> None:
    main(["project", "create", "a"])
    shared = workspace / "a/templates/project.yaml"
    block = "\n-- block trainer_args\n        == super()\n        max_steps: 77\n-- endblock\n"
    shared.write_text(shared.read_text() + block)
    main(["-p", "a", "project", "new_config", "sub/wide.yaml"])
    file = workspace / "a/templates/configs/sub/wide.yaml"
    project = fg.Project("sub/wide", "a")
    assert arguments(project)["max_steps"] == 77
    assert project.config["meta"]["config_name"] == "sub/wide"
    file.write_text(
        file.read_text().replace(
            "== super()\n-- endblock trainer", "max_steps: 5\n-- endblock trainer"
        )
    )
    main(["-p", "a", "project", "new_config", "third", "sub/wide"])
    assert set(arguments(fg.Project("third", "a"))) == {"eval_on_start", "max_steps", "output_dir"}
    main(["-p", "a", "project", "new_config", "fourth", "sub/wide", "--copy"])
    assert (workspace / "a/templates/configs/fourth.yaml").read_text() == file.read_text()


def test_blocks_that_the_parent_lacks_are_not_written(
    workspace: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (workspace / "p/templates/configs").mkdir(parents=True)
    (workspace / "p/meta.yaml").touch()
    (workspace / "p/templates/configs/a.yaml").write_text("[main]\nmain: 1\n")
    main(["-p", "p", "project", "new_config", "b"])
    assert fg.Project("b", "p")() == 1
    assert not recwarn.list


def test_show_has_the_configurations_and_the_meta(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["project", "create", "a"])
    capsys.readouterr()
    main(["-p", "a", "project", "show"])
    told = capsys.readouterr().out
    assert "  baseline.yaml (default)  baseline: " in told
    assert f"workspace:      {workspace}" in told
