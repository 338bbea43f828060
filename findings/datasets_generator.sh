#!/usr/bin/env bash
# A file that a generator reads, and that was edited, is not read again: from_generator knows its data by the function and its
# arguments, here a name of a file; load_dataset, which is given the same name, looks at the file.
# Seen with datasets 5.2.0 and Python 3.11, no warning, also from another process:
#   Dataset.from_generator(rows, gen_kwargs={"path": ...}) before and after an edit     the old rows, both times
#   load_dataset("json", data_files=...) before and after                               the old rows, the new ones
#
# bash findings/datasets_generator.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import datasets' 2>/dev/null || $python -m pip install -q datasets==5.2.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("datasets",)))'
cd "$work"
export HF_HUB_OFFLINE=1 HF_HOME=$work/home HF_DATASETS_DISABLE_PROGRESS_BARS=1
cat >look.py <<'PYTHON'
import json

from datasets import Dataset, load_dataset


def rows(path):
    with open(path) as file:
        yield from map(json.loads, file)


if __name__ == "__main__":
    generated = Dataset.from_generator(rows, gen_kwargs={"path": "data.jsonl"})
    loaded = load_dataset("json", data_files="data.jsonl", split="train")
    print(generated["text"][:], loaded["text"][:])
PYTHON
echo '{"text": "old"}' >data.jsonl
$python look.py 2>/dev/null | tee before
printf '{"text": "new"}\n{"text": "newer"}\n' >data.jsonl
$python look.py 2>/dev/null | tee after
[ "$(cat before)" = "['old'] ['old']" ]
[ "$(cat after)" = "['old'] ['new', 'newer']" ]
