"""Processes that make a group, for tests that divide a model or its data."""

import multiprocessing
import os
import socket
from collections.abc import Callable

import torch

PRELOAD = ["accelerate", "torch.distributed.fsdp", "torch.distributed.pipelining", "transformers"]


def in_two_processes(function: Callable, *args) -> None:
    """Call `function(rank, *args)` in two processes that make a group."""
    in_processes(2, function, *args)


def in_processes(number: int, function: Callable, *args) -> None:
    """Call `function(rank, *args)` in so many processes that make a group.

    They are forked from a process that has imported the libraries, which takes the most time, and
    has computed nothing.
    """
    multiprocessing.set_forkserver_preload(PRELOAD)
    torch.multiprocessing.start_processes(
        _member, (number, free_port(), function, *args), nprocs=number, start_method="forkserver"
    )


def _member(rank: int, number: int, port: int, function: Callable, *args) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    function(rank, *args)
    torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
