#!/usr/bin/env bash
# LoRA as the documentation begins it does not train on a CPU. Seen with axolotl 0.19.0, torch 2.13.0 and Python 3.11:
#   adapter: lora, lora_dropout 0       "Auto-enabling LoRA kernel optimizations", then AssertionError: Torch not compiled with
#                                       CUDA enabled
#   and lora_mlp_kernel: false,
#   lora_qkv_kernel, lora_o_kernel      it trains
#
# bash findings/axolotl_lora_cpu.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import axolotl' 2>/dev/null || $python -m pip install -q axolotl==0.19.0 torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("axolotl", "torch")))'
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
adapter: lora
lora_r: 4
lora_alpha: 8
lora_target_linear: true
bf16: false
tf32: false
YAML
! "$folder/env/bin/axolotl" train tune.yaml --launcher python >log 2>&1
grep -ao "Auto-enabling LoRA kernel optimizations" log | tail -1
grep -ao "AssertionError: Torch not compiled with CUDA enabled" log | tail -1
printf 'lora_%s_kernel: false\n' mlp qkv o >>tune.yaml
"$folder/env/bin/axolotl" train tune.yaml --launcher python >log 2>&1
grep -ao "Training completed" log | tail -1
