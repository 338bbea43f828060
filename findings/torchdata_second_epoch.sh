#!/usr/bin/env bash
# A StatefulDataLoader that goes on from its state has the rest of the epoch right, and another order than the uninterrupted one from the next
# epoch on, where it has a generator and no workers: the state keeps the generator as it was when the order of this epoch was drawn. Seen
# with torchdata 0.11.0 (stateful_dataloader/sampler.py, _StatefulRandomSamplerIterator), torch 2.13.0 and Python 3.11, for a state that is
# taken after two of five batches:
#   generator=g, num_workers=0   rest of the epoch equal, the two after it not
#   generator=g, num_workers=2   all equal
#   num_workers=0, no generator  all equal under one torch.manual_seed
#
# bash findings/torchdata_second_epoch.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import torchdata' 2>/dev/null || $python -m pip install -q torchdata==0.11.0 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("torchdata", "torch")))'
cd "$work"
cat >look.py <<'PYTHON'
import copy

import torch
from torchdata.stateful_dataloader import StatefulDataLoader


def loader(workers, own):
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(3) if own else None
    return StatefulDataLoader([*range(10)], batch_size=2, shuffle=True, num_workers=workers, generator=generator)


def epoch(loader):
    return [batch.tolist() for batch in loader]


if __name__ == "__main__":
    for workers, own in ((0, True), (2, True), (0, False)):
        whole = loader(workers, own)
        expected = [epoch(whole) for _ in range(3)]
        stopped = loader(workers, own)
        batches = iter(stopped)
        begun = [next(batches).tolist() for _ in range(2)]
        state = copy.deepcopy(stopped.state_dict())
        resumed = loader(workers, own)
        resumed.load_state_dict(state)
        equal = [begun + epoch(resumed) == expected[0], *(epoch(resumed) == expected[n] for n in (1, 2))]
        print(f"workers {workers} generator {own}: epochs equal {equal}")
        assert equal == [True, *[(workers, own) != (0, True)] * 2]
PYTHON
$python look.py 2>/dev/null
