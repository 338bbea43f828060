#!/usr/bin/env bash
# Of a model in bfloat16 lm-eval chooses the first of several long answers, though another is the likelier one: log-likelihoods are computed,
# and added up, in the type of the logits, and from 128 on bfloat16 knows whole numbers only, from 256 on even ones. What is equal then goes
# to the first. bfloat16 is what most models are loaded in (dtype="auto" is the default). softmax_dtype="float32" tells them apart. Seen with
# lm_eval 0.4.13 (models/huggingface.py, HFLM._loglikelihood_tokens), transformers 5.24.0, torch 2.13.0 and Python 3.11 on a CPU, for 60
# questions with four answers of 40 words each:
#   HFLM(pretrained=model)                               questions in which two answers share the first place: 10
#   HFLM(pretrained=model, softmax_dtype="float32")      none, the model being the same
#
# bash findings/lm_eval_bfloat16.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import lm_eval, transformers, torch, accelerate' 2>/dev/null || $python -m pip install -q lm_eval==0.4.13 transformers==5.24.0 torch==2.13.0 accelerate==1.15.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("lm_eval", "transformers", "torch")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

QUESTIONS, ANSWERS, WORDS = 60, 4, 200
words = ["</s>", *(f"w{number}" for number in range(WORDS))]
backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="</s>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="</s>")
torch.manual_seed(0)
shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.1}
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), eos_token_id=0, **shape)).bfloat16().eval()


def text(count):
    return " ".join(f"w{number}" for number in torch.randint(WORDS, (count,)).tolist())


questions = [text(10) for _ in range(QUESTIONS)]
requests = [Instance("loglikelihood", {}, (question, " " + text(40)), 0) for question in questions for _ in range(ANSWERS)]


def likelihoods(**options):
    harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, **options)
    found = [likelihood for likelihood, _ in harness.loglikelihood(requests, disable_tqdm=True)]
    return torch.tensor(found).view(QUESTIONS, ANSWERS)


usual, exact = likelihoods(), likelihoods(softmax_dtype="float32")
shared = [(found == found.max(1, keepdim=True).values).sum(1).gt(1).sum().item() for found in (usual, exact)]
other = (usual.argmax(1) != exact.argmax(1)).sum().item()
print(f"a first place is shared in {shared} of 60; other answers are chosen in {other} of 60; in bfloat16 {usual[0].tolist()}")
assert shared[0] >= 5 and not shared[1] and other > 0
assert torch.equal(usual, usual.round())
PYTHON
$python look.py 2>/dev/null | grep "of 60"
