#!/usr/bin/env bash
# An adapter that begins as the largest part of the weights (PiSSA), found the quick way, is another one each time it is loaded: its
# file has what was trained, and what it was taken from is worked out again, with new random numbers. No warning. Seen with peft 0.21.2
# (LoraLayer.pissa_init, which calls torch.svd_lowrank), transformers 5.24.0, torch 2.13.0 and Python 3.11 on a CPU; how far logits of
# the trained model are from those of its adapter loaded, under another seed of torch:
#   init_lora_weights=True               0
#   init_lora_weights="pissa"            0
#   init_lora_weights="pissa_niter_4"    more than 0.1, where training moved them by 3; and 0 under the seed that it was made with
#
# bash findings/peft_pissa_niter.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import peft, torch, transformers' 2>/dev/null || $python -m pip install -q peft==0.21.2 torch==2.13.0 transformers==5.24.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("peft", "torch", "transformers")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM


def base():
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=50, initializer_range=0.1, **shape))


words = torch.tensor([[5, 6, 7, 8, 9]])
for begin in (True, "pissa", "pissa_niter_4"):
    model = base()
    torch.manual_seed(1)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=begin))
    optimizer = torch.optim.SGD(adapted.parameters(), lr=0.5)
    untrained = adapted(words).logits
    adapted(words, labels=words).loss.backward()
    optimizer.step()
    adapted.save_pretrained("adapter")
    trained = adapted.eval()(words).logits

    def distance(seed):
        model = base()
        torch.manual_seed(seed)
        return (PeftModel.from_pretrained(model, "adapter").eval()(words).logits - trained).abs().max().item()

    same, other, moved = distance(1), distance(2), (trained - untrained).abs().max().item()
    print(f"{begin}: trained by {moved:.2f}; loaded, the seed the same {same:.5f}, another {other:.5f}")
    assert moved > 1 and same < 1e-4 and (other > 0.1 if begin == "pissa_niter_4" else other < 1e-4)
PYTHON
$python look.py 2>/dev/null
