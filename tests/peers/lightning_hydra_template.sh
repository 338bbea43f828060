#!/usr/bin/env bash
# What docs/explanation/comparison.md says of lightning-hydra-template. Seen with its commit bddbc24, lightning 2.6.6,
# hydra-core 1.3.2, torch 2.13.0 and Python 3.11 on a CPU, on pictures of noise in the place of MNIST:
#   trainer.max_epoch=1                            exit 1: Key 'max_epoch' is not in struct
#   model.optimizer._target_=torch.optim.NAdam     trains
#   -m model.optimizer.lr=0.1,0.01                 two runs, one after the other
#   one epoch, and one more with ckpt_path=        exit 1: UnpicklingError: Weights only load failed
#
# bash tests/peers/lightning_hydra_template.sh [FOLDER]   FOLDER: where it and its packages are, and are found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import lightning, hydra' 2>/dev/null ||
    $python -m pip install -q torch==2.13.0 torchvision lightning torchmetrics hydra-core==1.3.2 hydra-colorlog==1.2.0 \
        hydra-optuna-sweeper==1.2.0 rootutils rich
if [ ! -d "$folder/repo" ]; then
    git clone -q https://github.com/ashleve/lightning-hydra-template "$folder/repo"
    git -C "$folder/repo" checkout -q bddbc24
fi
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("lightning", "hydra-core", "torch")))'
export CUDA_VISIBLE_DEVICES=
$python - "$work/data/MNIST/raw" <<'PYTHON'
import struct
import sys
from pathlib import Path

import numpy as np

folder, numbers = Path(sys.argv[1]), np.random.default_rng(0)
folder.mkdir(parents=True)
for name, count in (("train", 300), ("t10k", 100)):
    pictures = numbers.integers(0, 256, (count, 28, 28), np.uint8)
    labels = numbers.integers(0, 10, count, np.uint8)
    head = struct.pack(">IIII", 2051, count, 28, 28)
    (folder / f"{name}-images-idx3-ubyte").write_bytes(head + pictures.tobytes())
    head = struct.pack(">II", 2049, count)
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
PYTHON
cat >"$work/train.py" <<'PYTHON'
import runpy
import sys

import torch

# Without which a torchvision that was built for a GPU is not imported beside a torch without one.
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
sys.argv[0] = "src/train.py"
runpy.run_path("src/train.py", run_name="__main__")
PYTHON
cd "$folder/repo"

train() { # train NAME WORD...: a run in the folder NAME
    local name=$1
    shift
    $python "$work/train.py" "paths.data_dir=$work/data/" "data.train_val_test_split=[200,100,100]" data.batch_size=50 seed=1 \
        test=false callbacks=model_checkpoint callbacks.model_checkpoint.dirpath="$work/$name" \
        callbacks.model_checkpoint.save_last=true "hydra.run.dir=$work/$name" "hydra.sweep.dir=$work/$name" "$@" >"$work/log" 2>&1
}
code=0
train misspelt trainer.max_epoch=1 || code=$?
grep -o "Key 'max_epoch' is not in struct" "$work/log" | head -1
[ "$code" = 1 ]
train nadam trainer.max_epochs=1 model.optimizer._target_=torch.optim.NAdam
grep -o "Starting training!" "$work/log" | head -1
train sweep trainer.max_epochs=1 model.optimizer.lr=0.1,0.01 -m
[ -d "$work/sweep/0" ] && [ -d "$work/sweep/1" ] && echo "two runs"
train half trainer.max_epochs=1
code=0
train rest trainer.max_epochs=2 "ckpt_path=$work/half/last.ckpt" || code=$?
grep -o "UnpicklingError: Weights only load failed" "$work/log" | head -1
[ "$code" = 1 ]
