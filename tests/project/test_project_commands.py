"""``forgather -p DIR -t CONFIG``: a project's configuration as a Hydra run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from forgather_hydra.cli.forgather import main
from forgather_hydra.cli.selection import selected
from forgather_hydra.config.application import SETTINGS
from forgather_hydra.errors import ForgatherError
from forgather_hydra.paths import conf_dir
from forgather_hydra.rundir.command import command_of

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")
HEAVY = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "pandas")


def run(cwd: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """The ``forgather`` command in a process of its own, which tells the heavy modules it has."""
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('HEAVY', [m for m in {HEAVY} if m in sys.modules]))\n"
        "from forgather_hydra.cli.forgather import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=cwd,
        env={**os.environ, "XDG_CACHE_HOME": str(cwd / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main([*words])
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*words])
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_a_configuration_of_a_project_is_swept(projects: Path) -> None:
    words = ("ns.heads=2,4", "optimizer=mine", "data.corpus.num_stories=200")
    started = ("-p", "tiny", "-t", "sub/short", "train", "-m", "hydra.sweep.dir=sweep")
    done = run(projects, *started, *words)
    assert "best: job" in done.stdout
    for job, size in ((0, 32), (1, 64)):
        record = json.loads((projects / f"sweep/{job}/run.json").read_text())
        assert record["status"] == "finished"
        assert record["overrides"][0] == "+project=sub/short"
        config = json.loads((projects / f"sweep/{job}/model/config.json").read_text())
        assert config["hidden_size"] == size


def test_devices_are_those_that_were_asked_for_and_a_dry_run_runs_nothing(projects: Path) -> None:
    text = "main: !partial:os:getenv [CUDA_VISIBLE_DEVICES]\n"
    (projects / "language/templates/configs/seen.yaml").write_text(text)
    words = ("-p", "language", "-t", "seen", "train", "hydra.launcher.snapshot=false")
    (projects / "empty").mkdir()
    done = run(projects, *words, "-d", "0,1", "--dry-run", "hydra.run.dir=empty/new/run")
    assert "job 0: +project=seen" in done.stdout
    assert "on GPUs 0, 1" in done.stdout
    assert list((projects / "empty").iterdir()) == []
    for devices, seen in (("1", "1"), ("none", "")):
        run(projects, *words, "-d", devices, f"hydra.run.dir=on_{devices}")
        record = json.loads((projects / f"on_{devices}/run.json").read_text())
        assert record["result"] == seen
    before = {path: path.read_bytes() for path in (projects / "on_1").rglob("*") if path.is_file()}
    run(projects, *words, "--dry-run", "hydra.run.dir=on_1", "+another=1")
    assert before == {path: path.read_bytes() for path in before}


def test_devices_that_the_machine_lacks_are_told(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = projects / "bin/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-1)'\necho 'GPU 1: B (UUID: GPU-2)'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent), prepend=os.pathsep)
    words = ("-p", "language", "-t", "a", "train", "--dry-run")
    told = run(projects, *words, "-d", "1,2", expect=2).stderr
    assert "hydra.launcher.devices asks for 2, but this machine has 0, 1" in told
    assert "on GPU GPU-2" in run(projects, *words, "-d", "GPU-2").stdout


def test_a_run_goes_on_without_the_project_being_named(projects: Path) -> None:
    language = projects / "language"
    run(language, "-t", "a", "train", "hydra.run.dir=../run")
    record = json.loads((projects / "run/run.json").read_text())
    assert record["result"] is None  # a tuple is no result that a record can hold
    hydra = yaml.safe_load((projects / "run/.hydra/hydra.yaml").read_text())["hydra"]
    assert command_of(record["overrides"], hydra) == ["forgather", "-t", "a", "train"]
    hydra["runtime"]["cwd"] = str(projects)
    assert command_of(record["overrides"], hydra)[1:3] == ["-p", "language"]
    (projects / "run/run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    run(projects, "train", "resume=run")
    assert json.loads((projects / "run/run.json").read_text())["status"] == "finished"


@pytest.mark.parametrize(
    "words",
    [
        ("pp",),
        ("graph",),
        ("code", "--target", "optimizer"),
        ("targets",),
        ("trefs",),
        ("explain", "trainer.args.max_steps"),
        ("train", "--cfg", "job"),
    ],
    ids=lambda words: words[0],
)
def test_looking_at_a_project_imports_nothing_heavy(words: tuple[str, ...], projects: Path) -> None:
    before = sorted(projects.rglob("*"))
    done = run(projects, "-p", "tiny", *words, "trainer.args.seed=1")
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    written = (
        path for path in projects.rglob("*") if projects / "cache" not in (path, *path.parents)
    )
    assert sorted(written) == before


def test_constructing_imports_only_what_the_project_names(projects: Path) -> None:
    done = run(projects, "-p", "language", "construct")
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_render_variables_and_groups_of_a_project(
    projects: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(projects / "tiny")
    told = printed(capsys, "explain", "model_config.hidden_size", "ns.heads=4")
    assert told.splitlines()[0] == "model_config.hidden_size: 64"
    assert "templates/configs/small.yaml:11" in told.splitlines()[-1]
    told = printed(capsys, "-t", "sub/short.yaml", "explain", "optimizer.lr", "optimizer=mine")
    assert told.startswith("optimizer.lr: 0.2\n  templates/optimizer/mine.yaml:3")


def test_the_language_alone_is_enough_for_a_project(
    projects: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = str(projects / "language")
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert printed(capsys, "-p", project, "targets").split() == ["main", "other"]
    assert printed(capsys, "-p", project, "-t", "a", "graph").startswith("main: !call:project_lang")
    as_python = printed(capsys, "-p", project, "graph", "--format", "python")
    assert as_python == printed(capsys, "-p", project, "code")
    assert printed(capsys, "-p", project, "graph", "--format", "repr").startswith("{'main': Call(")
    constructed = printed(capsys, "-p", project, "construct", "vars.size=5")
    assert [line.strip(" │,") for line in constructed.splitlines()[1:3]] == ["5", f"'{project}'"]
    namespace: dict[str, Any] = {}
    exec(printed(capsys, "-p", project, "code", "--target", "main"), namespace)
    assert namespace["construct"](size=7) == (7, project)


def test_the_settings_of_the_application_are_no_targets(
    projects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    primary = yaml.safe_load((conf_dir() / "config.yaml").read_text())
    shown = {*primary, "resources"} - {"defaults", "hydra", "forgather"}
    assert set(SETTINGS) == shown
    (projects / "language/templates/configs/own.yaml").write_text("resources: 1\nmain: 2\n")
    told = printed(capsys, "-p", str(projects / "language"), "-t", "own", "targets")
    assert told.split() == ["resources", "main"]


def test_mistakes_name_the_projects_template(
    projects: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(projects)
    told = refused(capsys, "-p", "language", "-t", "wrong", "pp")
    assert "language/templates/configs/wrong.yaml:2" in told
    assert "'nothing' is undefined" in told
    told = refused(capsys, "-p", "language", "-t", "list", "graph")
    assert "language/templates/configs/list.yaml:1: the root" in told
    assert "this is a list" in told
    told = refused(capsys, "-p", "tiny", "-t", "smal.yaml", "targets")
    assert "did you mean 'small.yaml'" in told
    assert "-p DIR" in refused(capsys, "-t", "small.yaml", "targets")
    for command in ("pp", "train"):
        assert f"forgather -t CONFIG {command}" in refused(capsys, command, "-t", "small.yaml")
    assert "no project" in refused(capsys, "-p", "tiny", "status", ".")


BLOCK = "-- extends 'configs/small.yaml'\n\n-- block {0}\n{1}-- endblock {0}\n"


@pytest.mark.parametrize(
    ("block", "lines", "told"),
    [
        (
            "trainer_args",
            "        == super()\n        max_stepz: 1\n",
            "wrong.yaml:5: trainer.args: forgather_hydra.train.TrainingArguments takes no argument",
        ),
        ("trainer_args", "        seed: [1\n", "error: {here}/wrong.yaml:4: while pars"),
        (
            "defaults",
            "    == super()\n    - override /optimizer: nope\n",
            "wrong.yaml:5: there is no optimizer 'nope'",
        ),
        (
            "model_config",
            "model_config:\n    num_attention_heads: 3\n",
            "wrong.yaml:5: preflight.model: d_model=64 is not a multiple of num_heads=3",
        ),
    ],
    ids=["argument", "bracket", "option", "preflight"],
)
def test_mistakes_that_others_notice_are_told_at_the_projects_line(
    projects: Path, capsys: pytest.CaptureFixture[str], block: str, lines: str, told: str
) -> None:
    file = projects / "tiny/templates/configs/wrong.yaml"
    file.write_text(BLOCK.format(block, lines))
    project = str(projects / "tiny")
    assert told.format(here=file.parent) in refused(capsys, "-p", project, "-t", "wrong", "check")


def test_modules_beside_the_user_are_found_as_by_python_m(tmp_path: Path) -> None:
    (tmp_path / "module_of_the_user.py").write_text("def told():\n    print('it is here')\n")
    script = "from forgather_hydra.cli.forgather import main; main()"
    words = ("train", "+main={_target_: module_of_the_user.told, _partial_: true}")
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words],  # like an installed command
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "it is here" in done.stdout, done.stderr


def test_a_project_without_main_says_what_it_lacks(projects: Path) -> None:
    words = ("-p", "language", "-t", "without_main", "train")
    told = run(projects, *words, expect=2).stderr
    assert told.count("error:") == 1
    assert "without_main.yaml" in told
    assert "a target 'main'" in told


def test_what_stands_before_the_words_of_a_command(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [f"hydra.searchpath=['forgather-project://{projects}/tiny']", "+project=small"]
    monkeypatch.chdir(projects)
    assert selected(None, None, ["a=1"]) == ["a=1"]  # no project here
    monkeypatch.chdir(projects / "tiny")
    assert selected(None, None, []) == ours
    assert selected(None, None, ["-m", "a=1,2"]) == ["-m", *ours, "a=1,2"]
    assert selected(None, None, ["--cfg", "job"]) == [*ours, "--cfg", "job"]
    assert selected(None, None, ["+experiment=baseline"]) == [ours[0], "+experiment=baseline"]
    assert selected(None, None, ["+project=small,sub/short"])[0] == ours[0]
    assert selected(None, None, ["resume=auto"]) == [*ours, "resume=auto"]
    assert selected(None, None, ["rerun=DIR", "a=1"]) == ["rerun=DIR", "a=1"]
    both = f"hydra.searchpath=['forgather-project://{projects}/tiny',file://x]"
    assert selected(None, None, ["hydra.searchpath=[file://x]"])[0] == both
    with pytest.raises(ForgatherError, match="-t small has no meaning"):
        selected(None, "small", ["resume=DIR"])


def test_words_of_the_model_command_in_any_order(
    projects: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(projects)
    words = ("--hidden-size", "48", "--device", "cpu")
    orders = [("model", *words, "construct"), ("model", "construct", *words)]
    orders += [("model", *words[:2], "construct", *words[2:])]
    for number, order in enumerate(orders):
        printed(capsys, "-p", "tiny", *order, "--output-dir", f"o{number}")
        config = json.loads((projects / f"o{number}/config.json").read_text())
        assert config["hidden_size"] == 48


def test_commands_that_look_take_a_folder_of_configs(
    projects: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(projects)
    outside = projects / "outside/optimizer/x.yaml"
    outside.parent.mkdir(parents=True)
    outside.write_text("-- set rate = 0.25\n!partial:torch.optim:SGD\nlr: {{ rate }}\n")
    primary = "defaults: [config, optimizer: x, _self_]\nseen: {_target_: builtins.int}\n"
    (projects / "outside/primary.yaml").write_text(primary)
    folder = ("--config-dir", "outside")
    for command in ("pp", "graph", "code"):
        assert "0.25" in printed(capsys, command, *folder, "+optimizer=x")
        assert "0.25" in printed(capsys, command, "--config-name", "primary", *folder)
    assert "ok" in printed(capsys, "check", *folder, "+optimizer=x")
    shown = printed(capsys, "explain", *folder, "optimizer.lr", "+optimizer=x")
    assert "optimizer/x.yaml:3" in shown


def test_every_program_finds_modules_beside_it(projects: Path) -> None:
    (projects / "module_beside_it.py").write_text("def said():\n    return 5\n")
    config = projects / "outside/primary.yaml"
    config.parent.mkdir()
    config.write_text("defaults: [config, _self_]\nmain: {_target_: module_beside_it.said}\n")
    words = ("--config-dir", "outside", "--config-name", "primary")
    folder = Path(sys.executable).parent
    programs = ([folder / "forgather-hydra"], [folder / "forgather", "train"])
    for number, program in enumerate(programs):
        command = [*program, *words, f"hydra.run.dir=r{number}"]
        subprocess.run(command, cwd=projects, check=True)
        assert json.loads((projects / f"r{number}/run.json").read_text())["result"] == 5
