#!/usr/bin/env bash
# A group that one defaults list overrides twice takes the first choice, without a word; a list of its own for the second one and
# the command line let the last one count. Seen with hydra-core 1.3.8, omegaconf 2.3.1 and Python 3.11:
#   defaults: [base, override db: one, override db: two]   db.name: one
#   the same with `override db: two` in a file of its own that lists the first one   db.name: two
#   db=one db=two on the command line   db.name: two
#
# bash findings/hydra_override_twice.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
mkdir db
for name in zero one two; do echo "name: $name" >db/$name.yaml; done
printf 'defaults: [db: zero, _self_]\n' >base.yaml
printf 'defaults:\n  - base\n  - override db: one\n  - override db: two\n' >twice.yaml
printf 'defaults:\n  - base\n  - override db: one\n' >once.yaml
printf 'defaults:\n  - once\n  - override db: two\n' >nested.yaml
cat >look.py <<'PYTHON'
import os

from hydra import compose, initialize_config_dir

with initialize_config_dir(os.getcwd(), version_base=None):
    found = {name: compose(name).db.name for name in ("twice", "nested")}
    found["command line"] = compose("base", ["db=one", "db=two"]).db.name
print(found)
assert found == {"twice": "one", "nested": "two", "command line": "two"}
PYTHON
$python look.py
