"""Snippets out of the documents' own text: a part of a model is replaced by a block of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fences import fence_with

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import build_model, modeling_code
from forgather_hydra.model.preflight import WrongKey, check_model

_FACTORY = fence_with("motivation.md", "-- block positional_encoder_factory")
WALSH = _FACTORY.partition("\n")[2]  # without the line that extends
POST_NORM = (
    "[layer_factory]" + fence_with("readme.md", "[layer_factory]").partition("[layer_factory]")[2]
)
SMALL = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "vocab_size": 9}


@pytest.fixture
def kwargs(tmp_path: Path):
    def kwargs(parent: str, text: str) -> dict[str, Any]:
        (tmp_path / "child.yaml").write_text(f"-- extends 'models/{parent}.yaml'\n{text}")
        folders = [tmp_path, *paths.template_dirs()]
        found = fg.ConfigEnvironment(folders).load("child.yaml").config.model.kwargs
        code = modeling_code(**found["code"].kwargs)
        return {"code": code, "config": {**found["config"], **SMALL}}

    return kwargs


@pytest.mark.parametrize("parent", ["dynamic_causal_transformer", "gpt2", "single_head"])
def test_a_factory_of_positions_replaces_the_encoder(parent: str, kwargs, tmp_path: Path) -> None:
    given = kwargs(parent, WALSH)
    model = build_model(**given, output_dir=tmp_path / "made")
    encoder = model.base_model.causal_lm.input_encoder.positional_encoder
    assert type(encoder).__name__ == "WalshPE"
    assert encoder.max_sequence_length == model.config.max_position_embeddings
    assert not (tmp_path / "made/sinusoidal_pe.py").exists()


@pytest.mark.parametrize("parent", ["dynamic_causal_transformer", "llama", "qwen3", "moe"])
def test_layers_with_the_norm_behind(parent: str, kwargs) -> None:
    given = kwargs(parent, POST_NORM)
    model = check_model(**given)
    layer = model.base_model.causal_lm.layer_stack.layers[0]
    assert type(layer).__name__ == "PostLNLayer"
    given["config"]["layer_dropout"] = 0.5
    assert check_model(**given).base_model.causal_lm.layer_stack.layers[0].dropout.p == 0.5


def test_a_value_that_the_configuration_lacks_is_named(kwargs) -> None:
    given = kwargs("llama", POST_NORM.replace("layer_dropout", "stochastic_depth"))
    with pytest.raises(
        ValueError, match=r"reads 'stochastic_depth'.*set it: \+model_config.stochastic_depth="
    ):
        check_model(**given)


def test_the_length_has_two_names(kwargs, tmp_path: Path) -> None:
    given = kwargs("dynamic_causal_transformer", "")
    config = {**given["config"], "max_sequence_length": 64}
    model = build_model(given["code"], config, tmp_path / "made")
    assert model.config.max_position_embeddings == 64
    assert model.base_model.causal_lm.input_encoder.positional_encoder.max_sequence_length == 64
    with pytest.raises(WrongKey, match="max_position_embeddings is not used"):
        check_model(given["code"], config, overrides=["model_config.max_position_embeddings=32"])
