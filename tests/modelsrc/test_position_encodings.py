"""A model encodes positions once."""

import pytest
from torch import nn


@pytest.fixture
def model(part):
    """A model of one attention layer, from an absolute encoder and an attention part."""

    def model(positional_encoder, attention):
        encoder = part("input_encoder").InputEncoder(8, 10, positional_encoder=positional_encoder)
        return part("causal_lm").CasualLM(encoder, nn.ModuleList([attention]))

    return model


def test_absolute_and_relative_positions_are_refused(part, model):
    sinusoids, learned = part("sinusoidal_pe").SinusoidalPE(8), part("learned_pe").LearnedPE(8, 4)
    alibi = part("causal_alibi_attn").CausalAlibiAttn(8, 2)
    rotary = part("causal_multihead_attn").CausalMultiheadAttn(
        8, 2, pos_encoder=part("rotary_embeddings").RotaryPE(4)
    )
    with pytest.raises(ValueError, match="absolute by SinusoidalPE and relative by CausalAlibi"):
        model(sinusoids, alibi)
    with pytest.raises(ValueError, match="absolute by LearnedPE and relative by RotaryPE"):
        model(learned, rotary)


def test_one_encoding_is_fine(part, model):
    model(part("null_pe").NullPE(), part("causal_alibi_attn").CausalAlibiAttn(8, 2))
    model(
        part("learned_pe").LearnedPE(8, 4), part("causal_multihead_attn").CausalMultiheadAttn(8, 2)
    )
