"""How many cores this process may use: what it is kept to, and what it has been granted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

OWN, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def cores() -> int:
    """The cores that this process may use, at least one.

    A container, or a job of SLURM, may see all cores of its machine and be granted a few.
    """
    granted = [*_granted_by_groups(OWN, GROUPS), *_granted_by_slurm()]
    return max(min([_seen(), *granted]), 1)


def _seen() -> int:
    """Those that this process is not kept from; macOS does not keep a process to some."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _granted_by_groups(own: Path, groups: Path) -> Iterator[int]:
    """The limits of the group of processes that this one is in, and of those around it.

    Args:
        own: the file that says which group it is.
        groups: the folder of all.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    paths = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    for folder in [f for path in paths for f in (groups / path, *(groups / path).parents)]:
        if not folder.is_relative_to(groups):
            return
        try:
            quota, period = (folder / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            yield int(quota) // int(period)


def _granted_by_slurm() -> Iterator[int]:
    """What a job of SLURM has on this node, which not every cluster keeps it to."""
    granted = os.environ.get("SLURM_CPUS_ON_NODE", "")
    if "SLURMD_NODENAME" in os.environ and granted.isdecimal():
        yield int(granted)
