"""``python -m forgather_hydra.jobs.local.ranks FOLDER ...``: torchrun on one machine.

Its rendezvous is on the loopback interface, and without devices its processes are forks of itself,
which imports once what they need. FOLDER, for its files, is removed in the end; it is followed by
the number of processes, what to import, separated by commas, and words for
`forgather_hydra.jobs.worker`.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import record
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousParameters,
    rendezvous_handler_registry,
)
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import StaticTCPRendezvous
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from forgather_hydra.jobs import worker
from forgather_hydra.jobs.local.fork_server import have_imported, seed
from forgather_hydra.jobs.local.loopback import ADDRESS, TIMEOUT_S, store

BACKEND = "loopback"


class Loopback(StaticTCPRendezvous):
    """The rendezvous of a single agent, which serves its workers on the loopback interface."""

    def __init__(self, run_id: str) -> None:
        served = store()
        super().__init__(ADDRESS, served.port, 0, 1, run_id, int(TIMEOUT_S))
        self._store = served

    def get_backend(self) -> str:
        return BACKEND


def create(parameters: RendezvousParameters) -> RendezvousHandler:
    return Loopback(parameters.run_id)


@record
def main() -> None:
    """Entry point; exits as torchrun does."""
    folder, procs, modules, *words = sys.argv[1:]
    rendezvous_handler_registry.register(BACKEND, create)
    # A process that has looked for devices, and found some, cannot be forked.
    forks = sys.platform == "linux" and not torch.accelerator.is_available()
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(procs),
        logs_specs=DefaultLogsSpecs(folder),
        rdzv_backend=BACKEND,
        max_restarts=0,
        monitor_interval=0.1,
        start_method="fork" if forks else "spawn",
    )
    try:
        if forks:
            have_imported([name for name in modules.split(",") if name])
            elastic_launch(config, rank)(*words)
        else:
            elastic_launch(config, sys.executable)("-P", "-m", worker.__name__, *words)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rank(*words: str) -> None:
    """Run one of the processes in this one, as if it had been started for it."""
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGQUIT):  # which torchrun passes on
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seed()
    sys.argv = [worker.__file__, *words]
    worker.main()


if __name__ == "__main__":
    main()
