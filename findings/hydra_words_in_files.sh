#!/usr/bin/env bash
# One value means two things in a file and on the command line of the same application: files are YAML 1.1, the command line has a grammar of
# its own, without its truth values, its numbers of other bases and its times. x=off is a text there, which `if cfg.x` takes for true. Sweeps
# and lists of hydra.sweeper.params are read as the command line is. Seen with hydra-core 1.3.8, omegaconf 2.3.1 and Python 3.11, for
# `x: VALUE` composed and `x=VALUE` given:
#   off, no, on, yes     a truth value in the file, a text on the command line
#   010, 0x1F, 0b1       8, 31 and 1; texts
#   1:30, 12:00:00       90 and 43200, whatever the unit; texts
#   nan, inf             texts; floats       .inf   a float; a text
#   1e-3, true, null     the same in both
#
# bash findings/hydra_words_in_files.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import hydra' 2>/dev/null || $python -m pip install -q hydra-core==1.3.8
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("hydra-core", "omegaconf")))'
cd "$work"
cat >look.py <<'PYTHON'
import math
import os
from pathlib import Path

from hydra import compose, initialize_config_dir

VALUES = ["off", "no", "on", "yes", "010", "0x1F", "0b1", "1:30", "12:00:00", "nan", "inf", ".inf", "1e-3", "true", "null"]
Path("given.yaml").write_text("x: 0\n")
found = {}
with initialize_config_dir(os.getcwd(), version_base=None):
    for value in VALUES:
        Path("written.yaml").write_text(f"x: {value}\n")
        found[value] = compose("written").x, compose("given", [f"x={value}"]).x
        print(f"{value:10} file {found[value][0]!r:8} command line {found[value][1]!r}")
assert [found[value] for value in ("off", "no", "on", "yes")] == [(False, "off"), (False, "no"), (True, "on"), (True, "yes")]
assert [found[value][0] for value in ("010", "0x1F", "0b1", "1:30", "12:00:00")] == [8, 31, 1, 90, 43200]
assert all(found[value][1] == value for value in ("010", "0x1F", "0b1", "1:30", "12:00:00", ".inf"))
assert found["nan"][0] == "nan" and math.isnan(found["nan"][1]) and found["inf"] == ("inf", math.inf)
assert [found[value] for value in ("1e-3", "true", "null")] == [(0.001, 0.001), (True, True), (None, None)]
PYTHON
$python look.py
