#!/usr/bin/env bash
# To look at an optimizer's state before the first step changes the training: torch.distributed.checkpoint makes the state by a step with
# gradients and a learning rate of 0, and forgets to take it back. A run that saves a checkpoint of step 0, as one that nobody saved
# would, takes other steps. Seen with torch 2.13.0 (distributed/checkpoint/state_dict.py, _init_optim_state) and Python 3.11 on a CPU;
# by how much the first step moves a weight, without and after get_optimizer_state_dict(model, optimizer), lr=0.1:
#   AdamW                             0.100   0.074, as its step counts as the second
#   SGD, momentum=0.9                 0.018   0.018
#   SGD, momentum=0.9, dampening=0.5  0.018   0.009
#   Rprop                             0.1     0.000001, the least it takes: it begins at that learning rate of 0
# optimizer.state_dict() and torch.save change nothing.
#
# bash findings/dcp_optimizer_state.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

OPTIMIZERS = {
    "AdamW": lambda weights: torch.optim.AdamW(weights, lr=0.1, weight_decay=0),
    "SGD": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9),
    "SGD with dampening": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, dampening=0.5),
    "Rprop": lambda weights: torch.optim.Rprop(weights, lr=0.1),
}


def moved(make, look):
    """By how much each of three steps moves the weights."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 4, bias=False)
    inputs = torch.randn(8, 4)
    optimizer = make(model.parameters())
    look(model, optimizer)
    steps = []
    for _ in range(3):
        before = model.weight.detach().clone()
        model(inputs).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        steps.append((model.weight - before).abs().mean().item())
    return steps


looks = {
    "not at all": lambda model, optimizer: None,
    "state_dict": lambda model, optimizer: optimizer.state_dict(),
    "checkpoint": get_optimizer_state_dict,
}
found = {name: [moved(make, look) for look in looks.values()] for name, make in OPTIMIZERS.items()}
for name, (without, by_itself, by_checkpoint) in found.items():
    print(f"{name}: first step {without[0]:.4f}, after get_optimizer_state_dict {by_checkpoint[0]:.6f}")
    assert without == by_itself
ratio = {name: after[0] / without[0] for name, (without, _, after) in found.items()}
assert abs(ratio["AdamW"] - 0.744) < 0.001 and abs(ratio["SGD"] - 1) < 1e-6
assert abs(ratio["SGD with dampening"] - 0.5) < 1e-6
assert ratio["Rprop"] < 1e-4
PYTHON
$python look.py
