#!/usr/bin/env bash
# An evaluation that is left by break, as one of so many batches is, costs the epoch around it its last update: the loader of the evaluation
# stays the one whose end Accelerator.accumulate waits for, so that the batches which are left over at the end of the training's loader are
# no step. Their gradients wait for the next epoch, and are lost in the last one. An evaluation to its end does nothing of the kind. Seen
# with accelerate 1.15.0 (data_loader.py, DataLoaderShard.__iter__, whose end() a loop that is left does not reach), torch 2.13.0 and Python
# 3.11 on a CPU, for two epochs of ten batches whose gradients are 1/4, gradient_accumulation_steps=4, an evaluation in the first epoch:
#   none, or one to its end                 gradients 1, 1, 0.5 in both epochs
#   one that is left after its first batch  1, 1, and then 1, 1, 1, of which the first is that of two batches from each epoch
#
# bash findings/accelerate_broken_loop.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import accelerate, torch' 2>/dev/null || $python -m pip install -q accelerate==1.15.0 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("accelerate", "torch")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch.utils.data import DataLoader


def gradients(batches_of_evaluation):
    """Those with which the optimizer steps in two epochs."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=4)
    model = torch.nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    loaders = (DataLoader(torch.ones(count, 1), batch_size=1) for count in (10, 3))
    model, optimizer, training, evaluation = accelerator.prepare(model, optimizer, *loaders)
    found = []
    for epoch in range(2):
        for number, batch in enumerate(training):
            with accelerator.accumulate(model):
                accelerator.backward(model(batch).sum())
                if accelerator.sync_gradients:
                    found.append((epoch, model.weight.grad.item()))
                optimizer.step()
                optimizer.zero_grad()
            if (epoch, number) == (0, 1) and batches_of_evaluation:
                for seen, batch in enumerate(evaluation, 1):
                    model(batch)
                    if seen == batches_of_evaluation:
                        break
    return found


if __name__ == "__main__":
    found = {batches: gradients(batches) for batches in (0, 100, 1)}
    for batches, steps in found.items():
        print(f"evaluation of at most {batches:3} batches: (epoch, gradient) {steps}")
    assert found[0] == found[100] == [(epoch, size) for epoch in range(2) for size in (1, 1, 0.5)]
    assert found[1] == [(epoch, 1) for epoch in (0, 0, 1, 1, 1)]
PYTHON
$python look.py 2>/dev/null
