#!/usr/bin/env bash
# What docs/explanation/comparison.md says of torchtitan. Seen with torchtitan 0.2.2, torch 2.13.0 and Python 3.11:
#   --training.stepz 3                         exit 2: Unrecognized options
#   --help                                     tensor, context and expert parallelism are options
#   two steps of its debug model on a CPU      AttributeError: module 'torch._C' has no attribute '_cuda_setDevice'
#
# bash tests/peers/torchtitan.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import torchtitan, triton' 2>/dev/null || $python -m pip install -q torchtitan==0.2.2 triton torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("torchtitan", "torch")))'
export CUDA_VISIBLE_DEVICES= RANK=0 LOCAL_RANK=0 WORLD_SIZE=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=29511

titan() { # titan STATUS WORD...: it ends with STATUS
    local status=$1 code=0
    shift
    $python -m torchtitan.train "$@" >"$log" 2>&1 || code=$?
    [ "$code" = "$status" ]
}
titan 2 --training.stepz 3
grep -o "Unrecognized options" "$log" | head -1
titan 0 --help
for kind in tensor context expert; do grep -o "parallelism.$kind.parallel.degree" "$log" | head -1; done
titan 1 --model.name llama3 --model.flavor debugmodel --training.steps 2
grep "_cuda_setDevice" "$log" | tail -1
