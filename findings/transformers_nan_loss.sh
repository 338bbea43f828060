#!/usr/bin/env bash
# A training that diverged looks like the best one: from the first loss on that is no number, the Trainer logs 0.0, and train_loss, the
# mean that a sweep may compare, is the smaller the sooner it happens. An evaluation leaves batches without a number out of its mean, as
# long as one of them has one. logging_nan_inf_filter=False says what is so. Seen with transformers 5.24.0 (Trainer, its _tr_loss and
# evaluation_loop), torch 2.13.0, accelerate 1.15.0 and Python 3.11 on a CPU:
#   losses of six steps at learning_rate=1e30             3.8, then 0.0 five times; train_loss 0.63
#   the same with logging_nan_inf_filter=False            3.8, then nan; train_loss nan
#   eval_loss of four rows, the model giving nan for two  3.8; with logging_nan_inf_filter=False nan
#
# bash findings/transformers_nan_loss.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import transformers, torch, accelerate' 2>/dev/null || $python -m pip install -q transformers==5.24.0 torch==2.13.0 accelerate==1.15.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("transformers", "torch", "accelerate")))'
cd "$work"
cat >look.py <<'PYTHON'
import math

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

rows = [{"input_ids": row, "labels": row} for row in torch.arange(4, 28).reshape(4, 6)]
quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no"}


def make(**options):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=44, **shape))
    arguments = TrainingArguments("out", per_device_eval_batch_size=1, logging_steps=1, max_steps=6, **options, **quiet)
    return Trainer(model, arguments, train_dataset=rows * 4, eval_dataset=rows)


found = {}
for filtered in (True, False):
    trainer = make(learning_rate=1e30, logging_nan_inf_filter=filtered)
    mean = trainer.train().metrics["train_loss"]
    losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]

    trainer = make(logging_nan_inf_filter=filtered)
    with torch.no_grad():  # words of two of the four rows are no numbers
        trainer.model.model.embed_tokens.weight[4:16] = math.nan
    found[filtered] = losses, mean, trainer.evaluate()["eval_loss"]
    print("filter", filtered, "losses", [round(loss, 1) for loss in losses], "train_loss", mean, "eval_loss", found[filtered][2])
    assert losses[0] > 3

losses, mean, evaluated = found[True]
assert losses[1:] == [0.0] * 5 and 0.5 < mean < 0.7 and 3 < evaluated < 5
losses, mean, evaluated = found[False]
assert all(map(math.isnan, [*losses[1:], mean, evaluated]))
PYTHON
$python look.py 2>/dev/null | grep ^filter
