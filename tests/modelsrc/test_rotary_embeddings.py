"""Rotary positions against the definition by complex numbers, at any length."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb


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


@pytest.mark.parametrize("T", [9, 1])
@pytest.mark.parametrize("given", [False, True])
def test_rotation(rotary, given, T):
    q, k = torch.randn(2, T, 4, 8), torch.randn(2, T, 2, 8)
    positions = torch.randint(0, 50, (2, T)) if given else torch.arange(T)[None]
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


def test_frequencies_made_in_inference_serve_training(rotary):
    q = torch.randn(1, 5, 2, 8, requires_grad=True)
    with torch.inference_mode():
        pe = rotary(8, 16)
        pe(q.detach(), q.detach())
    pe(q, q)[0].sum().backward()
    assert q.grad is not None


def test_errors_name_the_value(rotary):
    with pytest.raises(ValueError, match="d_head=7"):
        rotary(7)


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SCALINGS = [
    {"rope_type": "default"},
    {"rope_type": "linear", "factor": 3.0},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "llama3", **LLAMA3, "original_max_position_embeddings": 512},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
    {
        "rope_type": "yarn",
        "factor": 8.0,
        "original_max_position_embeddings": 64,
        "beta_fast": 16,
        "beta_slow": 2,
        "mscale": 1.0,
        "mscale_all_dim": 0.8,
        "truncate": False,
    },
    {
        "rope_type": "yarn",
        "factor": 2.0,
        "original_max_position_embeddings": 64,
        "attention_factor": 1.25,
    },
]


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling["rope_type"])
def test_scaled_rotation_equals_transformers(rotary, scaling):
    longest = 64
    config = LlamaConfig(
        head_dim=32,
        hidden_size=64,
        num_attention_heads=2,
        max_position_embeddings=longest,
        rope_parameters={"rope_theta": 500.0, **scaling},
    )
    pe = rotary(32, longest, theta=500.0, scaling=scaling)
    for T in (40, 200, 50):  # within what was trained, beyond, and back
        q, positions = torch.randn(2, T, 2, 32), torch.arange(T)[None]
        theirs = LlamaRotaryEmbedding(config)
        expected, _ = apply_rotary_pos_emb(q, q, *theirs(q, positions), unsqueeze_dim=2)
        for given in (positions, positions.expand(2, -1), None):
            torch.testing.assert_close(pe(q, q, given)[0], expected, rtol=1e-4, atol=1e-4)


def test_theta_may_come_with_the_scaling(rotary):
    q = torch.randn(1, 9, 2, 8)
    given = rotary(8, 16, scaling={"rope_type": "default", "rope_theta": 500.0})
    assert torch.equal(given(q, q)[0], rotary(8, 16, theta=500.0)(q, q)[0])


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ({"rope_type": "longrope"}, "'longrope' is unknown; use one of default, linear, dynamic"),
        ({"rope_type": "llama3", "factor": 8.0}, "needs also low_freq_factor, high_freq_factor"),
        ({"rope_type": "linear", "factor": 2.0, "beta_fast": 1}, "has no beta_fast; it has"),
    ],
)
def test_scaling_is_understood_or_refused(rotary, scaling, message):
    with pytest.raises(ValueError, match=message):
        rotary(8, scaling=scaling)


def test_a_compiled_call_finds_the_frequencies_on_its_device(rotary) -> None:
    """A copy in each call would have the host wait for the device."""
    encoder = rotary(8).to("meta")
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(encoder, backend=keep)
    compiled(torch.zeros(1, 4, 2, 8, device="meta"), torch.zeros(1, 4, 2, 8, device="meta"))
    copies = [n for graph in graphs for n in graph.graph.nodes if n.target == "to"]
    assert graphs
    assert not copies
