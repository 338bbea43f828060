"""A tiny Llama, and 64 conversations for it, in the folder that is named: for the scripts here."""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder = Path(sys.argv[1])
words = ["<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="a"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>"
)
tokenizer.chat_template = "{% for m in messages %}{{ m.content + ' ' }}{% endfor %}"
torch.manual_seed(0)
sizes = {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 64}
shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": len(words)}
LlamaForCausalLM(LlamaConfig(**sizes, **shape, bos_token_id=0, eos_token_id=1)).save_pretrained(
    folder / "model"
)
tokenizer.save_pretrained(folder / "model")
with (folder / "chats.jsonl").open("w", encoding="utf-8") as file:
    for number in range(64):
        answer = " ".join("defgh"[: 1 + number % 5])
        turns = [{"role": "user", "content": "a b c"}, {"role": "assistant", "content": answer}]
        file.write(json.dumps({"messages": turns}) + "\n")
