#!/usr/bin/env bash
# Shards that WebDataset shuffles come in one order, drawn once for all epochs: the generator that is to go on from epoch to epoch is made
# anew from the same seed in each. So the buffer of .shuffle(n), which samples leave at random, is filled from the same shards first in
# every epoch. detshuffle=True draws anew. Seen with webdataset 1.0.2 (filters._shuffle, to which compat.WebDataset gives a seed) and
# Python 3.11, for eight shards, three epochs:
#   shardshuffle=100                    one order, of the shards, three times
#   shardshuffle=100, detshuffle=True   three orders
#
# bash findings/webdataset_shards.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import webdataset' 2>/dev/null || $python -m pip install -q webdataset==1.0.2
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("webdataset",)))'
cd "$work"
cat >look.py <<'PYTHON'
import webdataset

for shard in range(8):
    with webdataset.TarWriter(f"shard-{shard}.tar") as writer:
        for number in range(20):
            writer.write({"__key__": f"{shard}-{number}", "txt": str(shard)})


def orders(**options):
    """In which order the shards come, in each of three epochs."""
    data = webdataset.WebDataset("shard-{0..7}.tar", shardshuffle=100, **options).decode().to_tuple("txt")
    return ["".join(dict.fromkeys(shard for (shard,) in data)) for _ in range(3)]


usual, other = orders(), orders(detshuffle=True)
print("shardshuffle", usual, "with detshuffle", other)
assert len(set(usual)) == 1 and set(usual[0]) == set("01234567") and len(set(other)) == 3
PYTHON
$python look.py 2>/dev/null
