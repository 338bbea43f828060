#!/usr/bin/env bash
# How long the last text might be is written into the tokenizer: a call of a fast tokenizer with truncation or padding sets them in the
# Rust object, save_pretrained writes them to tokenizer.json, and whatever reads that file without transformers cuts and fills each text,
# to a length that nobody chose for it. transformers itself, which sets them in each call, shows nothing. Seen with transformers 5.24.0
# (PreTrainedTokenizerFast.set_truncation_and_padding), tokenizers 0.23.3 and Python 3.11, after
# tokenizer(["w1"], padding="max_length", truncation=True, max_length=3):
#   Tokenizer.from_file("tokenizer.json").encode("w1 w2 w3 w4 w5").ids   3 of 5 tokens
#   the same of "w1"                                                     3 tokens, two of them padding
#   the folder loaded with transformers                                  5 and 1; so all of them where it was saved before the call
#
# bash findings/tokenizer_last_call.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import transformers, tokenizers' 2>/dev/null || $python -m pip install -q transformers==5.24.0 tokenizers==0.23.3
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("transformers", "tokenizers")))'
cd "$work"
cat >look.py <<'PYTHON'
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

names = ["<pad>", "</s>", *(f"w{number}" for number in range(1, 10))]
words = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<pad>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>")
texts = "w1 w2 w3 w4 w5", "w1"


def lengths(folder):
    tokenizer.save_pretrained(folder)
    alone, loaded = Tokenizer.from_file(f"{folder}/tokenizer.json"), PreTrainedTokenizerFast.from_pretrained(folder)
    return {
        "tokenizers": [len(alone.encode(text).ids) for text in texts],
        "transformers": [len(loaded(text)["input_ids"]) for text in texts],
    }


before = lengths("before")
tokenizer(["w1"], padding="max_length", truncation=True, max_length=3)
after = lengths("after")
print("before", before, "after", after)
assert set(map(tuple, before.values())) == {(5, 1)}
assert after == {"tokenizers": [3, 3], "transformers": [5, 1]}
PYTHON
$python look.py
