#!/usr/bin/env bash
# A function that returns nothing for some rows, as one that has nothing to change there may, loses these rows in Dataset.map; if it is
# the last row, all that was changed in any other. Without a word. Where it returns nothing for every row, all rows stay as they were.
# Seen with datasets 5.2.0 (Dataset._map_single, its update_data) and Python 3.11, for a column 1, 2, 3 times 10:
#   {"a": 10 * a} for each row        10, 20, 30
#   nothing for the second row        10, 30
#   nothing for the third row         1, 2, 3
#   nothing for any                   1, 2, 3
#
# bash findings/datasets_map_none.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
import functools

from datasets import Dataset


def ten_times(row, leave):
    return None if row["a"] in leave else {"a": 10 * row["a"]}


def mapped(*leave):
    rows = Dataset.from_dict({"a": [1, 2, 3]})
    return rows.map(functools.partial(ten_times, leave=leave))["a"][:]


found = {leave: mapped(*leave) for leave in ((), (2,), (3,), (1, 2, 3))}
print(found)
assert found == {(): [10, 20, 30], (2,): [10, 30], (3,): [1, 2, 3], (1, 2, 3): [1, 2, 3]}
PYTHON
$python look.py 2>/dev/null
