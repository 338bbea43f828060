#!/usr/bin/env bash
# Whether a norm's weight decays goes by its name, unless it is a LayerNorm: of torch.nn.RMSNorm, and of models' own norms, the Trainer knows
# norm, NAME_norm, layernorm and rmsnorm, and not norm1, ln1 or ln_f, which every GPT of one's own has. With weight_decay these are pulled to
# zero, as if it were a matrix; the layer that was a LayerNorm before is not. Whatever has "bias" in its name is left out, matrices too. Seen with
# transformers 5.24.0 (Trainer.get_decay_parameter_names), torch 2.13.0, accelerate 1.15.0 and Python 3.11 on a CPU:
#   RMSNorm called norm, attn_norm     no decay
#   RMSNorm called norm1, ln1, ln_f    decay: a weight without a gradient goes from 1 to 0.5 in a step of lr=1, weight_decay=0.5
#   LayerNorm called norm1, ln1        no decay
#   an Embedding called position_bias  no decay
#
# bash findings/transformers_decay_names.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import transformers, torch, accelerate' 2>/dev/null || $python -m pip install -q transformers==5.24.0 torch==2.13.0 accelerate==1.15.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("transformers", "torch", "accelerate")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from torch import nn
from transformers import Trainer, TrainingArguments

WIDTH = 4
NORMS = ("norm", "attn_norm", "norm1", "ln1", "ln_f")


class Model(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.position_bias = nn.Embedding(3, WIDTH)
        for name in NORMS:
            self.add_module(name, norm(WIDTH))

    def forward(self, x, labels=None):
        for module in self.children():
            x = x + 0 * (module.weight.sum() if module is self.position_bias else module(x))
        return {"loss": 0 * x.sum()}


rows = [{"x": torch.ones(WIDTH), "labels": torch.ones(1)}] * 2
arguments = TrainingArguments(
    "out", learning_rate=1.0, weight_decay=0.5, max_steps=1, lr_scheduler_type="constant", report_to="none", use_cpu=True,
    save_strategy="no", disable_tqdm=True)
found = {}
for norm in (nn.RMSNorm, nn.LayerNorm):
    model = Model(norm)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    trainer = Trainer(model, arguments, train_dataset=rows)
    trainer.train()
    after = dict(model.named_parameters())
    found[norm] = [name for name, weight in before.items() if not torch.equal(weight, after[name])]
    print(norm.__name__, "model: what decays is", found[norm])
    assert all(torch.allclose(after[name], before[name] / 2) for name in found[norm])
assert found[nn.RMSNorm] == ["linear.weight", "norm1.weight", "ln1.weight", "ln_f.weight"]
assert found[nn.LayerNorm] == ["linear.weight"]
PYTHON
$python look.py 2>/dev/null | grep "decay"
