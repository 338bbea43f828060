#!/usr/bin/env bash
# A sweep over range(0.1,0.4,0.1) has four jobs, and the last one is at 0.4, where the end is not to be part of it, as in
# range(0.1,0.5,0.1), which has four, too: the steps are added in a Decimal context of 28 digits, to the binary values of the numbers, so
# that errors decide. What a job is given, and what its directory is named by, has those errors too. A list of values has none. Seen with
# hydra-core 1.3.8 (core/override_parser/types.py, FloatRange) and Python 3.11:
#   x=range(0.1,0.4,0.1)   0.1, 0.2, 0.30000000000000004, 0.4
#   x=range(0.1,0.5,0.1)   the same
#   x=range(0.3,0.9,0.3)   0.3, 0.6, 0.8999999999999999
#   x=range(0,0.3,0.1)     0.0, 0.1, 0.2
#
# bash findings/hydra_float_range.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import hydra' 2>/dev/null || $python -m pip install -q hydra-core==1.3.8
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("hydra-core",)))'
cd "$work"
cat >look.py <<'PYTHON'
from hydra.core.override_parser.overrides_parser import OverridesParser

parser = OverridesParser.create()


def values(override):
    return [*parser.parse_override(override).sweep_iterator()]


found = {ends: values(f"x=range({ends})") for ends in ("0.1,0.4,0.1", "0.1,0.5,0.1", "0.3,0.9,0.3", "0,0.3,0.1")}
for ends, values in found.items():
    print(f"range({ends})", values)
assert found["0.1,0.4,0.1"] == found["0.1,0.5,0.1"] == [0.1, 0.2, 0.1 + 0.2, 0.4]
assert found["0.3,0.9,0.3"] == [0.3, 0.6, 0.3 + 0.6]
assert found["0,0.3,0.1"] == [0.0, 0.1, 0.2]
PYTHON
$python look.py
