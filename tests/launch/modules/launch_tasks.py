"""Jobs that take no time, and tell what they have seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def told(x: float, seconds: float = 0) -> dict[str, Any]:
    """Says when and where it ran, in the file ``seen/PID``."""
    begin = time.time()
    time.sleep(seconds)
    names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MARK")
    seen = {name: os.environ.get(name) for name in names}
    Path("seen").mkdir(exist_ok=True)
    seen |= {"begin": begin, "end": time.time(), "x": x, "session": os.getsid(0)}
    seen |= {"cores": len(os.sched_getaffinity(0))}
    Path("seen", str(os.getpid())).write_text(json.dumps(seen))
    return {"eval_loss": abs(x - 3), "seen": seen}


def meets(x: float) -> dict[str, float]:
    """Ends once another job has begun."""
    Path(f"here-{x}").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    deadline = time.monotonic() + 250
    while len(list(Path().glob("here-*"))) < 2:
        if time.monotonic() > deadline:
            raise RuntimeError("nobody came")
        time.sleep(0.05)
    return {"eval_loss": x}


def fails(x: float) -> dict[str, float]:
    """Each way to fail has a number."""
    if x == 1:
        raise ValueError("one is not wanted")
    if x == 2:
        os._exit(7)
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if x == 4:
        sys.exit("no way")
    if x == 5:
        raise Odd
    return {"eval_loss": float(x)}


class Odd(Exception):
    """An exception that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("odd")
        self.lock = threading.Lock()


def once(x: float) -> dict[str, float]:
    """Fails the first time."""
    marker = Path(f"failed-{x}")
    if not marker.exists():
        marker.touch()
        raise RuntimeError("not yet")
    return {"eval_loss": x}


def counted(x: float) -> dict[str, float]:
    """Leaves a line for each call; does not end while there is a file ``hold-X``."""
    with open("calls.txt", "a") as file:
        file.write(f"{x}\n")
    Path("pid").write_text(str(os.getpid()))
    while Path(f"hold-{x}").exists():
        time.sleep(0.05)
    return {"eval_loss": x}


def stubborn(x: float) -> None:
    """Has a child, and never ends."""
    child = subprocess.Popen(["sleep", "600"])
    Path(f"pids-{x}").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)


def deaf(x: float) -> None:
    """Does not end when it is told to; says which process it is in ``deaf-ATTEMPT-RANK``."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    rank = os.environ["RANK"]
    attempt = len(list(Path().glob(f"deaf-*-{rank}"))) + 1
    Path(f"deaf-{attempt}-{rank}").write_text(f"{os.getpid()} {os.getppid()}")
    time.sleep(600)


def edited(x: float) -> dict[str, Any]:
    """What the module ``project_code``, in the working directory, says."""
    from project_code import ANSWER

    return {"eval_loss": float(x), "answer": ANSWER}


def answers(x: int) -> dict[str, Any]:
    """Fails unless ``project_code`` has a number."""
    from project_code import ANSWER

    if isinstance(ANSWER, str):
        raise TypeError(ANSWER)
    return {"eval_loss": float(x), "answer": ANSWER * x}


def all_fail(x: str) -> None:
    """Every process fails alike, or one leaves without a word."""
    if x == "value":
        raise ValueError("not so")
    if x == "code":
        print(1 / 0)
    if os.environ["RANK"] == "1":
        os._exit(7)
    time.sleep(60)


def unfinished(x: float) -> dict[str, Any]:
    """Has stopped at the cluster's signal, and wants to go on."""
    Path(os.environ["RUN"], "REQUEUE").write_text('{"reason": "SIGTERM"}')
    return {"eval_loss": float(x), "stopped": True}


def boxed(x: float) -> dict[str, Any]:
    """What it finds in a container."""
    import forgather_hydra

    code = Path(forgather_hydra.__file__)
    image = Path("/IMAGE").read_text()
    extra = sorted(path.name for path in Path("/extra").iterdir())
    seen = {"image": image, "extra": extra, "mark": os.environ["MARK"], "code": str(code)}
    return {"eval_loss": float(x), "cwd": os.getcwd(), **seen}


def listening() -> list[str]:
    """The addresses at which this process, or the one that has started it, can be reached."""
    import psutil

    own = (psutil.Process(), psutil.Process().parent())
    sockets = [socket for each in own if each for socket in each.net_connections("inet")]
    return sorted({socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN})


def ranks(x: float) -> dict[str, Any]:
    """Every process tells its rank; process 1 fails if `x` is 1, and is killed if it is 2."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    if dist.get_rank() == 1 and x == 1:
        raise ValueError("the second process does not like it")
    if dist.get_rank() == 1 and x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    total = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(total)
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    seen = {name: os.environ.get(name) for name in (*names, "CUDA_VISIBLE_DEVICES")}
    seen |= {"reached_at": listening()}
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, seen)
    dist.destroy_process_group()
    return {"eval_loss": total.item(), "everyone": everyone}
