"""Tokens that a model has not been trained for, and what it gets for them."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from forgather_hydra.chat_templates import NEW_TOKEN_IDS
from forgather_hydra.model.hub import fit_to_tokenizer

SHAPE = {
    **{"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "num_key_value_heads": 2},
}
UNTRAINED = 1e6


def words(number: int, new: tuple[int, ...] = ()) -> PreTrainedTokenizerFast:
    """A tokenizer of so many words, some of which its chat template has added."""
    vocabulary = {f"w{i}": i for i in range(number)}
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="w0")), eos_token="w1"
    )
    setattr(made, NEW_TOKEN_IDS, new)
    return made


@pytest.mark.parametrize("size", [8, 5], ids=["padded", "too small"])
def test_new_tokens_begin_as_the_mean_of_the_others(size: int) -> None:
    model = LlamaForCausalLM(LlamaConfig(vocab_size=size, **SHAPE))
    tables = (model.model.embed_tokens, model.lm_head)
    for table in tables:
        table.weight.data[4:] = UNTRAINED
    means = [table.weight.data[:4].mean(dim=0) for table in tables]
    before = torch.get_rng_state()
    fit_to_tokenizer(model, words(6, new=(4, 5)))
    assert torch.equal(torch.get_rng_state(), before)
    assert model.new_token_ids == [4, 5]
    for table, mean in zip((model.model.embed_tokens, model.lm_head), means, strict=True):
        assert torch.equal(table.weight[4], mean)
        assert torch.equal(table.weight[5], mean)
