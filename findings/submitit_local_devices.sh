#!/usr/bin/env bash
# Hydra's launcher on this machine by submitit hides all GPUs from jobs, unless told otherwise, and then every job gets the same ones;
# those that the shell has chosen count for nothing. Seen with hydra-core 1.3.8, hydra-submitit-launcher 1.2.0, submitit 1.5.4 and
# Python 3.11, for two jobs of a sweep that run at a time, under CUDA_VISIBLE_DEVICES=3,5:
#   hydra/launcher=submitit_local                                     CUDA_VISIBLE_DEVICES is '' in both
#   hydra/launcher=submitit_local hydra.launcher.gpus_per_node=1      0 in both
#   hydra/launcher=basic                                              3,5 in both
#
# bash findings/submitit_local_devices.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import hydra_plugins.hydra_submitit_launcher' 2>/dev/null || $python -m pip install -q hydra-core==1.3.8 hydra-submitit-launcher==1.2.0 submitit==1.5.4
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("hydra-core", "hydra-submitit-launcher", "submitit")))'
cd "$work"
cat >look.py <<'PYTHON'
import os
from pathlib import Path

import hydra


@hydra.main(version_base=None)
def main(config):
    Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir, "seen").write_text(
        os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
    )


main()
PYTHON
export CUDA_VISIBLE_DEVICES=3,5
look() { # look EXPECTED WORD...
    local expected=$1
    shift
    $python look.py -m +job=1,2 hydra.sweep.dir=out "$@" >log 2>&1
    echo "$*: $(cat out/0/seen) | $(cat out/1/seen)"
    [ "$(cat out/0/seen)" = "$expected" ] && [ "$(cat out/1/seen)" = "$expected" ]
    rm -rf out
}
look 3,5 hydra/launcher=basic
look "" hydra/launcher=submitit_local
look 0 hydra/launcher=submitit_local hydra.launcher.gpus_per_node=1
