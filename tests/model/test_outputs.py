"""What a call of a model takes and returns: as every model of transformers, whoever calls."""

import pytest
import torch
from closeness import assert_close
from transformers import (
    AttentionInterface,
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DynamicCache,
)
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast


def cache_of(output):
    """The cache, under the name that the installed version has for it."""
    return output.get("cache", output.get("past_key_values"))


def test_an_output_with_names_unless_a_tuple_is_asked_for(build, random_ids):
    model, ids = build(), random_ids(2, 6)
    output = model(ids, labels=ids)
    assert isinstance(output, CausalLMOutputWithPast)
    as_tuple = model(ids, labels=ids, return_dict=False)
    assert torch.equal(as_tuple[0], output.loss)
    assert torch.equal(as_tuple[1], output.logits)
    assert isinstance(model.base_model(ids), BaseModelOutputWithPast)
    model.config.return_dict = False
    assert torch.equal(model(ids)[0], output.logits)
    assert isinstance(model.base_model(ids), tuple)


def test_hidden_states_of_each_layer(build, random_ids):
    model, ids = build(), random_ids(2, 6)
    states = model(ids, output_hidden_states=True).hidden_states
    assert len(states) == 3
    assert torch.equal(states[0], model.get_input_embeddings()(ids))
    first = model.causal_lm.layer_stack.layers[0]
    assert torch.equal(states[1], first(states[0]))
    assert torch.equal(states[2], model.base_model(ids).last_hidden_state)
    assert torch.equal(model.lm_head(states[2]), model(ids).logits)
    assert model(ids).hidden_states is None
    chosen = model(ids, output_hidden_states=[-1]).hidden_states
    assert chosen[:2] == (None, None)
    assert torch.equal(chosen[2], states[2])
    model.config.output_hidden_states = True
    assert len(model(ids).hidden_states) == 3


@pytest.mark.parametrize("back_end", ["eager", "sdpa"])
def test_attentions_are_the_weights_that_were_used(build, random_ids, back_end):
    model, ids = build(attn_implementation=back_end).double(), random_ids(2, 6)
    output = model(ids, output_attentions=True)
    assert len(output.attentions) == 2
    for weights in output.attentions:
        assert weights.shape == (2, 4, 6, 6)
        assert_close(weights.sum(-1), torch.ones(2, 4, 6).double())
        assert not weights.triu(1).any()
    assert_close(output.logits, model(ids).logits)
    assert model(ids).attentions is None


def test_a_kernel_without_weights_says_so(build, random_ids):
    model = build(attn_implementation="flex_attention")
    with pytest.raises(ValueError, match="flex_attention never has all"):
        model(random_ids(1, 4), output_attentions=True)


def test_a_cache_by_default_but_not_in_training(build, random_ids):
    model, ids = build(), random_ids(1, 5)
    assert model.config.use_cache
    assert cache_of(model(ids)).get_seq_length() == 5
    assert cache_of(model(ids, use_cache=False)) is None
    assert cache_of(model.train()(ids)) is None
    assert cache_of(model(ids, use_cache=True)).get_seq_length() == 5
    model.eval().config.use_cache = False
    assert cache_of(model(ids)) is None


@pytest.mark.parametrize("name", ["past_key_values", "cache"])
def test_the_cache_is_used_under_both_of_its_names(build, random_ids, name):
    model, ids = build().double(), random_ids(1, 9)
    cache = DynamicCache()
    model(ids[:, :6], **{name: cache})
    output = model(ids[:, 6:], **{name: cache})
    assert cache_of(output) is cache
    assert_close(output.logits, model(ids).logits[:, 6:])
    with pytest.raises(TypeError, match="either cache or past_key_values"):
        model(ids, past_key_values=cache, cache=DynamicCache())


def test_packed_documents_stay_apart_when_a_cache_is_made(build, random_ids):
    model, ids = build().double(), random_ids(1, 10)
    positions = torch.tensor([[*range(4), *range(6)]])
    output = model(ids, position_ids=positions)
    assert cache_of(output) is not None
    assert_close(output.logits[:, 4:], model(ids[:, 4:]).logits)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"atention_mask": 1}, TypeError, "unexpected arguments: atention_mask"),
        ({"is_causal": False}, ValueError, "is_causal=False"),
        ({"output_router_logits": True}, ValueError, "output_router_logits"),
        ({"seq_idx": torch.zeros(1, 4)}, ValueError, "by position_ids"),
    ],
)
def test_no_argument_is_swallowed(build, random_ids, arguments, error, message):
    model, ids = build(), random_ids(1, 4)
    for called in (model, model.base_model):
        with pytest.raises(error, match=message):
            called(ids, **arguments)
    assert model(ids, is_causal=True, output_router_logits=False, seq_idx=None).logits is not None


def test_ones_own_attention_function_is_handed_what_the_caller_has_for_it(build, random_ids):
    layers = []

    def own(module, query, key, value, attention_mask, **kwargs):
        layers.append((module.layer_idx, module.config.num_hidden_layers, kwargs["handle"]))
        assert attention_mask is None  # no mask is registered under this name
        return query.transpose(1, 2), None

    AttentionInterface.register("engine", own)
    model = build()
    model.set_attn_implementation("engine")
    model(random_ids(1, 4), handle="of the engine")
    assert layers == [(0, 2, "of the engine"), (1, 2, "of the engine")]


@pytest.fixture
def saved(build, tmp_path):
    model = build(pad_token_id=2)
    model.save_pretrained(tmp_path / "model")
    return model, tmp_path / "model"


@pytest.mark.parametrize(
    ("auto_class", "shape"),
    [
        (AutoModelForSequenceClassification, (2, 3)),
        (AutoModelForTokenClassification, (2, 5, 3)),
        (AutoModelForQuestionAnswering, (2, 5)),
    ],
)
def test_other_heads_on_the_trained_layers(saved, random_ids, auto_class, shape):
    model, directory = saved
    headed, info = auto_class.from_pretrained(
        directory, num_labels=3, trust_remote_code=True, output_loading_info=True
    )
    assert all(name.startswith(("score", "qa_outputs")) for name in info["missing_keys"])
    assert not info["unexpected_keys"]
    ids = random_ids(2, 5)
    output = headed.eval()(ids)
    assert (output.logits if "logits" in output else output.start_logits).shape == shape
    hidden = model.base_model(ids).last_hidden_state
    assert torch.equal(headed.base_model(ids).last_hidden_state, hidden)


def test_the_base_model_is_the_decoder(saved, random_ids):
    model, directory = saved
    assert model.get_decoder() is model.base_model is model.model
    base = AutoModel.from_pretrained(directory, trust_remote_code=True).eval()
    ids = random_ids(2, 5)
    hidden = base(ids).last_hidden_state
    assert torch.equal(model.lm_head(hidden), model(ids).logits)


def test_every_matrix_of_a_layer_is_in_the_plan_for_tensor_parallelism(build):
    model = build()
    planned = {name.replace("*", "0") for name in model.tp_plan}
    matrices = {
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "layers.1" not in name
    }
    # The oldest transformers that we allow finds the head's by another way.
    assert planned | {"lm_head"} == matrices


def test_inputs_that_are_none_or_two_are_refused(build, random_ids):
    model, ids = build(), random_ids(1, 4)
    embeddings = model.get_input_embeddings()(ids)
    with pytest.raises(ValueError, match="got neither"):
        model()
    with pytest.raises(ValueError, match="got both"):
        model(ids, inputs_embeds=embeddings)
    with pytest.raises(ValueError, match=r"got \(4,\): add an axis"):
        model(ids[0])
