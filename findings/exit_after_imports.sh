#!/usr/bin/env bash
# The end of a Python process can take a fifth of what its imports took: it looks through all that was imported, several times,
# for garbage. One call before it, gc.freeze(), leaves nothing to look through; what is made later is looked at as ever.
# Seen with torch 2.13.0, transformers 5.24.0 and Python 3.11; processor seconds of the imports and of the end of the process:
#   import torch                               2.3   0.7   with gc.freeze() last   0.2
#   import transformers.modeling_utils         6.5   1.4                           0.2
#
# bash findings/exit_after_imports.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import torch, transformers' 2>/dev/null || $python -m pip install -q torch==2.13.0 transformers==5.24.0
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("torch", "transformers")))'
cd "$work"
cat >look.py <<'PYTHON'
import resource
import statistics
import subprocess
import sys

END = "import gc, time; {}print(time.process_time(), flush=True)"


def seconds(module, last):
    """Processor time of importing a module, and of the end of the process after that."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = f"import {module}; {END.format(last)}"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(told.stdout), whole - float(told.stdout)


for module in ("torch", "transformers.modeling_utils"):
    seconds(module, "")  # files are read from the disk
    usual, frozen = zip(*((seconds(module, ""), seconds(module, "gc.freeze(); ")) for _ in range(5)))
    imports, end = (statistics.median(column) for column in zip(*usual))
    _, end_frozen = (statistics.median(column) for column in zip(*frozen))
    print(f"{module:28} {imports:5.1f} {end:5.1f}   with gc.freeze() {end_frozen:5.1f}")
assert end > 3 * end_frozen and end > imports / 10
PYTHON
$python look.py
