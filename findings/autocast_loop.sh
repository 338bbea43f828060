#!/usr/bin/env bash
# A training loop inside of torch.autocast trains nothing, without a word: a weight is cast once, and the cast one is kept until the
# outermost autocast ends, whatever is written into the weight; gradients go to the weight all the same. So it is with an average of
# the weights that is copied in for an evaluation, and with load_state_dict. An autocast of its own for each step, inside of the other,
# helps nothing. Seen with torch 2.13.0 (aten/src/ATen/autocast_mode.cpp, cached_cast) and Python 3.11 on a CPU, for a linear regression:
#   losses with one autocast for each step           32.6 21.4 14.1 9.3 6.2
#   the same, the loop inside of one more            32.6 32.6 32.6 32.6 32.6, while the weights go on to move
#   torch.clear_autocast_cache() after each step     those of the first
#
# bash findings/autocast_loop.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import torch' 2>/dev/null || $python -m pip install -q torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("torch",)))'
cd "$work"
cat >look.py <<'PYTHON'
from contextlib import nullcontext

import torch


def bf16():
    return torch.autocast("cpu", torch.bfloat16)


def train(around, clear=False):
    torch.manual_seed(0)
    inputs = torch.randn(64, 4)
    targets = inputs @ torch.tensor([[1.0], [2], [3], [4]])
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses, weights = [], []
    with around:
        for _ in range(5):
            with bf16():
                loss = (model(inputs).float() - targets).pow(2).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if clear:
                torch.clear_autocast_cache()
            losses.append(round(loss.item(), 1))
            weights.append(model.weight.norm().item())
    return losses, weights


apart, _ = train(nullcontext())
inside, weights = train(bf16())
cleared, _ = train(bf16(), clear=True)
print("losses", apart, "inside", inside, "cleared", cleared)
assert apart[-1] < apart[0] / 4 and cleared == apart
assert len(set(inside)) == 1 and weights == sorted(set(weights))

layer = torch.nn.Linear(1, 1, bias=False)
with bf16():
    outputs = []
    for weight in (1.0, 2.0):
        layer.load_state_dict({"weight": torch.full((1, 1), weight)})
        outputs.append(layer(torch.ones(1)).item())
print("outputs of the weights 1 and 2", outputs)
assert outputs == [1, 1]
PYTHON
$python look.py
