#!/usr/bin/env bash
# What a prompt or a prefix was trained to say is not what generate says: transformers now calls the cache `cache`, and peft looks for
# it as past_key_values. So the learned tokens of a prompt come once more before every new token, and a prefix is not there at all.
# Shapes and lengths are right. Seen with peft 0.21.2 (PeftModelForCausalLM.prepare_inputs_for_generation), transformers
# 5.24.0, torch 2.13.0 and Python 3.11 on a CPU, for three learned tokens, six tokens of text and four new ones, chosen greedily:
#   PromptTuningConfig: what the model computes anew   6 + 3, then 1 + 3 three times, where 1 would do
#   PrefixTuningConfig: what the cache has at first    0, where the prefix has 3
#   both: tokens of generate                           not those of model(text) called again and again; LoRA's are
#
# bash findings/peft_virtual_tokens.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import peft, torch, transformers' 2>/dev/null || $python -m pip install -q peft==0.21.2 torch==2.13.0 transformers==5.24.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("peft", "torch", "transformers")))'
cd "$work"
cat >look.py <<'PYTHON'
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

text = torch.randint(4, 44, (1, 6), generator=torch.Generator().manual_seed(0))
virtual = {"task_type": "CAUSAL_LM", "num_virtual_tokens": 3}
configs = LoraConfig(task_type="CAUSAL_LM"), PromptTuningConfig(**virtual), PrefixTuningConfig(**virtual)
for config in configs:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=44, initializer_range=0.3, eos_token_id=None, **shape))
    model = get_peft_model(base, config).eval()
    computed, cached = [], []

    def look(layer, arguments, options):
        given = options["input_ids"] if options["inputs_embeds"] is None else options["inputs_embeds"]
        computed.append(given.shape[1])
        cached.append(options["cache"].get_seq_length() if options["cache"] else None)

    hook = base.model.register_forward_pre_hook(look, with_kwargs=True)
    generated = model.generate(input_ids=text, attention_mask=torch.ones_like(text), max_new_tokens=4, do_sample=False)
    hook.remove()
    said = text
    for _ in range(4):
        said = torch.cat([said, model(said).logits[:, -1:].argmax(-1)], dim=1)
    same = torch.equal(generated, said)
    name = type(config).__name__
    print(f"{name}: computed {computed}, cached {cached}; generate {generated[0, 6:].tolist()}, by hand {said[0, 6:].tolist()}")
    if name == "LoraConfig":
        assert same and computed == [6, 1, 1, 1] and cached == [0, 6, 7, 8]
    elif name == "PromptTuningConfig":
        assert not same and computed == [9, 4, 4, 4]
    else:
        assert not same and computed == [6, 1, 1, 1] and cached[0] == 0
PYTHON
$python look.py 2>/dev/null
