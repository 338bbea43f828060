#!/usr/bin/env bash
# What docs/explanation/comparison.md says of axolotl. Seen with axolotl 0.19.0, transformers 5.16.1, trl 1.9.0, torch 2.13.0 and
# Python 3.11 on a CPU:
#   learning_ratee: 0.01 beside learning_rate in the file     it trains, exit 0, and its log does not name the key
#   optimizer: torch.optim.NAdam                              ValueError, and the names to choose from
#   sample_packing: true                                      it trains, and warns that documents are not kept apart
#   six steps of LoRA with dropout, twice                     other weights, of the same file and seed: what a resume changes
#                                                             cannot be told
#   three steps, and three more after a resume                it goes on
#
# bash tests/peers/axolotl.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
$python "$here/../../findings/peer_model.py" .

tune() { # tune NAME STEPS OPTIMIZER [LINE]: a run in the folder NAME, with one more line in its file
    cat >tune.yaml <<YAML
base_model: $work/model
datasets:
  - path: $work/chats.jsonl
    ds_type: json
    type: chat_template
    field_messages: messages
dataset_prepared_path: $work/prepared
output_dir: $work/$1
seed: 7
sequence_len: 64
micro_batch_size: 2
gradient_accumulation_steps: 1
max_steps: $2
save_steps: 3
optimizer: $3
lr_scheduler: constant
learning_rate: 0.01
adapter: lora
lora_r: 4
lora_alpha: 8
lora_dropout: 0.1
lora_target_linear: true
lora_mlp_kernel: false
lora_qkv_kernel: false
lora_o_kernel: false
bf16: false
tf32: false
${4:-}
YAML
    "$folder/env/bin/axolotl" train tune.yaml --launcher python >log 2>&1
}
tune misspelt 2 adamw_torch "learning_ratee: 0.01"
! grep -q learning_ratee log
echo "trained, and its log does not name the misspelt key"
! tune nadam 2 torch.optim.NAdam
grep -ao "torch.optim.NAdam is not a valid OptimizerNames" log | tail -1
tune packed 2 adamw_torch "sample_packing: true"
grep -ao "does not handle cross-sample decontamination" log | tail -1
tune whole 6 adamw_torch
tune again 6 adamw_torch
tune halves 3 adamw_torch
tune halves 6 adamw_torch "resume_from_checkpoint: $work/halves/checkpoint-3"
grep -q '"global_step": 6' halves/checkpoint-6/trainer_state.json
$python -c '
import torch
from safetensors.torch import load_file
whole, again = (load_file(f"{name}/adapter_model.safetensors") for name in ("whole", "again"))
assert not all(torch.equal(weight, again[name]) for name, weight in whole.items())
print("resumed at step 3, trained to step 6; two whole runs of one seed differ")'
