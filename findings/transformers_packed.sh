#!/usr/bin/env bash
# Documents that are packed into a row, and told apart by position_ids that begin again, see each other as soon as the model makes
# a cache, as it does by default: no warning, other numbers. Seen with transformers 5.24.0, torch 2.13.0 and Python 3.11 on a CPU, for
# an untrained LlamaForCausalLM in evaluation mode, attention by sdpa and eager:
#   logits of the second document, use_cache=False   those that it has alone, within 1e-5
#   the same call without use_cache                  others, by more than 0.01
#
# bash findings/transformers_packed.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import transformers, torch' 2>/dev/null || $python -m pip install -q transformers==5.24.0 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("transformers", "torch")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

for attention in ("sdpa", "eager"):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=50, initializer_range=0.5, attn_implementation=attention, **shape)
    model = LlamaForCausalLM(config).eval()
    first, second = torch.randint(50, (1, 5)), torch.randint(50, (1, 6))
    row = torch.cat([first, second], dim=1)
    positions = torch.cat([torch.arange(5), torch.arange(6)])[None]
    with torch.no_grad():
        alone = model(second, use_cache=False).logits
        apart = model(row, position_ids=positions, use_cache=False).logits[:, 5:]
        default = model(row, position_ids=positions).logits[:, 5:]
    same, other = ((found - alone).abs().max().item() for found in (apart, default))
    print(f"{attention}: without a cache {same:.1e} from the document alone, by default {other:.1e}")
    assert same < 1e-5 and other > 0.01
PYTHON
$python look.py
