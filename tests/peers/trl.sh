#!/usr/bin/env bash
# What docs/explanation/comparison.md says of trl. Seen with trl 1.16.0, transformers 5.24.0, peft 0.21.2, datasets 5.2.0,
# torch 2.13.0 and Python 3.11 on a CPU:
#   trl sft --learning_ratee 1e-3         exit 2: unrecognized arguments: --learning_ratee
#   trl sft --optim torch.optim.Adagrad   exit 2: invalid choice, and the names to choose from
#   three steps of LoRA with dropout, and three more after a resume: the weights of six, bit for bit
#   packing=True: the answers of a document are the same, whatever stands before it in the row
#
# bash tests/peers/trl.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import trl' 2>/dev/null ||
    $python -m pip install -q trl==1.16.0 transformers==5.24.0 peft==0.21.2 datasets==5.2.0 torch==2.13.0
$python -c 'import trl, transformers, peft, torch
print("trl", trl.__version__, "transformers", transformers.__version__, "peft", peft.__version__, "torch", torch.__version__)'
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=
cd "$work"
$python "$here/../../findings/peer_model.py" .

refused() { # refused TEXT WORD...: the command ends with 2, and says TEXT
    local text=$1 code=0
    shift
    "$folder/env/bin/trl" sft --model_name_or_path model --dataset_name . --use_cpu true --bf16 false --output_dir out "$@" \
        >log 2>&1 || code=$?
    grep -o "$text.\{0,60\}" log | tail -1
    [ "$code" = 2 ]
}
refused 'unrecognized arguments: --learning_ratee' --learning_ratee 1e-3
refused "invalid choice: 'torch.optim.Adagrad'" --optim torch.optim.Adagrad
$python "$here/trl_runs.py"
