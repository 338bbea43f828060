"""Sinusoidal and learned positions against their definitions."""

import math

import pytest
import torch


@pytest.fixture(params=["sinusoidal_pe.SinusoidalPE", "learned_pe.LearnedPE"])
def encoder(part, request):
    module, name = request.param.split(".")
    return getattr(part(module), name)


@pytest.mark.parametrize("d_model", [8, 7])
def test_sinusoids(part, d_model):
    added = part("sinusoidal_pe").SinusoidalPE(d_model, 40)(torch.zeros(1, 40, d_model))
    for position in (0, 1, 17, 39):
        for i in range(d_model):
            angle = position / 10000 ** ((i - i % 2) / d_model)
            expected = math.cos(angle) if i % 2 else math.sin(angle)
            assert added[0, position, i].item() == pytest.approx(expected, abs=1e-5)


def test_given_positions_are_used(encoder):
    pe, x = encoder(8, 20), torch.randn(2, 5, 8)
    table = pe(torch.zeros(1, 20, 8))[0]
    torch.testing.assert_close(pe(x), x + table[:5])
    positions = torch.tensor([[3, 4, 5, 0, 1], [9, 8, 7, 6, 19]])
    torch.testing.assert_close(pe(x, position_ids=positions), x + table[positions])
    torch.testing.assert_close(pe(x, position_ids=positions[:1]), x + table[positions[:1]])


def test_too_long_a_sequence_is_refused(encoder):
    with pytest.raises(ValueError, match="max_sequence_length above 4"):
        encoder(8, 4)(torch.zeros(1, 5, 8))


def test_dtype_of_the_embeddings_is_kept(encoder):
    pe = encoder(8, 4).bfloat16()
    assert pe(torch.zeros(1, 3, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_sinusoids_survive_meta_construction(part):
    with torch.device("meta"):
        pe = part("sinusoidal_pe").SinusoidalPE(8, 16)
    with torch.inference_mode():
        pe(torch.zeros(1, 5, 8))
    x = torch.zeros(1, 5, 8, requires_grad=True)
    pe(x).sum().backward()
    assert not pe.state_dict()
