"""What the tests on a real SLURM cluster share."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@functools.cache
def why_not() -> str:
    """Why there is no cluster to test on; empty if there is one."""
    start = 'as root: eval "$(bash ../shared/slurm/start)"'
    if shutil.which("sbatch") is None:
        return f"SLURM is not installed ({start})"
    if not Path(os.environ.get("SLURM_CONF", "")).is_file():
        return f"SLURM_CONF names no cluster ({start})"
    if subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode:
        return f"the cluster of SLURM_CONF={os.environ['SLURM_CONF']} does not answer"
    return ""


needs_cluster = [pytest.mark.slurm, pytest.mark.skipif(bool(why_not()), reason=why_not())]


def has_accounts() -> bool:
    """Whether the cluster keeps jobs in a data base that ``sacct`` reads."""
    asked = subprocess.run(["sacct", "-n"], capture_output=True, check=False)
    return asked.returncode == 0


@functools.cache
def setting(name: str) -> str:
    """A setting of the cluster; empty without one."""
    if why_not():
        return ""
    shown = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True)
    rows = (line.partition("=") for line in shown.stdout.splitlines())
    return next((value.strip() for key, _, value in rows if key.strip() == name), "")


def call(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def until(holds: Callable[[], Any], seconds: float = 240) -> Any:
    """Wait for something to hold, and return what it is.

    A queued job may have to wait for more than one round of the scheduler, a minute each.
    """
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"it did not happen:\n{what_there_is()}"
        time.sleep(0.1)
    return found


def what_there_is() -> str:
    """Nodes and jobs as the cluster shows them, the nodes and their reasons first."""
    return "".join(call("scontrol", "show", kind) for kind in ("node", "job"))


def state(job: str) -> str:
    return call("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").strip()


def place(job: Path) -> str:
    """The cluster's id of the job in a directory."""
    return str(json.loads((job / ".launch/place.json").read_text())["id"])


def start_again(job: str, times: int = 1) -> None:
    """Wait until a job has been queued again, and have it wait no more for its credential."""

    def is_queued_again() -> bool:
        shown = call("scontrol", "show", "job", job)
        return f"Restarts={times} " in shown and "JobState=COMPLETING" not in shown

    until(is_queued_again)
    # A second later: slurmd takes a credential of the second in which it revoked one for that one.
    update = ("scontrol", "update", f"jobid={job}", "starttime=now+2")
    subprocess.run(update, check=False, capture_output=True)  # refused if it runs already


def has_text(path: Path) -> bool:
    return path.exists() and bool(path.read_text())
