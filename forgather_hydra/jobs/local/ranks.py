"""``python -m forgather_hydra.jobs.local.ranks FOLDER ...``: torchrun on one machine.

Its rendezvous is on the loopback interface. FOLDER, for its files, is removed in the end; what
follows are torchrun's own words.
"""

from __future__ import annotations

import shutil
import sys

from torch.distributed import run
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousParameters,
    rendezvous_handler_registry,
)
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import StaticTCPRendezvous

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


def main() -> None:
    """Entry point; exits as torchrun does."""
    folder, *words = sys.argv[1:]
    rendezvous_handler_registry.register(BACKEND, create)
    try:
        run.main([f"--rdzv-backend={BACKEND}", f"--log-dir={folder}", *words])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
