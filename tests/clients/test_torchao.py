"""torchao: weights in eight bits, on a CPU."""

import pytest
import torch
from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_
from transformers import TorchAoConfig

GREEDY = {"do_sample": False, "max_new_tokens": 6, "eos_token_id": None}


def quantized(model) -> dict[str, bool]:
    linear = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    return {name: type(m.weight.data) is not torch.Tensor for name, m in linear.items()}


def near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((found - expected).std() < 0.1 * expected.std())


@torch.no_grad()
@pytest.mark.parametrize("how", ["after loading", "while loading"])
def test_eight_bit_weights(directory, load, ids, how):
    expected = load(directory)(input_ids=ids).logits
    if how == "after loading":
        model = load(directory)
        quantize_(model, Int8WeightOnlyConfig())
        assert all(quantized(model).values())
    else:
        model = load(directory, quantization_config=TorchAoConfig(Int8WeightOnlyConfig()))
        done = quantized(model)
        assert sum(done.values()) >= 6 * model.config.num_hidden_layers
    assert near(model(input_ids=ids).logits, expected)
    assert model.generate(ids, attention_mask=torch.ones_like(ids), **GREEDY).shape == (2, 15)
