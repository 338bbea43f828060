"""Sinusoidal and learned positions against their definitions."""

import math

import pytest
import torch


@pytest.fixture(params=["sinusoidal_pe.SinusoidalPE", "walsh_pe.WalshPE", "learned_pe.LearnedPE"])
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
    pe = encoder(8, 4)
    with pytest.raises(ValueError, match=r"has 4 positions.* 5 tokens.* max_position_embeddings=5"):
        pe(torch.zeros(1, 5, 8))
    with pytest.raises(ValueError, match="at least 8 tokens"):  # the next of seven in a cache
        pe(torch.zeros(1, 1, 8), position_ids=torch.tensor([[7]]))


def test_dtype_of_the_embeddings_is_kept(encoder):
    pe = encoder(8, 4).bfloat16()
    assert pe(torch.zeros(1, 3, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["sinusoidal_pe.SinusoidalPE", "walsh_pe.WalshPE"])
def test_tables_survive_meta_construction(part, name):
    module, cls = name.split(".")
    with torch.device("meta"):
        pe = getattr(part(module), cls)(8, 16)
    with torch.inference_mode():
        pe(torch.zeros(1, 5, 8))
    x = torch.zeros(1, 5, 8, requires_grad=True)
    pe(x).sum().backward()
    assert not pe.state_dict()


def test_walsh_functions_are_orthogonal_square_waves_by_sequency(part):
    table = part("walsh_pe").WalshPE(16, 16)(torch.zeros(1, 16, 16))[0]
    assert torch.equal(table.abs(), torch.ones(16, 16))
    assert torch.equal(table.T @ table, 16 * torch.eye(16))
    assert (table[1:] != table[:-1]).sum(0).tolist() == list(range(16))
    assert torch.all(table[0] == 1)


@pytest.mark.parametrize(("d_model", "longest"), [(5, 11), (11, 5)])
def test_walsh_functions_of_any_size_are_a_corner_of_the_next_table(part, d_model, longest):
    walsh = part("walsh_pe").WalshPE
    whole = walsh(16, 16).make_table(torch.device("cpu"))
    corner = walsh(d_model, longest).make_table(torch.device("cpu"))
    assert torch.equal(corner, whole[:longest, :d_model])
