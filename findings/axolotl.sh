#!/usr/bin/env bash
# What docs/explanation/comparison.md says of axolotl. Seen with axolotl 0.19.0, transformers 5.16.1, trl 1.9.0, torch 2.13.0 and
# Python 3.11 on a CPU:
#   learning_ratee: 0.001 beside learning_rate in the file: it trains, exit 0, and its log does not name the key
#
# bash findings/axolotl.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import axolotl' 2>/dev/null || $python -m pip install -q axolotl==0.19.0 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("axolotl", "transformers", "trl", "torch")))'
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES= DO_NOT_TRACK=1 AXOLOTL_DO_NOT_TRACK=1
cd "$work"
$python "$here/peer_model.py" .
cat >tune.yaml <<YAML
base_model: $work/model
datasets:
  - path: $work/chats.jsonl
    ds_type: json
    type: chat_template
    field_messages: messages
dataset_prepared_path: $work/prepared
output_dir: $work/out
sequence_len: 64
micro_batch_size: 1
gradient_accumulation_steps: 1
max_steps: 2
optimizer: adamw_torch
learning_rate: 0.001
learning_ratee: 0.01
bf16: false
tf32: false
YAML
"$folder/env/bin/axolotl" train tune.yaml --launcher python >log 2>&1
grep -o "Training completed" log
! grep -q "learning_ratee" log
echo "its log does not name the misspelt key"
