#!/usr/bin/env bash
# A key that is a number in a file cannot be overridden by that name, and what the error message advises makes a second one: the command line
# has texts between its dots, so that +d.1=z stands beside 1, and what reads the number has the old value. A mapping in braces has
# numbers. Seen with hydra-core 1.3.8, omegaconf 2.3.1 (OmegaConf.update too) and Python 3.11, for `d: {1: a, 2: b}`:
#   d.1=z              an error, "To append to your config use +d.1=z"
#   +d.1=z, ++d.1=z    {1: 'a', 2: 'b', '1': 'z'}, which as YAML is d: {1: a, 2: b, '1': z}
#   d={1:z}            {1: 'z', 2: 'b'}
#
# bash findings/hydra_number_keys.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
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
import os
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

Path("config.yaml").write_text("d: {1: a, 2: b}\n")
found = {}
with initialize_config_dir(os.getcwd(), version_base=None):
    for override in ("d.1=z", "+d.1=z", "++d.1=z", "d={1:z}"):
        try:
            found[override] = OmegaConf.to_container(compose("config", [override]).d)
        except ConfigCompositionException as error:
            found[override] = str(error).splitlines()[-1]
        print(f"{override:8} {found[override]}")
assert found["d.1=z"] == "To append to your config use +d.1=z"
assert found["+d.1=z"] == found["++d.1=z"] == {1: "a", 2: "b", "1": "z"}
assert found["d={1:z}"] == {1: "z", 2: "b"}
PYTHON
$python look.py
