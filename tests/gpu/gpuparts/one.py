"""One part, in the process that is started for it."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpuparts import order
from gpuparts.setting import SO_FAR, Outcome, Setting

VERSIONS = ("torch", "transformers", "accelerate", "triton", "numpy")


def main(name: str, setting: Setting, log: str) -> None:
    """Runs a part and writes its line; what it prints goes to a file."""
    os.setsid()  # so that it can be ended with all that it has started
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    setting.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(setting.folder)
    line = found(name, setting)
    Path(log).with_suffix(".json").write_text(json.dumps(line))
    sys.stdout.flush()
    sys.stderr.flush()


def found(name: str, setting: Setting) -> dict[str, Any]:
    """The line of a part, whatever happens in it."""
    import torch

    if not setting.on_gpu:
        torch.set_num_threads(1)
    begin = time.perf_counter()
    error = None
    try:
        outcome = order.module(name).run(setting)
    except Exception as exception:
        traceback.print_exc()
        so_far = setting.folder / SO_FAR
        outcome = Outcome(json.loads(so_far.read_text()) if so_far.exists() else {}, ok=False)
        error = "".join(traceback.format_exception_only(exception)).strip()[:2000]
    line: dict[str, Any] = {
        "name": name,
        "ok": outcome.ok,
        "seconds": round(time.perf_counter() - begin, 2),
        "figures": {key: rounded(value) for key, value in outcome.figures.items()},
    }
    if setting.on_gpu and not setting.tiny:
        line["missed"] = outcome.missed()
    line |= {"notes": outcome.notes, "error": error} if error else {"notes": outcome.notes}
    return line | {"size": setting.size("tiny", "full"), **place(setting)}


def rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def place(setting: Setting) -> dict[str, Any]:
    """Device and versions."""
    import torch

    versions = {}
    for name in VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    device = "cpu"
    if setting.on_gpu:
        found = torch.cuda.get_device_properties(0)
        device = f"{found.name}, {found.total_memory / 2**30:.0f} GiB"
        versions["cuda"] = torch.version.cuda
    return {"device": device, "versions": versions}
