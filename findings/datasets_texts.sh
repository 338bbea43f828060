#!/usr/bin/env bash
# Texts of a table do not stay texts. Seen with datasets 5.2.0, pandas 3.1.1, pyarrow 26.0.1 and Python 3.11:
#   the column of a .csv with the words yes, NA, None, null and nan   yes and four times nothing
#   a .jsonl whose texts are "2020-01-01" and "2021-05-06 11:00"     datetimes, in a column timestamp[s]
#   the same with one more line "later"                               texts, as they are written
#   answers in lists of messages                                      likewise, within the messages
#
# bash findings/datasets_texts.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import datasets' 2>/dev/null || $python -m pip install -q datasets==5.2.0 pandas==3.1.1 pyarrow==26.0.1
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("datasets", "pandas", "pyarrow")))'
export HF_HUB_OFFLINE=1 HF_HOME=$work/home
cd "$work"
cat >look.py <<'PYTHON'
import datetime
import json
from pathlib import Path

from datasets import load_dataset


def read(kind, name, content):
    Path(name).write_text(content, encoding="utf-8")
    return load_dataset(kind, data_files=name, split="train")


words = read("csv", "words.csv", "text\nyes\nNA\nNone\nnull\nnan\n")["text"][:]
print("words", words)
assert words == ["yes", None, None, None, None]

days = ["2020-01-01", "2021-05-06 11:00"]
lines = [json.dumps({"text": day}) + "\n" for day in days]
dates = read("json", "days.jsonl", "".join(lines))
print("days", dates.features, dates["text"][:])
assert all(isinstance(day, datetime.datetime) for day in dates["text"])

more = read("json", "more.jsonl", "".join([*lines, json.dumps({"text": "later"})]))
print("with one more line", more["text"][:])
assert more["text"][:] == [*days, "later"]

chat = [{"messages": [{"role": "assistant", "content": day}]} for day in days]
messages = read("json", "chat.jsonl", "\n".join(map(json.dumps, chat)))
print("messages", messages.features)
assert isinstance(messages[0]["messages"][0]["content"], datetime.datetime)
PYTHON
$python look.py
