#!/usr/bin/env bash
# Two LoRA adapters that are added with combination_type="linear" are not the sum of what they change: their factors are added, each
# under the square root of its weight, and the product has each adapter's B with the other's A besides. Of two that have nothing to do with
# each other these are as large as the sum itself. "dare_linear", "magnitude_prune" and "ties" do the same to their factors. "cat" is
# exact. Seen with peft 0.21.2 (tuners/lora/model.py, LoraModel.add_weighted_adapter), torch 2.13.0, transformers 5.24.0 and Python 3.11;
# how far the combined change is from weights[0] * the first + weights[1] * the second, in norms of that sum:
#   "cat", whatever the weights                0.0000
#   "linear", weights [1, 1] and [0.5, 0.5]    1, as far as no adapter at all
#   "linear", one of two adapters at weight 0  0.0000
#
# bash findings/peft_weighted_adapters.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import peft, torch' 2>/dev/null || $python -m pip install -q peft==0.21.2 torch==2.13.0 transformers==5.24.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("peft", "torch", "transformers")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from peft import LoraConfig, get_peft_model
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 64)


torch.manual_seed(0)
config = LoraConfig(target_modules=["layer"], r=8, lora_alpha=8, init_lora_weights=False)
model = get_peft_model(Model(), config, "first")
model.add_adapter("second", config)
layer = model.base_model.model.layer


def distance(kind, weights):
    name = f"{kind} {weights}".replace(".", "_")
    model.add_weighted_adapter(["first", "second"], weights, name, combination_type=kind)
    wanted = sum(weight * layer.get_delta_weight(each) for weight, each in zip(weights, ("first", "second")))
    return ((layer.get_delta_weight(name) - wanted).norm() / wanted.norm()).item()


for weights in ([1.0, 1.0], [0.5, 0.5]):
    found = {kind: distance(kind, weights) for kind in ("cat", "linear")}
    print(weights, {kind: f"{value:.4f} of the sum" for kind, value in found.items()})
    assert found["cat"] < 1e-5 and found["linear"] > 0.8
assert distance("linear", [1.0, 0.0]) < 1e-5
PYTHON
$python look.py 2>/dev/null | grep "of the sum"
