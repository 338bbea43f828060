"""The models that tests/clients are run on: `python .ci/client_models.py FOLDER`.

One directory a model template of ours, and one of transformers' own Llama: what a test does must
work there before it says anything about ours. All are tiny, with weights so large that each token
matters to the next.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

import forgather_hydra as fg
from forgather_hydra import paths
from forgather_hydra.model import build_model, modeling_code

# Template and values: the kinds of attention, positions, norms and feed-forward layers.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"num_key_value_heads": 2}),
    "llama_tied": ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    "gpt2": ("gpt2", {}),
    "alibi": ("custom_alibi_glu", {}),
    "alibi_gqa": ("deepone", {"num_key_value_heads": 2}),
    "single_head": ("single_head", {"num_attention_heads": 1}),
    "moe": ("moe", {"num_key_value_heads": 2}),
    "mistral": ("mistral", {"num_key_value_heads": 2, "sliding_window": 8}),
    "qwen3": ("qwen3", {"num_key_value_heads": 2, "head_dim": 24}),
}
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}
TEXT = """Once upon a time there was a little fox who lived in a red house by the river.
Every morning the fox went to the market and bought bread, apples and a jar of honey.
One day it rained so hard that the river rose, and the fox had to walk to the hill.
On the hill lived an old owl. "What is the answer?" asked the owl. "I do not know," said the fox.
So they sat by the fire and told each other stories until the sun came out again."""
CHAT = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs, 320 of them: it can write any text."""
    special = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(special.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator([TEXT], trainer)
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        chat_template=CHAT,
        model_max_length=SHAPE["max_position_embeddings"],
        **special,
    )


def values(words: PreTrainedTokenizerFast) -> dict[str, Any]:
    ids = ("bos_token_id", "eos_token_id", "pad_token_id")
    return SHAPE | {"vocab_size": len(words)} | {name: getattr(words, name) for name in ids}


def ours(template: str, changes: dict[str, Any], directory: Path) -> PreTrainedModel:
    environment = fg.ConfigEnvironment(searchpath=paths.template_dirs())
    kwargs = environment.load(f"models/{template}.yaml").config.model.kwargs
    words = tokenizer()
    config = {**kwargs["config"], **values(words), **changes}
    config |= {name: 0.0 for name in config if name.endswith("dropout")}  # comparisons are exact
    return build_model(modeling_code(**kwargs["code"].kwargs), config, directory, words)


def theirs(directory: Path) -> PreTrainedModel:
    words = tokenizer()
    words.save_pretrained(directory)
    return LlamaForCausalLM(LlamaConfig(**values(words), num_key_value_heads=2))


def write(name: str, model: PreTrainedModel, directory: Path) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data.mul_(6)
    model.save_pretrained(directory)
    print(f"{name}: {model.num_parameters():,} parameters")


def main(folder: Path) -> None:
    torch.manual_seed(0)
    disable_progress_bar()
    write("reference", theirs(folder / "reference"), folder / "reference")
    for name, (template, changes) in MODELS.items():
        write(name, ours(template, changes, folder / name), folder / name)


main(Path(sys.argv[1]))
