#!/usr/bin/env bash
# To evaluate is to train another model: each evaluation of the Trainer draws from the random numbers of the training, though it has
# none to draw, as a DataLoader takes a seed for its workers whenever it begins, also without workers and without shuffling. So two
# runs of one seed differ once one of them evaluates. Seen with transformers 5.24.0 (Trainer.evaluation_loop), torch 2.13.0
# (utils/data/dataloader.py, _BaseDataLoaderIter, its _base_seed), accelerate 1.15.0 and Python 3.11 on a CPU, for losses of four steps:
#   attention_dropout=0.3, no evaluation beside one after each step   equal in the first step, others then
#   attention_dropout=0                                               equal
#
# bash findings/transformers_eval_random.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
import torch
from torch.utils.data import DataLoader
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

rows = [{"input_ids": row, "labels": row} for row in torch.arange(4, 40).reshape(6, 6)]
quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no"}


def losses(dropout, **evaluations):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=44, initializer_range=0.3, attention_dropout=dropout, **shape))
    arguments = TrainingArguments("out", max_steps=4, logging_steps=1, learning_rate=0.01, **evaluations, **quiet)
    trainer = Trainer(model, arguments, train_dataset=rows * 8, eval_dataset=rows)
    trainer.train()
    return [round(log["loss"], 4) for log in trainer.state.log_history if "loss" in log]


each = {"eval_strategy": "steps", "eval_steps": 1}
for dropout in (0.0, 0.3):
    without, with_evaluation = losses(dropout), losses(dropout, **each)
    print("dropout", dropout, "without", without, "with evaluations", with_evaluation)
    if dropout:
        assert without[0] == with_evaluation[0] and all(a != b for a, b in zip(without[1:], with_evaluation[1:]))
    else:
        assert without == with_evaluation

torch.manual_seed(0)
expected = torch.rand(1)
torch.manual_seed(0)
assert list(DataLoader([1, 2])) == [1, 2] and torch.rand(1) != expected
PYTHON
$python look.py 2>/dev/null | grep ^dropout
