#!/usr/bin/env bash
# Gradient accumulation multiplies the gradient, by the number of batches, for models other than language models: the Trainer takes each
# forward with **kwargs for one that divides its loss by num_items_in_batch, and does not divide it once more. In transformers 5 most have
# them, for their attention, and drop the number. The logged loss is multiplied as well; what a mixture of experts adds for its balance
# too, though its other loss is right. Seen with transformers 5.24.0 (Trainer.__init__, model_accepts_loss_kwargs, and training_step), torch
# 2.13.0, accelerate 1.15.0 and Python 3.11 on a CPU; the norm of the gradient of eight rows, as 4 batches of 2 beside 1 of 8, without dropout:
#   LlamaForCausalLM                                                          1 times
#   T5ForConditionalGeneration, BertForMaskedLM                               4 times
#   BertForSequenceClassification, LlamaForSequenceClassification             4 times
#   MixtralForCausalLM, output_router_logits, and router_aux_loss_coef=100    4 times; what is not for the balance is small beside it
#
# bash findings/transformers_accumulation.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
import transformers
from transformers import Trainer, TrainingArguments

SIZES = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
NO_DROPOUT = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}
T5 = {"vocab_size": 40, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "dropout_rate": 0}
EXPERTS = {"num_key_value_heads": 2, "num_local_experts": 4, "output_router_logits": True, "router_aux_loss_coef": 100.0}
MODELS = {
    "LlamaForCausalLM": ("LlamaConfig", SIZES, 1),
    "T5ForConditionalGeneration": ("T5Config", T5 | {"decoder_start_token_id": 0}, 4),
    "BertForMaskedLM": ("BertConfig", SIZES | NO_DROPOUT, 4),
    "BertForSequenceClassification": ("BertConfig", SIZES | NO_DROPOUT | {"num_labels": 3}, 4),
    "LlamaForSequenceClassification": ("LlamaConfig", SIZES | {"num_labels": 3, "pad_token_id": 0}, 4),
    "MixtralForCausalLM": ("MixtralConfig", SIZES | EXPERTS, 4),
}
tokens = torch.randint(3, 40, (8, 12), generator=torch.Generator().manual_seed(0))


def logged(name, batch_size, batches):
    """The loss and the norm of the gradient of one step over all rows."""
    config, sizes, _ = MODELS[name]
    torch.manual_seed(0)
    model = getattr(transformers, name)(getattr(transformers, config)(**sizes))
    rows = [{"input_ids": row, "labels": number % 3 if "Classification" in name else row} for number, row in enumerate(tokens)]
    arguments = TrainingArguments(
        "out", per_device_train_batch_size=batch_size, gradient_accumulation_steps=batches, max_steps=1, learning_rate=0.0,
        logging_steps=1, report_to="none", use_cpu=True, save_strategy="no", disable_tqdm=True)
    trainer = Trainer(model, arguments, train_dataset=rows)
    trainer.train()
    return trainer.state.log_history[0]


for name, (*_, expected) in MODELS.items():
    whole, parts = logged(name, 8, 1), logged(name, 2, 4)
    times = {key: round(float(parts[key]) / float(whole[key]), 1) for key in ("loss", "grad_norm")}
    print(f"{name:32} times {times}")
    assert all(abs(value - expected) < 0.25 for value in times.values())
PYTHON
$python look.py 2>/dev/null | grep "times"
