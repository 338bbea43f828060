"""Snippets and commands out of the documents' own text change and show what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from fences import child_of, fence_with

import forgather_hydra as fg
from forgather_hydra.cli.forgather import main

RATE = {
    "readme.md": fence_with("readme.md", "[optimizer]"),
    "motivation.md": fence_with("motivation.md", "-- block optimizer"),
}
COMMANDS = [
    re.sub(r"\[(?:optional)?\]|\[--target <target>\]|\[--call\]", "", line.partition("#")[0])
    for line in fence_with("readme.md", "graph --format yaml").splitlines()
    if "config.yaml" in line
]

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "forgather_workspace").mkdir()
    (tmp_path / "meta.yaml").write_text("name: p\n")
    (tmp_path / "templates/configs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "templates/configs"


@pytest.mark.parametrize("document", RATE)
@pytest.mark.parametrize(
    "parent", ["types/training_script/causal_lm/causal_lm.yaml", "experiment/stories.yaml"]
)
def test_only_the_rate_changes(document: str, parent: str, project: Path) -> None:
    (project / "before.yaml").write_text(f"-- extends '{parent}'\n")
    (project / "after.yaml").write_text(child_of(parent, RATE[document]))
    before, after = (
        fg.Project(name, str(project.parents[1])).config.optimizer
        for name in ("before.yaml", "after.yaml")
    )
    assert after.spec == before.spec
    assert after.kwargs["lr"] == 1e-3
    rest = [{k: repr(v) for k, v in each.kwargs.items() if k != "lr"} for each in (before, after)]
    assert rest[0] == rest[1]


def test_a_tag_makes_an_optimizer_that_another_definition_takes(tmp_path: Path) -> None:
    defined = fence_with("motivation.md", ".define: &optimizer")
    trainer = "trainer: !singleton:dict\n    optimizer_factory: *optimizer\n"
    graph = fg.ConfigEnvironment(tmp_path).load_from_string(defined + trainer).config
    made = graph.trainer()["optimizer_factory"]([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(made, torch.optim.AdamW)
    assert made.defaults["lr"] == 1e-3


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "config.yaml").write_text("-- extends 'experiment/stories.yaml'\n")
    program, *words = shlex.split(command)
    assert program == "forgather"
    if words[-1] == "construct":
        words += ["--target", "meta"]
    main(words)
    assert capsys.readouterr().out.strip()
