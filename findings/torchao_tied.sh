#!/usr/bin/env bash
# torchao's quantize_ makes a model with tied embeddings larger: it replaces the weights of all Linear layers, so the head gets 8-bit numbers of its
# own beside the embedding, which stays as it was; nothing tells that the two are no longer one. Whatever ties them again afterwards, such as
# resize_token_embeddings to the size that they have, puts the floating-point weights back into the head. transformers' TorchAoConfig leaves the head
# of such a model as it is. Seen with torchao 0.18.0, transformers 5.24.0, torch 2.13.0 and Python 3.11 on a CPU; a Llama of 4,000 words, width 64:
#   bytes before                          1,352,960
#   after quantize_                       1,383,808   the head is an Int8Tensor, and no more the embedding
#   after resize_token_embeddings(4000)   1,111,808   the head is the embedding, a plain Parameter
#   by TorchAoConfig                      1,111,808   the head is the embedding, a plain Parameter
#
# bash findings/torchao_tied.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import torchao, transformers, accelerate' 2>/dev/null ||
    $python -m pip install -q torchao==0.18.0 transformers==5.24.0 torch==2.13.0 accelerate==1.15.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("torchao", "transformers", "torch", "accelerate")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from torchao.quantization import Int8WeightOnlyConfig, quantize_
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, TorchAoConfig


def bytes_of(model):
    total = 0
    for weight in model.parameters():  # one that is tied comes once
        parts = getattr(weight, "tensor_data_names", None)
        total += sum(getattr(weight, part).nbytes for part in parts) if parts else weight.nbytes
    return total


def show(what, model):
    head, embedding = model.lm_head.weight, model.model.embed_tokens.weight
    found = bytes_of(model), type(head).__name__, head is embedding
    print(f"{what:38} {found[0]:,} bytes; head: {found[1]}, {'the embedding' if found[2] else 'not the embedding'}")
    return found


torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=4000, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=4, tie_word_embeddings=True)).eval()
model.save_pretrained("model")
before = show("before", model)
quantize_(model, Int8WeightOnlyConfig())
quantised = show("after quantize_", model)
model.resize_token_embeddings(4000)
resized = show("after resize_token_embeddings(4000)", model)
loaded = show("by TorchAoConfig", AutoModelForCausalLM.from_pretrained(
    "model", quantization_config=TorchAoConfig(Int8WeightOnlyConfig())))
assert before[1:] == ("Parameter", True)
assert quantised[0] > before[0] and quantised[1:] == ("Int8Tensor", False)
assert resized == loaded and resized[0] < before[0] and resized[1:] == ("Parameter", True)
PYTHON
$python look.py 2>/dev/null
