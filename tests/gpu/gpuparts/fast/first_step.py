"""Seconds to the first compiled step, in a new process: with an empty cache, and a warm one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from gpuparts.data import noise
from gpuparts.models import SHAPES, new_model
from gpuparts.peers import IMPLEMENTATIONS, Job
from gpuparts.setting import Outcome, Setting

LIMIT = 150


def run(setting: Setting) -> Outcome:
    found = Outcome(aims={"warm_ours_to_bare": ("<=", 1.1)})
    turns = (("cold", "bare"), ("warm", "bare"), ("warm", "ours"))
    for cache, name in setting.size(turns[2:], turns):
        found.figures[f"{cache}_{name}"] = seconds_to_first_step(setting, name)
        setting.keep(found)
    if "warm_bare" in found.figures:
        ratio = found.figures["warm_ours"] / found.figures["warm_bare"]
        found.figures["warm_ours_to_bare"] = ratio
    if not setting.on_gpu:
        found.notes.append("not compiled: a CPU's compiler takes long")
    return found


def seconds_to_first_step(setting: Setting, name: str) -> float:
    """From the start of a process to the end of its first step; all share one cache."""
    caches = {
        "TORCHINDUCTOR_CACHE_DIR": str(setting.folder / "inductor"),
        "TRITON_CACHE_DIR": str(setting.folder / "triton"),
    }
    words = [name, setting.device, str(int(setting.tiny)), str(setting.folder)]
    begin = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "gpuparts.fast.first_step", *words],
        env={**os.environ, **caches},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    return float(json.loads(done.stdout.splitlines()[-1])) - begin


def main(name: str, device: str, tiny: str, folder: str) -> None:
    from pathlib import Path

    setting = Setting(device, bool(int(tiny)), Path(folder), Path(folder))
    shape, batch, length = setting.size(("tiny", 2, 16), ("160m", 8, 2048))
    layers = setting.size(2, 4)  # which take long enough to compile
    model = new_model(setting.folder / name, shape, num_hidden_layers=layers).to(device)
    if setting.on_gpu:
        model.compile()
    rows = noise(batch * 2, length, SHAPES[shape]["vocab_size"])

    def end() -> None:
        setting.wait()
        print(json.dumps(time.time()), flush=True)
        os._exit(0)

    IMPLEMENTATIONS[name](Job(setting, model, rows, 2, batch, True, setting.folder), end)


if __name__ == "__main__":
    main(*sys.argv[1:])
