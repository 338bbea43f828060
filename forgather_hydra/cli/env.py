"""``forgather env``: what a report of a mistake needs to say about the machine, on one screen."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HYDRA_FULL_ERROR", "PYTHONPATH"),
    *("HF_HOME", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "XDG_CACHE_HOME"),
)
_GPUS = ("--query-gpu=index,name,memory.total,driver_version", "--format=csv,noheader")


def add_command(add: Any) -> None:
    """Add the command to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    add("env", _env, "print versions, devices and git state, for a report of a mistake")


def _env(options: argparse.Namespace) -> None:
    rows = [*_rows()]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


def _rows() -> Iterator[tuple[str, str]]:
    from forgather_hydra.paths import conf_dir
    from forgather_hydra.run.snapshot import git_state, versions

    yield from versions().items()
    yield "executable", sys.executable
    yield "installed in", str(conf_dir().parent)
    for name, folder in (("its git state", conf_dir().parent), ("git state here", Path.cwd())):
        state = git_state(folder)
        if state:
            yield name, f"{state['commit'][:12]}, {len(state['changed'])} files changed"
    yield "cores", str(os.cpu_count())
    yield "torch built for CUDA", _cuda() or "no"
    yield from (("GPU", line) for line in _gpus() or ["none"])
    yield "SLURM", _first_line("sbatch", "--version") or "no"
    yield from ((name, os.environ[name]) for name in _VARIABLES if name in os.environ)


def _cuda() -> str | None:
    """The version of CUDA that torch was built for, without importing torch."""
    import runpy

    spec = importlib.util.find_spec("torch")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        return None
    version: str | None = runpy.run_path(str(Path(folders[0], "version.py"))).get("cuda")
    return version


def _gpus() -> list[str]:
    return _output("nvidia-smi", *_GPUS).splitlines()


def _first_line(*command: str) -> str:
    return next(iter(_output(*command).splitlines()), "")


def _output(*command: str) -> str:
    import shutil
    import subprocess

    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout
