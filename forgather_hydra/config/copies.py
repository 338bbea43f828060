"""Processes that were started side by side, whether they know of each other or not."""

from __future__ import annotations

import os

from forgather_hydra.errors import ForgatherError, warn
from forgather_hydra.template.source_map import Origin

# Where those who start processes tell each which one it is, and how many there are.
_STARTERS = {
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    "mpirun": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
}


def started_processes() -> int | None:
    """How many processes torchrun, or whoever it was, has started with this one, as one job.

    Returns:
        None where nobody says that there are others.

    Raises:
        ForgatherError: ``bad_launcher``, where what the environment says makes no sense: a process
            that is taken for the second one keeps no record.
    """
    rank, size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None and size is None:
        return None
    if rank and size and rank.isdecimal() and size.isdecimal() and int(rank) < int(size):
        return int(size)
    raise ForgatherError(
        "bad_launcher",
        f"the variables RANK ({rank or 'not set'}) and WORLD_SIZE ({size or 'not set'}) are to say "
        "which of how many processes this is",
        hint="unset RANK WORLD_SIZE, or start several processes with torchrun, which sets both",
    )


def tell_copies() -> None:
    """Warn where srun or mpirun has started several processes, each of which will do everything.

    They may be meant to: each with a seed of its own.

    Raises:
        ForgatherError: as of `started_processes`.
    """
    if started_processes():
        return
    for starter, (number, size) in _STARTERS.items():
        count = os.environ.get(size, "1")
        if count != "1" and os.environ.get(number) == "0":
            warn(
                "bad_launcher",
                f"{starter} has started {count} of these processes, and each runs all by itself",
                Origin("the command line", 1),
                f"one job of {count} processes is started by hydra/launcher=forgather_slurm "
                f"resources.nproc_per_node={count}, or by torchrun",
            )
