"""``forgather check --json``: all problems of files, projects and composed configurations."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.cli.forgather import main
from forgather_hydra.editor.check import problems_of
from forgather_hydra.editor.problem import Problem

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "docs/tutorials/projects/workspace/stories"
KEYS = {"file", "line", "column", "kind", "message", "hint"}


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    folder = tmp_path / "conf/experiment"
    folder.mkdir(parents=True)
    return folder / "mine.yaml"


def problems(file: Path, text: str) -> list[Problem]:
    file.write_text(text)
    return problems_of([str(file)])


CASES = {
    "-- extends 'experiment/baselin.yaml'\n": ("missing_template", 1, "experiment/baselin.yaml"),
    "a: 1\nb: {{ nothing }}\n-- if true\n-- endif\n": ("undefined_variable", 2, "nothing"),
    "-- if x\na: 1\n": ("template_syntax", 1, "if"),
    "a: !call:dict {}\nb: [1, 2\n": ("yaml_syntax", 2, "b: [1, 2"),
    "a: !call:dict {}\nb: *gone\n": ("undefined_alias", 2, "*gone"),
    "a: !cal:dict {}\nb: !call:dict {}\n": ("unknown_tag", 1, "!cal:dict"),
    "a: !partial:torch.optim.AdmW {lr: 1}\n": ("attribute_missing", 1, "AdmW"),
    "a: !call:nosuch.part:Thing {}\n": ("import_failed", 1, "nosuch.part"),
    "a: !call:torch.optim:AdamW\n    params: []\n    lrr: 1\n": ("bad_arguments", 3, "lrr"),
    "a: !call:forgather_hydra.train:Trainr {}\n": ("attribute_missing", 1, "Trainr"),
    "a: !call:./gone.py:Thing {}\n": ("import_failed", 1, "./gone.py"),
    "a: [1\nb: 2\n": ("yaml_syntax", 2, "b: 2"),
    "-- extends 'experiment/baseline.yaml'\n-- block trainer_arg\n-- endblock\n": (
        *("unknown_block", 2),
        "trainer_arg",
    ),
    "-- extends 'experiment/baseline.yaml'\nlr: 3\n": ("text_outside_blocks", 2, "lr: 3"),
    "-- set x = 1\ndefaults:\n    - override /optimizer: adamww\n": (
        *("unknown_option", 3),
        "adamww",
    ),
}


@pytest.mark.parametrize("text", CASES, ids=lambda text: text.strip().splitlines()[-1])
def test_a_problem_has_its_place_and_kind(experiment: Path, text: str) -> None:
    kind, line, marked = CASES[text]
    (found,) = problems(experiment, text)
    assert (found.kind, found.line, found.file) == (kind, line, str(experiment))
    assert text.splitlines()[line - 1][found.column - 1 : found.end_column - 1] == marked


def test_all_problems_are_told_at_once(experiment: Path) -> None:
    text = (
        "-- extends 'experiment/baseline.yaml'\n[globals_]\n[samples]\n"
        "    a: !call:nosuch:X {}\n    b: !call:textwrap:dedent {txt: 1}\n"
    )
    found = [(each.line, each.kind, each.path) for each in problems(experiment, text)]
    assert found == [
        (2, "unknown_block", None),
        (4, "bad_arguments", "main"),
        (4, "import_failed", "main.a"),
        (5, "bad_arguments", "main.b"),
    ]


def test_what_is_only_known_by_importing_is_not_a_problem(experiment: Path) -> None:
    text = "a: !call:transformers:LlamaConfig {x: 1}\nb: !call:torch:tensor [1]\nc: !call:os:getcwd"
    assert problems(experiment, text) == []


def test_a_template_that_others_complete_may_lack_what_they_give() -> None:
    library = [str(path) for path in (ROOT / "templatelib").rglob("*.yaml")]
    shipped = [str(path) for path in (ROOT / "conf").rglob("*.yaml")]
    found = problems_of([*library, *shipped])
    assert [each for each in found if each.severity != "information"] == []


def test_files_of_plain_yaml_are_read_as_such(experiment: Path) -> None:
    assert problems(experiment, "a: 1\nb: [x]\n") == []
    assert [each.line for each in problems(experiment, "a: 1\n b: 2\n")] == [2]
    text = (
        "a:\n  _target_: torch.optim.AdmW\nb:\n  _target_: torch.optim.AdamW\n  lrr: 1\n"
        "c:\n  _target_: nosuch.part.Thing\nd: {_target_: '${a._target_}'}\n"
        "e:\n  _target_: torch.optim.SGD\n  lr: 1\n"
    )
    assert [(each.line, each.kind) for each in problems(experiment, text)] == [
        (2, "attribute_missing"),
        (5, "bad_arguments"),
        (7, "import_failed"),
    ]


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, int]:
    try:
        main(words)
        code = 0
    except SystemExit as stop:
        code = int(str(stop.code))
    return json.loads(capsys.readouterr().out), code


def test_a_project_is_checked_with_all_its_configurations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(PROJECT.parent, tmp_path / "workspace")
    project = tmp_path / "workspace/stories"
    assert run(["-p", str(project), "check", "--json"], capsys) == ([], 0)
    wide = project / "templates/configs/wide.yaml"
    wide.write_text(wide.read_text() + "\n[no_such_block]\n    a: 1\n")
    (project / "templates/configs/broken.yaml").write_text("-- extends 'gone.yaml'\n")
    found, code = run(["-p", str(project), "check", "--json"], capsys)
    assert [each["kind"] for each in found] == ["missing_template", "unknown_block"]
    assert all(each.keys() >= KEYS for each in found)
    assert code == 2
    found, code = run(["-p", str(project), "-t", "wide", "check", "--json"], capsys)
    assert ([each["severity"] for each in found], code) == (["warning"], 0)


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_overrides_are_composed_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", "--json", "+experiment=baseline"]
    assert run(words, capsys) == ([], 0)
    found, code = run([*words, "optimizer._target_=torch.optim.AdmW"], capsys)
    assert ([each["kind"] for each in found], code) == (["attribute_missing"], 2)
    (found,), _ = run([*words, "optimizr.lr=3"], capsys)
    assert found["file"] is None
    assert "optimizer.lr" in found["hint"]


def test_neither_torch_nor_hydra_is_imported() -> None:
    """Which is what makes it quick enough to follow an editor."""
    program = (
        "import sys; from forgather_hydra.cli.forgather import main; "
        "main(['check', '--json', 'conf/experiment/baseline.yaml']); "
        "print({'torch', 'hydra', 'omegaconf', 'psutil', 'transformers'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["[]", "set()"], done.stderr
