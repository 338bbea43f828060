"""What an exported directory can do; run in an interpreter that does not have this package.

    python standalone_checks.py DIRECTORY IDS.pt OUT_FOLDER

Prints one JSON object: the name of each check, and null or the traceback of its failure.
"""

import json
import sys
import traceback
from pathlib import Path

import torch
from closeness import assert_close
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, pipeline

DIRECTORY, IDS, OUT = (Path(argument).resolve() for argument in sys.argv[1:])
GREEDY = {"do_sample": False, "max_new_tokens": 6, "eos_token_id": None}


def load(path=DIRECTORY, auto=AutoModelForCausalLM, **kwargs):
    return auto.from_pretrained(path, trust_remote_code=True, **kwargs).eval()


model = load()
ids = torch.load(IDS)
with torch.no_grad():
    logits = model(ids).logits


def check_package_is_absent():
    for name in ("forgather_hydra", "hydra_plugins.forgather"):
        try:
            __import__(name)
        except ImportError:
            continue
        raise AssertionError(f"{name} can be imported")


def check_what_the_owner_computes():
    """Logits, tokens and token ids, for the test that has the package to compare."""
    tokens = AutoTokenizer.from_pretrained(DIRECTORY)("w1 w2").input_ids
    torch.save([logits, model.generate(ids, **GREEDY), tokens], OUT / "out.pt")


def check_fresh_weights():
    config = AutoConfig.from_pretrained(DIRECTORY, trust_remote_code=True)
    fresh = AutoModelForCausalLM.from_config(config)
    assert fresh.num_parameters() == model.num_parameters()
    assert (fresh.get_output_embeddings().weight is fresh.get_input_embeddings().weight) == tied()


def check_auto_model():
    hidden = load(auto=AutoModel)(ids).last_hidden_state
    assert_close(model.get_output_embeddings()(hidden), logits)


def check_save_and_load():
    for name, size in (("whole", "5GB"), ("shards", "30KB")):
        model.save_pretrained(OUT / name, max_shard_size=size)
        shards = list((OUT / name).glob("model-*.safetensors"))
        assert (len(shards) > 1) == (name == "shards")
        loaded = load(OUT / name)
        assert torch.equal(loaded(ids).logits, logits)
        assert (loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight) == (
            tied()
        )


def check_generation():
    padded = torch.cat((torch.full((2, 3), 2), ids), dim=1)
    mask = (padded != 2).long()
    for name, kwargs in {
        "greedy": GREEDY,
        "sampling": GREEDY | {"do_sample": True, "temperature": 0.8, "top_k": 20},
        "beam": GREEDY | {"num_beams": 3},
    }.items():
        tokens = []
        for use_cache in (True, False):
            torch.manual_seed(3)
            tokens.append(model.generate(ids, use_cache=use_cache, **kwargs))
        assert torch.equal(*tokens), name
        assert tokens[0].shape == (2, ids.shape[1] + 6), name
    static = model.generate(ids, cache_implementation="static", **GREEDY)
    expected = model.generate(ids, **GREEDY)
    assert torch.equal(static, expected)
    assert torch.equal(model.generate(padded, attention_mask=mask, **GREEDY)[:, 3:], expected)


def check_pipeline():
    write = pipeline("text-generation", str(DIRECTORY), trust_remote_code=True, device="cpu")
    (answer,) = write("w1 w2", do_sample=False, max_new_tokens=4)
    assert answer["generated_text"].startswith("w1 w2")
    assert len(answer["generated_text"]) > len("w1 w2")


def check_attention_back_ends():
    mask = torch.ones_like(ids)
    mask[0, :2] = 0
    expected = model(ids, attention_mask=mask).logits[1:]
    for back_end in ("eager", "sdpa", "flex_attention"):
        other = load(attn_implementation=back_end)
        assert other.config._attn_implementation == back_end
        assert_close(other(ids).logits, logits)
        assert_close(other(ids, attention_mask=mask).logits[1:], expected)


