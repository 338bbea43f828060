#!/usr/bin/env bash
# With bf16_full_eval=True an evaluation changes the model for good: after Trainer.evaluate() the weights are bfloat16, what is saved
# then is, and what is trained; the frequencies of rotary positions, which from_pretrained leaves in float32 when it loads a model in
# bfloat16, are rounded as well, so that far positions are others. Evaluations within train() leave the weights alone. Seen with
# transformers 5.24.0 (Trainer.evaluation_loop, model.to(torch.bfloat16)), torch 2.13.0, accelerate 1.15.0 and Python 3.11 on a CPU:
#   weights before evaluate(), after it, as saved after it   float32, bfloat16, bfloat16
#   the same without bf16_full_eval                          float32 in each case
#   logits of 2,048 tokens, beside those of the saved model loaded in bfloat16   others, by more than their standard deviation
#
# bash findings/transformers_full_eval.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

words = torch.randint(4, 44, (1, 2048), generator=torch.Generator().manual_seed(0))
rows = [{"input_ids": words[0, :8], "labels": words[0, :8]}] * 4
quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no"}


def dtype_of_saved(folder):
    return load_file(f"{folder}/model.safetensors")["model.norm.weight"].dtype


def look(full):
    torch.manual_seed(0)
    shape = {"hidden_size": 128, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=44, initializer_range=0.3, **shape))
    trainer = Trainer(model, TrainingArguments("out", bf16_full_eval=full, max_steps=1, eval_strategy="epoch", **quiet),
                      train_dataset=rows, eval_dataset=rows)
    trainer.train()
    before = model.dtype
    trainer.evaluate()
    trainer.save_model("saved")
    return model, (before, model.dtype, dtype_of_saved("saved"))


_, plain = look(full=False)
model, types = look(full=True)
frequencies = model.model.rotary_emb.inv_freq.dtype
loaded = LlamaForCausalLM.from_pretrained("saved", dtype=torch.bfloat16).eval()
kept = loaded.model.rotary_emb.inv_freq.dtype
with torch.no_grad():
    mine, theirs = (each(words).logits.float() for each in (model.eval(), loaded))
distance = (mine - theirs).abs().max().item()
print("without:", *plain, "; with:", *types)
print(f"frequencies {frequencies}, loaded {kept}; logits differ by {distance:.1f}, their deviation is {theirs.std():.1f}")
assert plain == (torch.float32,) * 3 and types == (torch.float32, torch.bfloat16, torch.bfloat16)
assert (frequencies, kept) == (torch.bfloat16, torch.float32) and distance > theirs.std()
PYTHON
$python look.py 2>/dev/null | grep -E "^(without|frequencies)"
