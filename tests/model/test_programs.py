"""Models as programs of torch: exported and traced, for other batches and lengths."""

import pytest
import torch
from closeness import assert_close
from test_templates import SMALL

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import build_model, modeling_code

TEMPLATES = {
    "llama": {"num_attention_heads": 4, "num_key_value_heads": 2},
    "gpt2": {},
    "custom_alibi_glu": {"num_attention_heads": 4},
    "single_head": {},
    "moe": {},
    "mistral": {"sliding_window": 5},
}


@pytest.fixture
def template_model(request, tmp_path):
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    arguments = environment.load(f"models/{request.param}.yaml").config.model.kwargs
    config = {**arguments["config"], **SMALL, **TEMPLATES[request.param]}
    model = build_model(modeling_code(**arguments["code"].kwargs), config, tmp_path / "model")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # so that every token matters
    return model.eval()


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(input_ids=ids, use_cache=False).logits


@pytest.mark.parametrize("template_model", TEMPLATES, indirect=True)
@torch.no_grad()
def test_an_exported_program_takes_other_batches_and_lengths(template_model, random_ids):
    module = Logits(template_model.double())
    sizes = {0: torch.export.Dim("batch", min=1, max=8), 1: torch.export.Dim("length", max=48)}
    program = torch.export.export(module, (random_ids(2, 6),), dynamic_shapes={"ids": sizes})
    for shape in ((1, 4), (3, 17)):
        ids = random_ids(*shape)
        assert_close(program.module()(ids), module(ids))


@pytest.mark.parametrize("template_model", TEMPLATES, indirect=True)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@torch.no_grad()
def test_a_traced_program_takes_other_lengths(template_model, random_ids):
    module = Logits(template_model.double())
    traced = torch.jit.trace(module, (random_ids(2, 6),))
    ids = random_ids(2, 17)
    assert_close(traced(ids), module(ids))
