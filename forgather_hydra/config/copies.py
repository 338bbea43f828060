"""Processes that were started side by side, and do not know of each other."""

from __future__ import annotations

import os

from forgather_hydra.errors import warn
from forgather_hydra.template.source_map import Origin

# Where those who start processes tell each which one it is, and how many there are.
_STARTERS = {
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    "mpirun": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
}


def tell_copies() -> None:
    """Warn where srun or mpirun has started several processes, each of which will do everything.

    They may be meant to: each with a seed of its own.
    """
    if "WORLD_SIZE" in os.environ:
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
