"""Starts the processes of the parts, ends those that take too long, and keeps their lines."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from gpuparts import one, order
from gpuparts.setting import SO_FAR, Setting

LEAST = 5.0  # seconds left in which a part is still begun


def set_caches(scratch: Path) -> None:
    """Gives what libraries keep a place in `scratch`, common to all parts; nothing is fetched."""
    for name, folder in (
        ("TORCHINDUCTOR_CACHE_DIR", "inductor"),
        ("TRITON_CACHE_DIR", "triton"),
        ("HF_HOME", "hf"),
        ("HF_MODULES_CACHE", "hf/modules"),
        ("XDG_CACHE_HOME", "cache"),
    ):
        os.environ[name] = str(scratch / folder)
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # which leaves CUDA to the parts


@dataclass
class Running:
    """A part that runs."""

    name: str
    process: Any
    log: Path
    limit: float
    begin: float = field(default_factory=time.monotonic)

    def line(self, options: argparse.Namespace) -> dict[str, Any] | None:
        """Its line, once it has ended or has been ended; None before."""
        seconds = time.monotonic() - self.begin
        if self.process.is_alive() and seconds < self.limit:
            return None
        ended = not self.process.is_alive()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # with all that it has started
        self.process.join()
        path = self.log.with_suffix(".json")
        if ended and path.exists():
            line: dict[str, Any] = json.loads(path.read_text())
        else:
            code = self.process.exitcode
            why = f"ended with {code}" if ended else f"not done in {self.limit:.0f} s, and ended"
            line = {"name": self.name, "ok": False, "seconds": round(seconds, 2), "error": why}
            line |= {"figures": self.so_far(), "notes": [], "device": options.device}
        if not line["ok"]:
            line["output"] = self.log.read_text(errors="replace")[-1500:]
        return line

    def so_far(self) -> dict[str, Any]:
        """What it has found until it was ended."""
        path = self.log.with_suffix("") / SO_FAR
        return json.loads(path.read_text()) if path.exists() else {}


def run(names: list[str], options: argparse.Namespace, scratch: Path) -> int:
    """Runs the parts that have no line yet; 1 if one is not right, 3 if there was no time for all.

    Those that time nothing run beside each other.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "results.jsonl"
    done = set() if options.again else {line["name"] for line in read(results)}
    waiting = [name for name in names if name not in done]
    end = time.monotonic() + options.seconds
    running: list[Running] = []
    failed = 0
    while waiting or running:
        left = end - time.monotonic()
        while waiting and left > LEAST and is_free(waiting[0], running, options):
            running.append(begin(waiting.pop(0), options, scratch, left))
        if not running:
            break
        time.sleep(0.05)
        for part in list(running):
            if (line := part.line(options)) is not None:
                running.remove(part)
                failed += not line["ok"]
                keep(results, line)
    if waiting:
        print(f"no time for {', '.join(waiting)}: give the same command again")
    return 1 if failed else 3 if waiting else 0


def is_free(name: str, running: list[Running], options: argparse.Namespace) -> bool:
    """Whether a part may begin now: one that times something runs alone."""
    jobs = options.jobs or (4 if options.device == "cuda" else 1)
    kinds = {order.PARTS[part.name] for part in running}
    return not running or (kinds == {"right"} == {order.PARTS[name]} and len(running) < jobs)


def begin(name: str, options: argparse.Namespace, scratch: Path, left: float) -> Running:
    setting = Setting(
        options.device, options.tiny or options.device == "cpu", scratch / name, scratch
    )
    log = scratch / f"{name}.log"
    log.with_suffix(".json").unlink(missing_ok=True)
    log.touch()
    start = start_method(options.device)
    process = start.Process(target=one.main, args=(name, setting, str(log)))
    process.start()
    return Running(name, process, log, min(order.module(name).LIMIT, left))


@cache
def start_method(device: str) -> Any:
    """By a fork, which has imported what takes long, where a device works after one."""
    import transformers.trainer  # noqa: F401

    import forgather_hydra.model
    import forgather_hydra.train.trainer  # noqa: F401

    fork = multiprocessing.get_context("fork")
    trial = fork.Process(target=touch, args=(device,))
    trial.start()
    trial.join()
    return fork if trial.exitcode == 0 else multiprocessing.get_context("spawn")


def touch(device: str) -> None:
    import torch

    torch.zeros(1, device=device).sum().item()


def read(results: Path) -> list[dict[str, Any]]:
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text().splitlines()]


def keep(results: Path, line: dict[str, Any]) -> None:
    with results.open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    verdict = "ok" if line["ok"] else "NOT OK"
    missed = "".join(f"; {name}: {why}" for name, why in line.get("missed", {}).items())
    print(f"{line['name']:<20}{verdict:<8}{line['seconds']:>7.1f} s  {summary(line)}{missed}")


def summary(line: dict[str, Any]) -> str:
    if line.get("error"):
        return str(line["error"]).splitlines()[-1][:200]
    return " ".join([*(f"{k}={v}" for k, v in line["figures"].items()), *line["notes"]])[:600]
