#!/usr/bin/env bash
# Where the batches of an epoch do not fill the last accumulation, that step counts less: each loss is divided by the number of batches
# that a full step has, not by that of the batches which there are. Seen with accelerate 1.15.0, torch 2.13.0 and Python 3.11 on a CPU, for
# six batches of equal gradient 1 and gradient_accumulation_steps=4:
#   gradient of the first step (four batches)     1
#   gradient of the second step (two batches)     0.5
#
# bash findings/accelerate_remainder.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import accelerate' 2>/dev/null || $python -m pip install -q accelerate==1.15.0 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("accelerate", "torch")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

accelerator = Accelerator(gradient_accumulation_steps=4, cpu=True)
model = torch.nn.Linear(1, 1, bias=False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model, optimizer, batches = accelerator.prepare(model, optimizer, DataLoader(torch.ones(6, 1)))
steps = []
for batch in batches:
    with accelerator.accumulate(model):
        accelerator.backward(model(batch).mean())
        if accelerator.sync_gradients:
            steps.append(model.weight.grad.item())
        optimizer.step()
        optimizer.zero_grad()
print("gradients of the steps", steps)
assert steps == [1.0, 0.5]
PYTHON
$python look.py
