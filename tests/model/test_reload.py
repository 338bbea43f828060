"""A saved model comes back equal, whichever way transformers is asked for it."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.utils import is_flash_attn_2_available


def assert_same_tensors(model, other):
    ours, theirs = model.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype, name
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_tensor_survives_save_and_load(build, tmp_path, tied, dtype):
    model = build(tie_word_embeddings=tied).to(dtype)
    for parameter in model.parameters():  # values that no initialisation would give
        parameter.data.add_(torch.rand_like(parameter))
    model.save_pretrained(tmp_path / "model")
    loaded = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", trust_remote_code=True, dtype=dtype
    )
    assert_same_tensors(model, loaded)
    head, embedding = loaded.get_output_embeddings(), loaded.get_input_embeddings()
    assert (head.weight is embedding.weight) == tied


def test_a_tied_model_stores_the_shared_matrix_once(build):
    tied, untied = build(tie_word_embeddings=True), build()
    assert untied.num_parameters() - tied.num_parameters() == 96 * 64


def test_saving_keeps_what_auto_classes_need(build, tmp_path):
    model = build()
    before = json.loads((tmp_path / "model/config.json").read_text())
    model.save_pretrained(tmp_path / "model")
    after = json.loads((tmp_path / "model/config.json").read_text())
    assert after.items() >= {k: v for k, v in before.items() if k != "transformers_version"}.items()


def test_fresh_model_from_the_directory_alone(build, tmp_path):
    build()
    config = AutoConfig.from_pretrained(tmp_path / "model", trust_remote_code=True)
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    torch.manual_seed(1)
    assert_same_tensors(model, build())


def test_headless_model_returns_the_states_that_the_head_sees(build, random_ids, tmp_path):
    model, ids = build(), random_ids(2, 7)
    model.save_pretrained(tmp_path / "model")
    headless, info = AutoModel.from_pretrained(
        tmp_path / "model", trust_remote_code=True, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    hidden = headless.eval()(ids).last_hidden_state
    assert torch.equal(model.get_output_embeddings()(hidden), model(ids).logits)
    assert torch.equal(hidden, model(ids, output_hidden_states=True).hidden_states[-1])


@pytest.mark.parametrize("back_end", ["eager", "sdpa", "flex_attention"])
def test_requested_attention_back_end_is_used(build, tmp_path, back_end):
    build().save_pretrained(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", trust_remote_code=True, attn_implementation=back_end
    )
    attention = model.causal_lm.layer_stack.layers[0].attention
    assert attention.attention_fn.__name__.split("_attention")[0] in back_end


def test_attention_back_end_can_be_changed_later(build, random_ids):
    model, ids = build(attn_implementation="sdpa"), random_ids(2, 5)
    expected = model(ids).logits
    model.set_attn_implementation("eager")
    names = {m.attention_fn.__name__ for m in model.modules() if hasattr(m, "attention_fn")}
    assert names == {"eager_attention"}
    torch.testing.assert_close(model(ids).logits, expected)


@pytest.mark.skipif(is_flash_attn_2_available(), reason="flash-attn is there")
def test_missing_flash_attention_is_an_import_error(build, tmp_path):
    build().save_pretrained(tmp_path / "model")
    with pytest.raises(ImportError, match="FlashAttention2"):
        AutoModelForCausalLM.from_pretrained(
            tmp_path / "model", trust_remote_code=True, attn_implementation="flash_attention_2"
        )


@torch.no_grad()
def test_a_second_model_of_the_same_configuration_leaves_the_first_alone(build, random_ids):
    first, ids = build(attn_implementation="sdpa"), random_ids(2, 6)
    mask = torch.ones_like(ids)
    mask[:, :2] = 0
    expected = first(ids, attention_mask=mask).logits
    second = type(first)(first.config)
    second.set_attn_implementation("flex_attention")
    torch.testing.assert_close(first(ids, attention_mask=mask).logits, expected)
    assert second(ids, attention_mask=mask).logits.isfinite().all()
