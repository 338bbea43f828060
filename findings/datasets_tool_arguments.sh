#!/usr/bin/env bash
# Calls of tools in one conversation get the arguments of all others, as None, and chat templates write them out: Dataset.from_list and
# from_dict have one set of keys for a column, in mappings within lists too. What load_dataset reads from .jsonl, and from_generator from a
# function, is left as it is, so that one conversation is two texts. on_mixed_types="use_json" keeps what is said. Seen with datasets
# 5.2.0 and Python 3.11, for the arguments {"city": "Ulm"} in the first row and {"zone": 1} in the second:
#   Dataset.from_list(rows), from_dict                            {'city': 'Ulm', 'zone': None}
#   from_list(rows, on_mixed_types="use_json")                    {'city': 'Ulm'}
#   load_dataset("json", data_files=...), from_generator(...)     {'city': 'Ulm'}
#
# bash findings/datasets_tool_arguments.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
cat >look.py <<'PYTHON'
import json
from pathlib import Path

from datasets import Dataset, load_dataset

SAID = [{"city": "Ulm"}, {"zone": 1}]
rows = [
    {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": arguments}}]}]}
    for arguments in SAID
]
Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
made = {
    "from_list": Dataset.from_list(rows),
    "from_dict": Dataset.from_dict({"messages": [row["messages"] for row in rows]}),
    "from_generator": Dataset.from_generator(lambda: iter(rows), cache_dir="cache"),
    "use_json": Dataset.from_list(rows, on_mixed_types="use_json"),
    "load_dataset": load_dataset("json", data_files="rows.jsonl", split="train", cache_dir="cache"),
}
found = {
    name: [row["messages"][0]["tool_calls"][0]["function"]["arguments"] for row in table] for name, table in made.items()
}
for name, arguments in found.items():
    print(f"{name:16} {arguments}")
    assert (arguments == SAID) == (name not in ("from_list", "from_dict"))
assert found["from_list"][0] == {"city": "Ulm", "zone": None}
PYTHON
HF_HOME=$work/home HF_HUB_OFFLINE=1 $python look.py 2>/dev/null
