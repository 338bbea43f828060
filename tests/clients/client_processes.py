"""Two processes that make a group, for tests that divide a model."""

import multiprocessing
import os
import socket
from collections.abc import Callable

import torch


def in_two_processes(function: Callable, *args) -> None:
    """Call `function(rank, *args)` in two processes that make a group.

    They are forked from a process that has imported the libraries, which takes the most time, and
    has computed nothing.
    """
    multiprocessing.set_forkserver_preload(["accelerate", "torch.distributed.fsdp", "transformers"])
    torch.multiprocessing.start_processes(
        _member, args=(free_port(), function, *args), nprocs=2, start_method="forkserver"
    )


def _member(rank: int, port: int, function: Callable, *args) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    function(rank, *args)
    torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
