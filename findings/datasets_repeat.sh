#!/usr/bin/env bash
# A stream that is shuffled and then repeated comes in the same order each time: only set_epoch, which a loop over epochs calls, has it
# shuffled anew. So a training of so many steps on dataset.shuffle(seed).repeat() has the same neighbours in its batches for ever. What is
# repeated first is shuffled across its copies, and is no longer seen once in each of them. Seen with datasets 5.2.0 (iterable_dataset.py,
# RepeatExamplesIterable) and Python 3.11, for eight rows of two shards:
#   shuffle(seed=0, buffer_size=8).repeat(3)             one order, three times
#   the same without repeat, set_epoch(0), (1) and (2)   three orders
#   repeat(3).shuffle(seed=0, buffer_size=24)            rows of all copies mixed: some come twice before others come once
#
# bash findings/datasets_repeat.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
from datasets import Dataset

ROWS, TIMES = 8, 3
stream = Dataset.from_dict({"row": [*range(ROWS)]}).to_iterable_dataset(num_shards=2)


def rows(stream):
    return [row["row"] for row in stream]


def parts(found):
    return [found[start : start + ROWS] for start in range(0, len(found), ROWS)]


repeated = parts(rows(stream.shuffle(seed=0, buffer_size=ROWS).repeat(TIMES)))
shuffled, epochs = stream.shuffle(seed=0, buffer_size=ROWS), []
for number in range(TIMES):
    shuffled.set_epoch(number)
    epochs.append(rows(shuffled))
mixed = parts(rows(stream.repeat(TIMES).shuffle(seed=0, buffer_size=ROWS * TIMES)))
print("repeated", repeated, "\nepochs", epochs, "\nmixed", mixed)
assert len({*map(tuple, repeated)}) == 1 and repeated[0] != sorted(repeated[0])
assert len({*map(tuple, epochs)}) == TIMES
assert all(sorted(part) == [*range(ROWS)] for part in (*repeated, *epochs)) and len(set(mixed[0])) < ROWS
PYTHON
HF_HOME=$work/home HF_HUB_OFFLINE=1 $python look.py
