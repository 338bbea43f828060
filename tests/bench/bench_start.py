"""Time from the start of a process to the end of its first optimizer step, and its peak memory.

    python tests/bench/bench_start.py --rounds 5

The trainings are those of `bench_loop.py`, each in a fresh process, in turns. Figures are medians
over rounds of the ratio to the first implementation's process of the same round; the first round,
which fills the cache of files, is left out. Lightning is measured where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec


def child(name: str) -> None:
    """Trains until the first step has ended, prints processor seconds and peak MiB, and exits."""
    import bench_loop
    import torch

    torch.set_num_threads(1)

    def first_step() -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, flush=True)
        os._exit(0)

    with tempfile.TemporaryDirectory() as out:
        rows = bench_loop.Rows(60)
        bench_loop.IMPLEMENTATIONS[name](bench_loop.Model(), rows, first_step, out)


def measure(name: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MiB of one process."""
    command = [sys.executable, __file__, "--child", name]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - begin
    cpu, memory = map(float, done.stdout.split()[-2:])
    return wall, cpu, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers = "bare,ours,ours-accel,accelerate,hugging-face"
    lightning = ",lightning" if find_spec("lightning") else ""
    parser.add_argument("--impls", default=f"{peers}{lightning},bare")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child)
    names = options.impls.split(",")
    rounds = [[measure(name) for name in names] for _ in range(options.rounds + 1)][1:]
    for number, name in enumerate(names):
        row = {"impl": name}
        for column, key in enumerate(("wall", "cpu", "memory")):
            ratio = statistics.median(r[number][column] / r[0][column] for r in rounds)
            value = statistics.median(r[number][column] for r in rounds)
            unit = "mib" if key == "memory" else "s"
            row |= {f"{key}_{unit}": round(value, 2), f"{key}_times_bare": round(ratio, 3)}
        print(json.dumps(row))
    return None


if __name__ == "__main__":
    main()
