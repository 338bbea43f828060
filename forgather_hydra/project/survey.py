"""Render the configurations of many projects in several processes, for all that list them.

``python -m forgather_hydra.project.survey DIR...`` is one of these processes: what it finds out
goes into the user's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Sequence

from forgather_hydra.errors import ForgatherError
from forgather_hydra.project.listing import is_kept, listed
from forgather_hydra.project.meta import load_meta
from forgather_hydra.template.kept import Disk

_SHARE = 6  # projects that are worth a process


def survey(projects: Sequence[str], disk: Disk) -> None:
    """Have what is not in the user's cache rendered by as many processes as there are cores."""
    new = [project for project in projects if not _is_kept(project, disk)]
    count = min(len(os.sched_getaffinity(0)), len(new) // _SHARE)
    if count < 2:
        return
    shares = [new[number::count] for number in range(count)]
    command = [sys.executable, "-m", "forgather_hydra.project.survey"]
    processes = [
        subprocess.Popen([*command, *share], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for share in shares
    ]
    for process in processes:
        process.wait()


def _is_kept(project: str, disk: Disk) -> bool:
    try:
        return is_kept(load_meta(project), disk)
    except ForgatherError:
        return True  # there is nothing to render


def main(projects: Sequence[str]) -> None:
    """Find out what some projects say; what is wrong is told by who lists them."""
    warnings.simplefilter("ignore")
    disk = Disk()
    for project in projects:
        try:
            list(listed(load_meta(project), disk))
        except ForgatherError:
            continue


if __name__ == "__main__":
    main(sys.argv[1:])
