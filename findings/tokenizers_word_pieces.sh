#!/usr/bin/env bash
# Training a WordPiece tokenizer twice on the same text gives two vocabularies: pieces that one of them has are not in the other, and most
# numbers are others, within one process as well as with a single thread. There is no seed. Unigram has the same pieces under other numbers,
# BPE is the same each time. Seen with tokenizers 0.23.3 (trainers of the Rust library) and Python 3.11, for five trainings of each on a text
# of 480 lines:
#   BpeTrainer         one vocabulary
#   UnigramTrainer     one set of pieces, some of whose numbers differ
#   WordPieceTrainer   several sets of pieces
#
# bash findings/tokenizers_word_pieces.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import tokenizers' 2>/dev/null || $python -m pip install -q tokenizers==0.23.3
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("tokenizers",)))'
cd "$work"
cat >look.py <<'PYTHON'
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

lines = [f"the cat sat on the mat {n % 7} times in {n % 5} houses" for n in range(400)]
lines += ["quick brown fox jumps over lazy dogs again and again", "pack my box with five dozen jugs"] * 40
options = {"special_tokens": ["<unk>"], "show_progress": False}
KINDS = {
    "BPE": (lambda: models.BPE(unk_token="<unk>"), trainers.BpeTrainer(vocab_size=120, **options)),
    "Unigram": (models.Unigram, trainers.UnigramTrainer(vocab_size=80, unk_token="<unk>", **options)),
    "WordPiece": (lambda: models.WordPiece(unk_token="<unk>"), trainers.WordPieceTrainer(vocab_size=120, **options)),
}


def vocabulary(model, trainer):
    tokenizer = Tokenizer(model())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer.get_vocab()


found = {}
for kind, (model, trainer) in KINDS.items():
    trained = [vocabulary(model, trainer) for _ in range(5)]
    found[kind] = len({frozenset(each) for each in trained}), len({frozenset(each.items()) for each in trained})
    print(f"{kind:10} sets of pieces {found[kind][0]}, with their numbers {found[kind][1]}")
assert found["BPE"] == (1, 1)
assert found["Unigram"][0] == 1 and found["Unigram"][1] > 1
assert found["WordPiece"][0] > 1
PYTHON
$python look.py
