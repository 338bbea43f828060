#!/usr/bin/env bash
# An adapter that begins as a part of the weights (PiSSA, OLoRA) makes DPO compare with a model that nobody has trained: the reference
# is the model without its adapter, of which that part is missing. Where the adapter is on the model already, trl copies it, for which
# peft takes the part out once more: then the policy too is another model, and its saved adapter is not the one that was trained. No
# error. Seen with trl 1.16.0 (DPOTrainer.__init__, its "ref" adapter), peft 0.21.2 (LoraLayer.pissa_init), transformers 5.24.0,
# datasets 5.2.0, torch 2.13.0 and Python 3.11 on a CPU:
#   peft_config=LoraConfig()                             rewards of the first step 0, as of two equal models
#   peft_config=LoraConfig(init_lora_weights="pissa")    -0.2
#   model=get_peft_model(model, the same)                0; logits of the model moved by 5 as the trainer was made
#
# bash findings/trl_dpo_reference.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import trl, peft, torch, transformers' 2>/dev/null || $python -m pip install -q trl==1.16.0 peft==0.21.2 torch==2.13.0 transformers==5.24.0 datasets==5.2.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("trl", "peft", "torch", "transformers", "datasets")))'
cd "$work"
export HF_HUB_OFFLINE=1 HF_HOME=$work/home
cat >look.py <<'PYTHON'
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

names = ["<pad>", "</s>", *(f"w{number}" for number in range(40))]
words = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<pad>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>")
pairs = [{"prompt": f"w{n} w{n + 1}", "chosen": f" w{n + 2} w3", "rejected": f" w{n + 3}"} for n in range(20)]
settings = {"per_device_train_batch_size": 2, "max_steps": 3, "logging_steps": 1, "learning_rate": 0.01}
quiet = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "use_cpu": True, "bf16": False}
text = torch.tensor([[5, 6, 7, 8, 9]])


def base():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(names), initializer_range=0.3, **shape))


def logits(model):
    with torch.no_grad():
        return model.eval()(text).logits


def prepare(model, **options):
    arguments = DPOConfig(output_dir="out", **settings, **quiet)
    data = Dataset.from_list(pairs)
    return DPOTrainer(model, args=arguments, train_dataset=data, processing_class=tokenizer, **options)


def first_reward(trainer):
    trainer.train()
    return trainer.state.log_history[0]["rewards/chosen"]


for begin in (True, "pissa", "olora"):
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=begin)
    by_trl = first_reward(prepare(base(), peft_config=config))

    model = get_peft_model(base(), config)
    before = logits(model)
    trainer = prepare(model)
    moved = (logits(model) - before).abs().max().item()
    own = first_reward(trainer)
    model.save_pretrained("adapter")
    loaded = (logits(PeftModel.from_pretrained(base(), "adapter")) - logits(model)).abs().max().item()

    print(f"{begin}: first reward {by_trl:.4f}; of a model with its adapter {own:.4f}, moved {moved:.2f}, loaded {loaded:.2f} away")
    if begin is True:
        assert by_trl == own == moved == loaded == 0
    else:
        assert abs(by_trl) > 0.01 and own == 0 and moved > 0.1 and loaded > 0.1
PYTHON
$python look.py 2>/dev/null | grep away
