"""A model with a mixture of experts: its auxiliary loss in training, its cache, its way to disk."""

import pytest
import torch
from closeness import assert_close
from transformers import AutoModelForCausalLM

import forgather_hydra as fg
from forgather_hydra.model import build_model, modeling_code

MIXTURE = """
mixture_factory: &mixture_factory !partial:.mixture_of_experts:MixtureOfExperts@mixture_factory
    d_model: !var "hidden_size"
    num_experts: !var "num_experts"
    expert_factory: *feedforward_factory
    auxiliary_loss_weight: 0.5

rel_positional_encoder:"""


@pytest.fixture(scope="module")
def mixture_code(llama_text):
    text = llama_text.replace("\nrel_positional_encoder:", MIXTURE)
    text = text.replace(
        "feedforward_factory: *feedforward_factory", "feedforward_factory: *mixture_factory"
    )
    graph = fg.ConfigEnvironment().parse(text).config
    return modeling_code(graph.model_factory, short_name="mixture", source="llama.yaml")


@pytest.fixture
def model(mixture_code, config, tmp_path):
    config |= {"num_experts": 3, "dim_feedforward": 16}
    return build_model(mixture_code, config, tmp_path / "model").double()


def auxiliary(model, ids, **kwargs):
    """What training adds to the loss; there is no dropout."""
    training = model.train()(ids, labels=ids, **kwargs).loss
    plain = model.eval()(ids, labels=ids, **kwargs).loss
    model.train()
    return training - plain


def test_auxiliary_losses_of_all_layers_are_in_the_training_loss_only(model, random_ids):
    ids = random_ids(2, 8)
    added = auxiliary(model, ids)
    # Fresh routers are nearly even: about 0.5 for each of the two layers.
    assert added.item() == pytest.approx(1, rel=0.3)
    assert_close(auxiliary(model, ids, num_items_in_batch=28), added * 14 / 28)
    routers = [layer.feedforward.router.weight for layer in model.causal_lm.layer_stack.layers]
    for gradient in torch.autograd.grad(added, routers):
        assert gradient.abs().max() > 0


def test_activation_checkpointing_keeps_the_gradients(model, random_ids):
    ids, gradients = random_ids(2, 8), []
    for checkpointing in (False, True):
        if checkpointing:
            model.activation_checkpointing_enable()
        model.zero_grad()
        model.train()(ids, labels=ids)[0].backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for actual, expected in zip(*gradients, strict=True):
        assert_close(actual, expected)


def test_cache_and_disk_change_nothing(model, random_ids, tmp_path):
    ids = random_ids(2, 6)
    kwargs = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None}
    expected = model.eval().generate(ids, **kwargs)
    assert torch.equal(model.generate(ids, use_cache=False, **kwargs), expected)
    model.save_pretrained(tmp_path / "model")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model", trust_remote_code=True)
    assert torch.equal(loaded.eval().generate(ids, **kwargs), expected)
