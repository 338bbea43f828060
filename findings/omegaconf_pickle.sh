#!/usr/bin/env bash
# A small part of a configuration carries all of it: pickled for a pool or a cluster, or kept in a checkpoint, it holds whatever else
# stands in the file. Seen with omegaconf 2.3.1 and Python 3.11, for a part of one number beside 100,000 letters:
#   pickled: the part; its copy.deepcopy; what OmegaConf.merge makes of it    more than 100,000 bytes each, the letters within
#   its OmegaConf.to_container, and OmegaConf.create of that                  less than 1,000
#   the copy, once its parent has another number                              sees that, through an interpolation
#
# bash findings/omegaconf_pickle.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import omegaconf' 2>/dev/null || $python -m pip install -q omegaconf==2.3.1
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("omegaconf",)))'
cd "$work"
cat >look.py <<'PYTHON'
import copy
import pickle

from omegaconf import OmegaConf

whole = OmegaConf.create({"optimizer": {"lr": 0.1, "width": "${width}"}, "width": 64, "text": "x" * 100_000})
part = whole.optimizer
plain = OmegaConf.to_container(part)
forms = {
    "part": part,
    "deepcopy": copy.deepcopy(part),
    "merge": OmegaConf.merge(part, {"eps": 1e-8}),
    "container": plain,
    "made anew": OmegaConf.create(plain),
}
sizes = {name: len(pickle.dumps(form)) for name, form in forms.items()}
print(sizes)
assert all((sizes[name] > 100_000) == (name in ("part", "deepcopy", "merge")) for name in sizes)
assert pickle.loads(pickle.dumps(part))._get_parent().text == whole.text

whole.width = 128
print("width of the copy", forms["deepcopy"].width)
assert forms["deepcopy"].width == 128
PYTHON
$python look.py
