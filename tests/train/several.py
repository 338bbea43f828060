"""``python -m several NUMBER MODULE WORD ...``: a module's `main` in processes of one group.

They are started by torchrun's own agent, and are forks of it, which has imported the module.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from warm import WarmProcess


def in_processes(
    process: WarmProcess, number: int, module: str, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run the `main` of a module of this folder in so many processes, which a warm one starts."""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1] / "run")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = ("-m", "several", str(number), module, *words)
    return process.python(*command, cwd=Path(words[0]), environment=environment)


def main() -> None:
    number, module, *words = sys.argv[1:]
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(number),
        run_id="several",
        rdzv_endpoint="localhost:0",
        rdzv_backend="c10d",
        max_restarts=0,
        start_method="fork",
    )
    elastic_launch(config, importlib.import_module(module).main)(*words)


if __name__ == "__main__":
    main()