def check_packed_sequences():
    positions = torch.cat((torch.arange(4), torch.arange(ids.shape[1] - 4)))[None].expand(2, -1)
    packed = model(ids, position_ids=positions).logits
    assert_close(packed[:, :4], model(ids[:, :4]).logits)
    assert_close(packed[:, 4:], model(ids[:, 4:]).logits)


def check_gradient_checkpointing():
    gradients, calls = [], []
    for enabled in (False, True):
        trained = load().train()
        layer = trained.causal_lm.layer_stack.layers[0]
        layer.register_forward_pre_hook(lambda *_, enabled=enabled: calls.append(enabled))
        if enabled:
            trained.activation_checkpointing_enable()
            assert trained.is_gradient_checkpointing
        with torch.enable_grad():
            loss = trained(ids, labels=ids).loss
            loss.backward()
        gradients.append([parameter.grad for parameter in trained.parameters()])
    assert calls == [False, True, True]  # with checkpointing the layer runs again
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def check_compile():
    # No C++ of inductor here: building it takes longer than all other checks together.
    torch._dynamo.reset()
    compiled = torch.compile(load(), backend="aot_eager", fullgraph=True)
    assert_close(compiled(ids).logits, logits)
    with torch.enable_grad():
        loss = compiled(ids, labels=ids).loss
        loss.backward()
        expected = model(ids, labels=ids).loss
    assert_close(loss, expected)


def check_device_map():
    assert torch.equal(load(device_map={"": "cpu"})(ids).logits, logits)
    assert torch.equal(load(device_map="auto")(ids).logits, logits)
    stack = "model.causal_lm.layer_stack"
    device_map = {
        "model.causal_lm.input_encoder": "cpu",
        f"{stack}.layers.0": "disk",
        f"{stack}.layers.1": "cpu",
        f"{stack}.layer_norm": "cpu",
        "lm_head": "cpu",
    }
    offloaded = load(device_map=device_map, offload_folder=OUT / "offload")
    assert offloaded.get_submodule(f"{stack}.layers.0").attention.query_linear.weight.is_meta
    assert torch.equal(offloaded(ids).logits, logits)
    # Where memory is short, layers are moved whole: this map is computed, not given.
    from accelerate import infer_auto_device_map

    sizes = [sum(p.nbytes for p in layer.parameters()) for layer in layers()]
    head = sum(p.nbytes for p in model.parameters()) - sum(sizes)
    short = {"cpu": head + sizes[0] + sizes[1] // 2, "disk": 2**30}
    inferred = infer_auto_device_map(
        model, short, no_split_module_classes=model._no_split_modules, verbose=False
    )
    below = [name for name in inferred if name.startswith(f"{stack}.layers.1.")]
    assert not below, inferred
    assert torch.equal(
        load(device_map="auto", max_memory=short, offload_folder=OUT / "o")(ids).logits,
        logits,
    )


def check_resizing_the_vocabulary():
    grown = load()
    size = grown.config.vocab_size
    grown.resize_token_embeddings(size + 8)
    assert grown(ids).logits.shape[-1] == size + 8
    assert_close(grown(ids).logits[..., :size], logits)
    assert (grown.get_output_embeddings().weight is grown.get_input_embeddings().weight) == tied()
    grown.save_pretrained(OUT / "grown")
    assert torch.equal(load(OUT / "grown")(ids).logits, grown(ids).logits)


def check_bfloat16():
    half = load(dtype=torch.bfloat16)
    assert half(ids).logits.dtype == torch.bfloat16
    assert (half(ids).logits.float() - logits).abs().max() < 0.1 * logits.abs().max()
    assert half.generate(ids, **GREEDY).shape == (2, ids.shape[1] + 6)
    half.save_pretrained(OUT / "half")
    assert load(OUT / "half").dtype == torch.bfloat16


def tied():
    return bool(model.config.tie_word_embeddings)


def layers():
    return model.causal_lm.layer_stack.layers


def main():
    torch.set_num_threads(1)
    checks = {n: f for n, f in globals().items() if n.startswith("check_")}
    found = {}
    for name, check in checks.items():
        try:
            with torch.no_grad():
                check()
            found[name] = None
        except Exception:
            found[name] = traceback.format_exc()
    print(json.dumps(found))


main()
