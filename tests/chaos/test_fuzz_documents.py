"""Random documents are read or refused, in bounded memory.

`FUZZ_DOCUMENTS=100000 pytest tests/chaos/test_fuzz_documents.py` tries more of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch.multiprocessing
from documents import fuzz

DOCUMENTS = int(os.environ.get("FUZZ_DOCUMENTS", "2000"))


def _fuzz(rank: int, number: int, folder: Path) -> None:
    fuzz(number, rank, folder)


def test_documents_are_read_or_refused(tmp_path: Path) -> None:
    torch.multiprocessing.start_processes(
        _fuzz, (DOCUMENTS, tmp_path), nprocs=1, start_method="spawn"
    )
