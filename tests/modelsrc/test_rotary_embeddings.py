"""Rotary positions against the definition by complex numbers, and the life of their tables."""

import pytest
import torch


@pytest.fixture
def rotary(part):
    return part("rotary_embeddings").RotaryPE


def by_complex_numbers(x_BTHK, position_BT, theta):
    half = x_BTHK.shape[-1] // 2
    pairs = torch.complex(*x_BTHK.double().split(half, dim=-1))
    frequency = theta ** (-torch.arange(half, dtype=torch.double) / half)
    angle = position_BT[..., None, None] * frequency
    rotated = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.cat((rotated.real, rotated.imag), -1).float()


@pytest.mark.parametrize("given", [False, True])
def test_rotation(rotary, given):
    q, k = torch.randn(2, 9, 4, 8), torch.randn(2, 9, 2, 8)
    positions = torch.randint(0, 50, (2, 9)) if given else torch.arange(9)[None]
    pe = rotary(8, 64, theta=500.0)
    rotated = pe(q, k, positions if given else None)
    for x, y in zip((q, k), rotated, strict=True):
        torch.testing.assert_close(y, by_complex_numbers(x, positions, 500.0))


def test_low_precision_models_keep_exact_angles(rotary):
    pe = rotary(8, 4096).to(torch.bfloat16)
    q = torch.randn(1, 4096, 1, 8)
    y, _ = pe(q.bfloat16(), q.bfloat16())
    assert y.dtype == torch.bfloat16
    expected = by_complex_numbers(q.bfloat16(), torch.arange(4096)[None], 10000.0)
    torch.testing.assert_close(y, expected.bfloat16())


def test_meta_construction_leaves_no_trace(rotary):
    with torch.device("meta"):
        pe = rotary(8, 16)
    q = torch.randn(1, 5, 2, 8)
    torch.testing.assert_close(pe(q, q), rotary(8, 16)(q, q))
    assert not pe.state_dict()


def test_a_table_made_in_inference_serves_training(rotary):
    pe, q = rotary(8, 16), torch.randn(1, 5, 2, 8, requires_grad=True)
    with torch.inference_mode():
        pe(q.detach(), q.detach())
    pe(q, q)[0].sum().backward()
    assert q.grad is not None


def test_errors_name_the_value(rotary):
    with pytest.raises(ValueError, match="d_head=7"):
        rotary(7)
    q = torch.randn(1, 5, 2, 8)
    with pytest.raises(ValueError, match="max_sequence_length above 4"):
        rotary(8, 4)(q, q)
