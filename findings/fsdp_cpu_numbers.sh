#!/usr/bin/env bash
# Weights that FSDP2 draws in shards, as those of a model that was made without memory are, are the same in each process on CPUs: with
# two of them the second half of a weight repeats the first. There is a warning, of random operators without "complete support"; on
# GPUs each process draws its own part. Seen with torch 2.13.0 (distributed/tensor/_random.py, is_rng_supported_mesh) and Python 3.11,
# for a layer of 4 outputs, one seed in both processes:
#   drawn before fully_shard                                     four different rows
#   made on "meta", fully_shard, to_empty, reset_parameters()    rows 3 and 4 are rows 1 and 2
#
# bash findings/fsdp_cpu_numbers.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
import os

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def look(rank, folder):
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", rank=rank, world_size=2, store=store)
    mesh = init_device_mesh("cpu", (2,))
    torch.manual_seed(0)
    before = torch.nn.Linear(4, 4, bias=False)
    fully_shard(before, mesh=mesh)
    with torch.device("meta"):
        after = torch.nn.Linear(4, 4, bias=False)
    fully_shard(after, mesh=mesh)
    after.to_empty(device="cpu")
    torch.manual_seed(0)
    after.reset_parameters()
    rows = [[tuple(row) for row in layer.weight.full_tensor().tolist()] for layer in (before, after)]
    if rank == 0:
        print("different rows: drawn before", len(set(rows[0])), "and in shards", len(set(rows[1])))
    assert len(set(rows[0])) == 4 and rows[1][:2] == rows[1][2:]
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(look, args=(os.getcwd(),), nprocs=2)
PYTHON
OMP_NUM_THREADS=1 $python look.py 2>/dev/null
