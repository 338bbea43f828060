"""bitsandbytes: weights in four and eight bits and its optimizers, on a CPU."""

import bitsandbytes
import pytest
import torch
from peft import LoraConfig, TaskType, get_peft_model, prepare_model_for_kbit_training
from transformers import BitsAndBytesConfig

GREEDY = {"do_sample": False, "max_new_tokens": 6, "eos_token_id": None}
BITS = {
    4: BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    ),
    8: BitsAndBytesConfig(load_in_8bit=True),
}
LINEAR = {4: bitsandbytes.nn.Linear4bit, 8: bitsandbytes.nn.Linear8bitLt}


@pytest.mark.parametrize("bits", BITS)
@torch.no_grad()
def test_few_bits(directory, load, ids, bits):
    expected = load(directory)(input_ids=ids).logits
    model = load(directory, quantization_config=BITS[bits], device_map="cpu")
    replaced = [m for m in model.modules() if isinstance(m, LINEAR[bits])]
    assert len(replaced) >= 6 * model.config.num_hidden_layers
    assert not isinstance(model.get_output_embeddings(), LINEAR[bits])
    found = model(input_ids=ids).logits.float()
    agreement = torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1]
    assert agreement > (0.8 if bits == 4 else 0.95)
    assert model.generate(ids, attention_mask=torch.ones_like(ids), **GREEDY).shape == (2, 15)


def test_adapters_on_four_bits(one_of_few, load, ids):
    model = load(one_of_few, quantization_config=BITS[4], device_map="cpu")
    model = prepare_model_for_kbit_training(model)
    model = get_peft_model(
        model, LoraConfig(task_type=TaskType.CAUSAL_LM, target_modules="all-linear")
    )
    steps(model, torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-2), ids)


@pytest.mark.parametrize("optimizer", ["AdamW8bit", "Lion8bit"])
def test_eight_bit_optimizers(one_of_few, load, ids, optimizer):
    model = load(one_of_few).train()
    steps(model, getattr(bitsandbytes.optim, optimizer)(model.parameters(), lr=1e-3), ids)


def steps(model, optimizer, ids):
    losses = []
    for _ in range(4):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
