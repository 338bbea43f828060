"""A model of words, its tokenizer, and a task for them."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = ["</s>", *"abcdefghij"]
TASK = """
task: letters
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{[first, second]}}}}"
doc_to_target: right
target_delimiter: " "
metric_list:
  - metric: acc
"""
ROWS = [
    {"question": "a b c", "first": "d", "second": "e", "right": 0},
    {"question": "e f", "first": "a", "second": "g", "right": 1},
    {"question": "h", "first": "i", "second": "b", "right": 0},
    {"question": "c d", "first": "a", "second": "e", "right": 1},
]


def word_tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")


def word_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64, bos_token_id=None, eos_token_id=0,
        pad_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()
