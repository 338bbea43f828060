#!/usr/bin/env bash
# What docs/explanation/comparison.md says of litgpt. Seen with litgpt 0.5.13, lightning 2.6.6, torch 2.13.0 and Python 3.11
# on a CPU:
#   --optimizer torch.optim.NAdam     LoRA trains two steps, and leaves a model with the adapter in its weights
#   --train.max_stepz 3               exit 2: Unrecognized arguments: --train.max_stepz 3
#   finetune_lora --resume auto       exit 2: Unrecognized arguments: --resume auto
#   --train.lr_warmup_steps 0         ZeroDivisionError
#
# bash tests/peers/litgpt.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import litgpt, requests, transformers' 2>/dev/null ||
    $python -m pip install -q litgpt==0.5.13 requests transformers torch==2.13.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("litgpt", "lightning", "torch")))'
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=
cd "$work"
$python "$here/../../findings/peer_model.py" . # for its tokenizer and its conversations
$python - <<'PYTHON'
import json
from pathlib import Path

import torch
from litgpt import GPT, Config
from litgpt.utils import save_config

config = Config(
    name="tiny", block_size=64, vocab_size=28, padded_vocab_size=28, n_layer=2, n_head=2, n_embd=32
)
torch.manual_seed(0)
torch.save(GPT(config).state_dict(), "model/lit_model.pth")
save_config(config, Path("model"))
Path("model/config.json").unlink()
rows = [json.loads(line)["messages"] for line in open("chats.jsonl", encoding="utf-8")]
answers = [{"instruction": a["content"], "output": b["content"]} for a, b in rows]
Path("rows.json").write_text(json.dumps(answers), encoding="utf-8")
PYTHON

tune() { # tune WORD...: two steps of LoRA
    "$folder/env/bin/litgpt" finetune_lora model --data JSON --data.json_path rows.json --data.val_split_fraction 0.1 \
        --train.max_steps 2 --train.epochs 1 --train.global_batch_size 2 --eval.final_validation false --precision 32-true \
        --out_dir out --train.lr_warmup_steps 1 "$@" >log 2>&1
}
refused() { # refused STATUS TEXT WORD...: it ends with STATUS, and says TEXT
    local status=$1 text=$2 code=0
    shift 2
    tune "$@" || code=$?
    grep -o "$text" log | tail -1
    [ "$code" = "$status" ]
}
tune --optimizer torch.optim.NAdam
[ -f out/final/lit_model.pth ] && echo "trained with NAdam"
refused 2 'Unrecognized arguments: --train.max_stepz 3' --train.max_stepz 3
refused 2 'Unrecognized arguments: --resume auto' --resume auto
refused 1 'ZeroDivisionError' --train.lr_warmup_steps 0
