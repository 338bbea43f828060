"""How the processes of one machine find each other, where nobody else can reach them.

torchrun's own rendezvous, and the store that `torch.distributed` makes, listen on all interfaces,
and ask nobody who they are.
"""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

import psutil

ADDRESS = "127.0.0.1"
TIMEOUT_S = 300.0


def variables() -> dict[str, str]:
    """The variables by which gloo and NCCL stay on the machine."""
    own = next(
        (
            name
            for name, addresses in psutil.net_if_addrs().items()
            if any(address.address == ADDRESS for address in addresses)
        ),
        None,
    )
    return dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), own) if own else {}


def store(port: int = 0, timeout_s: float = TIMEOUT_S) -> Any:
    """A `TCPStore` for other processes of this machine; it serves them while it is referred to.

    Args:
        port: to listen at; any that is free if 0.
        timeout_s: for those who wait for a key.
    """
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    listener = socket.create_server((ADDRESS, port))
    return TCPStore(
        ADDRESS,
        listener.getsockname()[1],
        is_master=True,
        timeout=timedelta(seconds=timeout_s),
        wait_for_workers=False,
        multi_tenant=True,
        master_listen_fd=listener.detach(),
    )
