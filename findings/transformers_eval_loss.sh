#!/usr/bin/env bash
# The loss of an evaluation is another one with another batch size: the Trainer takes the mean of each batch over its targets, and of these the
# mean over rows, so that in a batch of rows with few targets each of these counts for more. Perplexities of runs that differ in
# per_device_eval_batch_size cannot be compared. The loss of the training is a mean over targets. Rows of conversations, of which only
# answers are learned, are such rows. Seen with transformers 5.24.0 (Trainer.evaluation_loop), torch 2.13.0, accelerate 1.15.0 and Python 3.11 on
# a CPU, for one model, three rows of 11 targets and three of 2:
#   mean over all targets                         5.2
#   eval_loss, per_device_eval_batch_size 6       the same
#   eval_loss, per_device_eval_batch_size 3, 1    4.8; in another order of the rows, by 3, 5.1
#
# bash findings/transformers_eval_loss.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

IGNORED = -100
draw = torch.Generator().manual_seed(0)
tokens = torch.randint(3, 40, (6, 12), generator=draw)
labels = tokens.clone()
labels[3:, :10] = IGNORED
rows = [{"input_ids": row, "labels": targets} for row, targets in zip(tokens, labels)]
torch.manual_seed(0)
shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.5}
model = LlamaForCausalLM(LlamaConfig(vocab_size=40, **shape)).eval()
with torch.no_grad():
    logits = model(tokens).logits[:, :-1].flatten(0, 1)
expected = torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten(), ignore_index=IGNORED).item()


def evaluated(size, rows):
    arguments = TrainingArguments("out", per_device_eval_batch_size=size, report_to="none", use_cpu=True, disable_tqdm=True)
    return Trainer(model, arguments, eval_dataset=rows).evaluate()["eval_loss"]


found = {size: evaluated(size, rows) for size in (6, 3, 1)}
mixed = evaluated(3, rows[::2] + rows[1::2])
print("loss of all targets", expected, "by batch size", found, "of 3, in another order", mixed)
assert abs(found[6] - expected) < 1e-4
assert all(abs(value - expected) > 0.1 for value in (found[3], found[1])) and abs(mixed - found[3]) > 0.05
PYTHON
$python look.py 2>/dev/null | grep "^loss"
