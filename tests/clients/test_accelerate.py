"""accelerate: prepared for training, divided over devices, and sharded by FSDP2."""

import pytest
import torch
from accelerate import (
    Accelerator,
    FullyShardedDataParallelPlugin,
    cpu_offload,
    dispatch_model,
    infer_auto_device_map,
    init_empty_weights,
    load_checkpoint_and_dispatch,
)
from accelerate.state import AcceleratorState
from accelerate.utils.fsdp_utils import fsdp2_prepare_auto_wrap_policy
from client_processes import in_two_processes
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModelForCausalLM


@pytest.fixture(autouse=True)
def _no_state_of_another_test():
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def empty(directory):
    config = AutoConfig.from_pretrained(directory, trust_remote_code=True)
    with init_empty_weights():
        return AutoModelForCausalLM.from_config(config, trust_remote_code=True).eval()


def test_prepare(one_of_few, load, ids):
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = load(one_of_few).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader([{"input_ids": row, "labels": row} for row in ids.repeat(8, 1)], 2)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    losses = []
    for batch in loader:
        with accelerator.accumulate(model):
            loss = model(**batch).loss
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert type(accelerator.unwrap_model(model)) is type(load(one_of_few))


@torch.no_grad()
def test_a_checkpoint_is_dispatched(directory, load, ids):
    model = empty(directory)
    model.tie_weights()
    model = load_checkpoint_and_dispatch(
        model, directory, device_map="auto", no_split_module_classes=model._no_split_modules
    )
    expected = load(directory)(input_ids=ids).logits
    torch.testing.assert_close(model(input_ids=ids).logits, expected)


@torch.no_grad()
def test_layers_on_disk(directory, load, ids, tmp_path):
    model = load(directory)
    expected = model(input_ids=ids).logits
    sizes = sum(p.nbytes for p in model.parameters())
    device_map = infer_auto_device_map(
        model,
        {"cpu": int(sizes * 0.7), "disk": 2**30},
        no_split_module_classes=model._no_split_modules,
    )
    assert set(device_map.values()) == {"cpu", "disk"}
    split = [
        name for name in device_map if name.count("layers.") and name.split("layers.")[1].count(".")
    ]
    assert not split, device_map
    divided = dispatch_model(model, device_map, main_device="cpu", offload_dir=tmp_path)
    torch.testing.assert_close(divided(input_ids=ids).logits, expected)
    settings = {"do_sample": False, "max_new_tokens": 4, "attention_mask": torch.ones_like(ids)}
    assert torch.equal(divided.generate(ids, **settings), load(directory).generate(ids, **settings))


@torch.no_grad()
def test_offloading_whole(one_of_few, load, ids):
    expected = load(one_of_few)(input_ids=ids).logits
    model = cpu_offload(load(one_of_few), torch.device("cpu"))
    torch.testing.assert_close(model(input_ids=ids).logits, expected)


def learn_from_half(rank: int, directory: str, shard: bool) -> None:
    """Half of the texts each; afterwards the weights of one process that had them all."""
    accelerator = Accelerator(cpu=True)
    model, whole = (
        AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True) for _ in range(2)
    )
    tokens = torch.arange(3, 39).view(4, 9)
    if shard:  # accelerate itself does so on GPUs only
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="transformer_based_wrap"
        )
        plugin.set_auto_wrap_policy(model)
        is_unit = fsdp2_prepare_auto_wrap_policy(plugin, model)
        units = [module for module in model.modules() if is_unit(module)]
        assert len(units) == model.config.num_hidden_layers
        mesh = init_device_mesh("cpu", (2,))
        for unit in [*units, model]:
            fully_shard(unit, mesh=mesh)
        assert all(type(weight).__name__ == "DTensor" for weight in model.parameters())
    else:
        model = accelerator.prepare(model)
    mine = tokens[2 * rank : 2 * rank + 2]
    for net, data in ((model, mine), (whole, tokens)):
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
        net.train()
        net(input_ids=data, labels=data, use_cache=False).loss.backward()
        optimizer.step()
        net.eval()
    with torch.no_grad():
        found, expected = (net(input_ids=tokens).logits for net in (model, whole))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shard", [False, True], ids=["replicas", "fsdp2"])
@pytest.mark.parametrize("name", ["reference", "llama", "gpt2"])
def test_two_processes(models, name, shard):
    in_two_processes(learn_from_half, str(models / name), shard)
