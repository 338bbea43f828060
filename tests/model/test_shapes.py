"""The sizes of the shipped models are what their first lines say."""

import pytest
import torch

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import build_model, modeling_code

PARAMETERS = {
    ("llama_4m", 2000): 3_922_176,
    ("llama_30m", 8000): 29_794_816,
    ("llama_117m", 32000): 116_607_744,
    ("llama_1b", 128256): 1_235_814_400,  # as the published Llama 3.2 1B
    ("moe", 2000): 1_602_688,
    ("custom_alibi_glu", 2000): 8_545_572,
}


@pytest.mark.parametrize(("name", "vocabulary"), PARAMETERS)
def test_parameters(name, vocabulary, tmp_path):
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    arguments = environment.load(f"models/{name}.yaml").config.model.kwargs
    code = modeling_code(**arguments["code"].kwargs)
    with torch.device("meta"):
        model = build_model(code, {**arguments["config"], "vocab_size": vocabulary}, tmp_path)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name, vocabulary]
