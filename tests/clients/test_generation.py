"""transformers: each way to generate says what the plain one says."""

import pytest
import torch
from transformers import ContinuousBatchingConfig

GREEDY = {"do_sample": False, "max_new_tokens": 8, "eos_token_id": None}
WAYS = {
    "without a cache": {"use_cache": False},
    "static cache": {"cache_implementation": "static", "disable_compile": True},
    "prompt lookup": {"prompt_lookup_num_tokens": 3},
    "chunked prefill": {"prefill_chunk_size": 4},
    "its first layer drafts": {"assistant_early_exit": 1},
}


@pytest.fixture
def model(directory, load):
    return load(directory)


@pytest.fixture
def greedy(model, ids):
    """What a model writes when it is computed anew for each token."""
    tokens = ids
    with torch.no_grad():
        for _ in range(GREEDY["max_new_tokens"]):
            logits = model(input_ids=tokens, use_cache=False).logits
            tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], 1)
    assert len(tokens[:, ids.shape[1] :].unique()) > 4  # a model that says something
    return tokens


def same(model, ids, expected, **settings):
    mask = torch.ones_like(ids)
    assert torch.equal(model.generate(ids, attention_mask=mask, **GREEDY, **settings), expected)


def test_greedy(model, ids, greedy):
    same(model, ids, greedy)


@pytest.mark.parametrize("way", WAYS)
def test_another_way(model, ids, greedy, way):
    if way in ("prompt lookup", "its first layer drafts"):  # these take one text
        ids, greedy = ids[:1], greedy[:1]
    same(model, ids, greedy, **WAYS[way])


def test_assisted_by_another(model, load, directory, ids, greedy):
    assistant = load(directory)
    assistant.get_output_embeddings().weight.data.add_(0.02)  # is wrong at times
    same(model, ids[:1], greedy[:1], assistant_model=assistant)


def test_left_padding(model, ids, greedy):
    padded = torch.cat([torch.full((2, 3), model.config.pad_token_id), ids], 1)
    mask = (torch.arange(padded.shape[1]) >= 3).long().expand(2, -1)
    written = model.generate(padded, attention_mask=mask, **GREEDY)
    assert torch.equal(written[:, 3:], greedy)


@pytest.mark.parametrize(
    "settings",
    [{"do_sample": True, "top_k": 20}, {"num_beams": 3}, {"num_beams": 2, "do_sample": True}],
    ids=str,
)
def test_cache_changes_no_choice(model, ids, settings):
    written = []
    for use_cache in (True, False):
        torch.manual_seed(3)
        written.append(
            model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                **(GREEDY | settings),
                use_cache=use_cache,
            )
        )
    assert torch.equal(*written)


@pytest.mark.parametrize("back_end", ["sdpa", "eager"])
def test_continuous_batching(load, directory, ids, greedy, back_end):
    prompts = [ids[0].tolist(), ids[1].tolist(), ids[0, 4:].tolist()]
    alone = load(directory).generate(
        ids[:1, 4:], attention_mask=torch.ones_like(ids[:1, 4:]), **GREEDY
    )
    model = load(directory, attn_implementation=back_end)
    settings = model.generation_config
    settings.update(do_sample=False, max_new_tokens=8, eos_token_id=-1)
    config = ContinuousBatchingConfig(num_blocks=64, block_size=16, max_batch_tokens=64)
    found = model.generate_batch(prompts, settings, continuous_batching_config=config)
    written = [
        next(output.generated_tokens for output in found.values() if output.prompt_ids == prompt)
        for prompt in prompts
    ]
    n = ids.shape[1]
    assert written == [*greedy[:, n:].tolist(), alone[0, n - 4 :].tolist()]
