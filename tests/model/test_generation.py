"""Generation with a key-value cache gives what the whole prefix gives."""

import pytest
import torch
from closeness import assert_close
from transformers import DynamicCache, GenerationMixin, StaticCache
from transformers.modeling_outputs import BaseModelOutputWithPast

CACHE = "cache" if "cache" in BaseModelOutputWithPast.__dataclass_fields__ else "past_key_values"


def greedy(model, ids, **kwargs):
    # Fresh weights are nearly uniform: no end token, or some sequences would stop at once.
    return model.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=None, **kwargs)


def sharp(model):
    """Far from uniform and in float64, so that no rounding error moves the arg max."""
    for parameter in model.parameters():
        parameter.data.mul_(4)
    return model.double()


@pytest.fixture(params=["sdpa", "eager", "flex_attention"])
def model(build, request):
    return sharp(build(attn_implementation=request.param))


def left_padded(ids):
    padded = torch.cat((torch.full((2, 3), 2), ids), dim=1)
    mask = torch.ones_like(padded)
    mask[0, :3] = 0
    padded[1, :3] = ids[1, :3]
    return padded, mask


def test_cache_changes_nothing(model, random_ids):
    ids = random_ids(2, 6)
    assert torch.equal(greedy(model, ids, use_cache=True), greedy(model, ids, use_cache=False))


def test_cache_changes_nothing_with_left_padding(model, random_ids):
    ids, mask = left_padded(random_ids(2, 6))
    cached = greedy(model, ids, attention_mask=mask, use_cache=True)
    assert torch.equal(cached, greedy(model, ids, attention_mask=mask, use_cache=False))


def test_padding_changes_nothing(model, random_ids):
    ids = random_ids(2, 6)
    padded, mask = left_padded(ids)
    alone = greedy(model, ids[:1])
    assert torch.equal(greedy(model, padded, attention_mask=mask)[:1, 3:], alone)


def test_preallocated_cache_changes_nothing(build, random_ids):
    model, ids = sharp(build()), random_ids(2, 6)
    kwargs = {"cache_implementation": "static", "disable_compile": True}
    assert torch.equal(greedy(model, ids, **kwargs), greedy(model, ids))


def test_cache_changes_nothing_with_a_sliding_window(build, random_ids):
    model, ids = sharp(build(sliding_window=4)), random_ids(2, 6)
    assert torch.equal(greedy(model, ids, use_cache=True), greedy(model, ids, use_cache=False))


def test_embeddings_are_generated_from(build, random_ids):
    model, ids = sharp(build()), random_ids(2, 6)
    embeddings = model.get_input_embeddings()(ids)
    assert torch.equal(greedy(model, None, inputs_embeds=embeddings), greedy(model, ids)[:, 6:])
    assert torch.equal(greedy(model, ids, inputs_embeds=embeddings), greedy(model, ids))


def test_a_draft_of_the_first_layer_changes_nothing(build, random_ids):
    model, ids = sharp(build()), random_ids(1, 6)
    calls = []
    model.causal_lm.layer_stack.layers[1].register_forward_hook(lambda *_: calls.append(1))
    expected = greedy(model, ids)
    alone = len(calls)
    assert torch.equal(greedy(model, ids, assistant_early_exit=1), expected)
    assert len(calls) - alone <= alone  # none for a draft
    assert model.config.num_hidden_layers == 2


def test_cache_filled_in_pieces_gives_the_same_logits(model, random_ids):
    ids, cache = random_ids(2, 9), DynamicCache()
    with torch.no_grad():
        parts = ids.split([4, 3, 2], dim=1)
        pieces = [model(part, past_key_values=cache).logits for part in parts]
        assert_close(torch.cat(pieces, 1), model(ids).logits)
    assert cache.get_seq_length() == 9


def skips_autograd():
    return torch._C._dispatch_tls_is_dispatch_key_excluded(torch._C.DispatchKey.AutogradOther)


def test_one_more_token_skips_autograd_where_nothing_is_recorded(build, random_ids):
    model, ids, seen = build(), random_ids(2, 6), []
    handle = model.causal_lm.layer_stack.layers[1].register_forward_hook(
        lambda *_: seen.append(skips_autograd())
    )
    greedy(model, ids)
    assert seen == [False, *[True] * 11]
    handle.remove()
    model.causal_lm.layer_stack.layers[1].register_forward_hook(lambda *_: 1 / 0)
    with torch.no_grad(), pytest.raises(ZeroDivisionError):
        model(ids[:, :1], use_cache=True)
    assert not skips_autograd()


def test_one_more_token_is_learned_from_with_a_cache_of_before(build, random_ids):
    model, ids, cache = sharp(build()), random_ids(2, 6), DynamicCache()
    with torch.no_grad():
        before = model(ids[:, :4], past_key_values=cache)
        unrecorded = model(ids[:, 4:5], past_key_values=cache).logits
    assert not any(x.is_inference() for x in (unrecorded, cache.layers[0].keys))
    logits = model(ids[:, 5:], past_key_values=cache).logits
    assert_close(torch.cat((before.logits, unrecorded, logits), 1), model(ids).logits)
    logits.logsumexp(-1).sum().backward()
    assert all(p.grad.any() for p in model.parameters())


def test_what_generate_hands_on_beside_the_models_own_is_taken(build, random_ids, tokenizer):
    model, ids = sharp(build()), random_ids(1, 6)  # a tokenizer is for stop strings
    assert torch.equal(greedy(model, ids, tokenizer=tokenizer), greedy(model, ids))


@pytest.mark.parametrize("kind", [DynamicCache, StaticCache])
@pytest.mark.parametrize("others", [{}, {"is_first_iteration": True}, {"use_cache": True}])
def test_inputs_of_a_step_are_those_that_transformers_makes(build, random_ids, kind, others):
    model, ids = build(), random_ids(2, 6)
    cache = DynamicCache() if kind is DynamicCache else StaticCache(model.config, 9)
    model(ids[:, :5], **{CACHE: cache})
    mask, places = torch.ones_like(ids), torch.arange(6).expand(2, 6)
    kwargs = {"attention_mask": mask, "position_ids": places, CACHE: cache, **others}
    found, expected = (
        prepare(model, ids, next_sequence_length=1, **kwargs)
        for prepare in (
            type(model).prepare_inputs_for_generation,
            GenerationMixin.prepare_inputs_for_generation,
        )
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value) if torch.is_tensor(value) else found[name] is value
    assert found["position_ids"].is_contiguous()
