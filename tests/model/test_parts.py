"""Every part of the command line fits into every model made of parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jinja2.utils import Namespace

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import modeling_code

MODELS = [p.stem for p in (paths.template_dirs()[1] / "models").glob("*.yaml")]
PARTS = sorted((paths.template_dirs()[0] / "models" / "parts").glob("*/*.yaml"))


def names(path: Path) -> tuple[str, str]:
    return path.parent.name, path.stem


@pytest.mark.parametrize("model", MODELS)
def test_every_part_fits(model: str) -> None:
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    for path in PARTS:
        group, name = names(path)
        loaded = environment.load(f"models/{model}.yaml", ns=Namespace({group: name}))
        definitions = [line for line in path.read_text().splitlines() if line.startswith(".def")]
        assert all(line in loaded.pp_config for line in definitions)
        graph = loaded.config
        fg.to_omegaconf(graph)  # which refuses a variable with two defaults
        compile(modeling_code(**graph.model.kwargs["code"].kwargs), f"{model}, {name}", "exec")


def test_every_part_can_be_chosen() -> None:
    chosen = {names(path): path for path in (paths.conf_dir() / "model").glob("*/*.yaml")}
    assert chosen.keys() == set(map(names, PARTS))
    for (group, name), path in chosen.items():
        assert path.read_text().startswith("# @package _global_\n# ")
        assert yaml.safe_load(path.read_text()) == {"ns": {group: name}}
