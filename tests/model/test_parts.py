"""Every part of the command line fits into every model made of parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from jinja2.utils import Namespace

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import build_model, modeling_code

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


def test_a_template_that_replaces_all_parts(tmp_path: Path) -> None:
    folders = [Path(__file__).parent, *paths.template_dirs()]
    environment = fg.ConfigEnvironment(searchpath=folders)
    graph = environment.load("all_parts.yaml").config
    arguments = graph.model.kwargs
    config = {**arguments["config"], "vocab_size": 96}
    model = build_model(modeling_code(**arguments["code"].kwargs), config, tmp_path)
    assert type(model.causal_lm.layer_stack.layers[0].attention).__name__ == "CausalAlibiAttn"
    assert model(input_ids=torch.zeros(2, 5, dtype=torch.long)).logits.shape == (2, 5, 96)
    assert {"layer_factory", "model_factory"} <= set(fg.targets(graph))

    graph = environment.load("all_parts.yaml", ns=Namespace(norm="rms_norm")).config
    told = "model/norm=rms_norm would change nothing: the template of All parts"
    with pytest.raises(fg.errors.ForgatherError, match=told):
        fg.Latent.materialize(graph, targets="preflight")
