#!/usr/bin/env bash
# What docs/explanation/comparison.md says of the original Forgather, on its language. Seen with its commit f92f8b8, Python 3.11:
#   a wrong argument                        TypeError when it is called, without a line
#   a block that no parent has              no effect, and nothing is said
#   lr: 3e-4                                the text '3e-4'
#   a list of the parent's, and one more    both
#   one object under two names              one
#
# bash tests/peers/forgather.sh [FOLDER]   FOLDER: where it and its packages are, and are found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
# What its configurations need; it asks for Python 3.12 and for packages of GPUs, which its trainers need.
$python -c 'import jinja2, yaml, platformdirs' 2>/dev/null || $python -m pip install -q Jinja2==3.1.6 PyYAML platformdirs
if [ ! -d "$folder/repo" ]; then
    git clone -q https://github.com/jdinalt/forgather "$folder/repo"
    git -C "$folder/repo" checkout -q f92f8b8
fi
export PYTHONPATH=$folder/repo/src
cd "$work"
$python - <<'PYTHON'
from pathlib import Path

from forgather.config import ConfigEnvironment
from forgather.latent import Latent


def load(**files):
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text)
    return ConfigEnvironment(searchpath=["."]).load(f"{name}.yaml").config


base = "-- block items\nitems:\n    - one\n-- endblock items\n"
extends = "-- extends 'base.yaml'\n"
try:
    Latent.materialize(load(wrong="text: !call:textwrap:dedent\n    txt: hello\n"))
except TypeError as error:
    print("a wrong argument:", " ".join(str(error).split()))
    assert "wrong.yaml" not in str(error)
lost = load(base=base, lost=extends + "[itemz]\nitems:\n    - two\n")
print("a block that no parent has:", lost)
assert lost == {"items": ["one"]}
number = load(number="lr: 3e-4\n")
print("lr: 3e-4:", number)
assert number == {"lr": "3e-4"}
more = load(base=base, more=extends + "[items]\n    == super()\n    - two\n")
print("one more item:", more)
assert more == {"items": ["one", "two"]}
one = Latent.materialize(load(one="a: &a !singleton:collections:OrderedDict\nb: *a\n"))
print("one object:", one["a"] is one["b"])
assert one["a"] is one["b"]
PYTHON
