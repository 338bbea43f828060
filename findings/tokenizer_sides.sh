#!/usr/bin/env bash
# On which side a tokenizer fills and cuts is not saved where it was set on the tokenizer, as tokenizer.padding_side = "left" before
# generate is; what is loaded fills on the right. Other settings are saved so, and the sides too if they were arguments. Seen with
# transformers 5.24.0 (PreTrainedTokenizerBase.save_pretrained, which writes init_kwargs with few attributes), tokenizers 0.23.3 and
# Python 3.11; what is loaded of a tokenizer that is saved:
#   tokenizer.padding_side = tokenizer.truncation_side = "left"     right and right
#   PreTrainedTokenizerFast(..., padding_side="left", the other)    left and left
#   tokenizer.model_max_length = 7, tokenizer.chat_template = ...   as they were set
#
# bash findings/tokenizer_sides.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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


def make(**options):
    words = Tokenizer(models.WordLevel({"<pad>": 0, "a": 1, "b": 2, "c": 3}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", **options)


def loaded(tokenizer):
    tokenizer.save_pretrained("saved")
    return PreTrainedTokenizerFast.from_pretrained("saved")


def ids(tokenizer):
    return tokenizer(["a b c", "a"], padding=True, truncation=True, max_length=2)["input_ids"]


SIDES = {"padding_side": "left", "truncation_side": "left"}
was_set, given = make(), make(**SIDES)
for name, side in SIDES.items():
    setattr(was_set, name, side)
was_set.model_max_length, was_set.chat_template = 7, "words"
of_set, of_given = loaded(was_set), loaded(given)
print("set", ids(was_set), "loaded", ids(of_set), "given", ids(given), "loaded", ids(of_given))
assert ids(was_set) == ids(given) == ids(of_given) == [[2, 3], [0, 1]]
assert ids(of_set) == [[1, 2], [1, 0]]
assert (of_set.model_max_length, of_set.chat_template) == (7, "words")
PYTHON
$python look.py 2>/dev/null
