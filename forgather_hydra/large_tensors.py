"""Where torch puts large tensors on a CPU: where glibc can use the place of a freed one again."""

from __future__ import annotations

import os


def align_large_tensors() -> None:
    """Have torch put tensors of 2 MiB and more at multiples of 2 MiB, but where the user says no.

    To be called before torch makes its first tensor; processes started later do the same.

    At multiples of 64 bytes, as torch has them else, glibc cuts a few bytes off either end of a
    block and keeps these for small objects; once freed, the block is too short for the next tensor
    of its size. A third of what fine-tuning adds to the memory of a process was such holes.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
