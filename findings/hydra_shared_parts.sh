#!/usr/bin/env bash
# What a _partial_ of Hydra makes shares its parts with all others that it makes, and what two places take by interpolation they do not share:
# instantiate builds the parts of a partial once, before the first call, and builds what an interpolation points to again wherever it is
# written. So three layers of a factory train one set of weights, and a head that is tied by ${...} is a second one. Shapes are right in
# both. Seen with hydra-core 1.3.8 (_internal/instantiate/_instantiate2.py), omegaconf 2.3.1, torch 2.13.0 and Python 3.11:
#   layer: {_target_: Sequential, _partial_: true, _args_: [{_target_: Linear}]}, called three times   6 weights of the 18 that it prints
#   shared: {_target_: Linear}, encoder: {... ${shared}}, decoder: {... ${shared}}                      three layers, no two the same
#
# bash findings/hydra_shared_parts.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import hydra, torch' 2>/dev/null || $python -m pip install -q hydra-core==1.3.8 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("hydra-core", "omegaconf", "torch")))'
cd "$work"
cat >look.py <<'PYTHON'
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 2}
factory = instantiate(OmegaConf.create({"_target_": "torch.nn.Sequential", "_partial_": True, "_args_": [LINEAR]}))
layers = nn.Sequential(*(factory() for _ in range(3)))
printed = str(layers).count("Linear(in_features=2, out_features=2")
weights = sum(parameter.numel() for parameter in layers.parameters())
print("a partial: layers printed", printed, "weights", weights)
assert (printed, weights) == (3, 6) and layers[0] is not layers[1] and layers[0][0] is layers[2][0]

part = {"_target_": "torch.nn.Sequential", "_args_": ["${shared}"]}
made = instantiate(OmegaConf.create({"shared": LINEAR, "encoder": part, "decoder": part}))
found = {id(layer) for layer in (made.shared, made.encoder[0], made.decoder[0])}
print("an interpolation: layers", len(found))
assert len(found) == 3
PYTHON
$python look.py
