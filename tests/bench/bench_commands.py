"""Time what a person waits for: commands that start, compose and launch, beside Hydra alone.

    python tests/bench/bench_commands.py [--rounds 9] [--only ROW,ROW]

Rows: cfg, sweep, plain, cluster, parallel, render, memory. Figures are processor time of whole
processes, medians of turns taken in one run; where a row says so, wall time or memory instead.
Stock Hydra is this environment with our plugins hidden.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_launch import ALONE
from bench_sweep import sweep as sweep_of_nodes
from bench_sweep import write_trees

OURS = [sys.executable, "-m", "forgather_hydra"]
APPLICATION = """
import hydra
hydra.main(version_base=None, config_path="conf", config_name="config")(lambda cfg: None)()
"""
LIGHT = {
    "ls": ["forgather", "ls"],
    "pp": ["forgather", "pp"],
    "targets": ["forgather", "targets"],
    "--cfg job": [*OURS, "+experiment=baseline", "--cfg", "job"],
}
PEAK = (
    "import os, resource, subprocess, sys; "
    "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def seconds(command: Sequence[str], folder: Path, **environment: str) -> float:
    """Processor seconds of a command and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command, folder, **environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wall(command: Sequence[str], folder: Path) -> float:
    """Seconds until a command has ended."""
    start = time.perf_counter()
    run(command, folder)
    return time.perf_counter() - start


def run(command: Sequence[str], folder: Path, **environment: str) -> None:
    env = {**os.environ, **environment}
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


def turns(rounds: int, ways: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each way, of so many turns."""
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, measured in ways.items():
            found[way].append(measured())
    return {way: statistics.median(each) for way, each in found.items()}


def cfg(work: Path, rounds: int) -> None:
    """``--cfg job`` of the baseline, and stock Hydra on what it prints, as one file."""
    ours = [*OURS, "+experiment=baseline", "--cfg", "job"]
    printed = subprocess.run(ours, cwd=work, check=True, capture_output=True, text=True).stdout
    stock = application(work / "stock", printed, ALONE)
    found = turns(
        rounds,
        {
            "again": lambda: seconds(ours, work),
            "other value": lambda: seconds([*ours[:-2], "optimizer.lr=1e-5", *ours[-2:]], work),
            "nothing kept": lambda: seconds(ours, work, FORGATHER_CACHE="off"),
            "stock": lambda: seconds([*stock, "--cfg", "job"], work / "stock"),
        },
    )
    for way in ("again", "other value", "nothing kept"):
        tell(f"--cfg job of +experiment=baseline, {way} / stock", found[way] / found["stock"])


def application(folder: Path, config: str, before: str = "") -> list[str]:
    """Write a Hydra application of one file; the command that runs it."""
    (folder / "conf").mkdir(parents=True)
    (folder / "conf/config.yaml").write_text(config)
    (folder / "app.py").write_text(before + APPLICATION)
    return [sys.executable, "app.py"]


def sweep(work: Path, rounds: int) -> None:
    """A job of a sweep over 300 nodes, and stock Hydra on the same as plain YAML."""
    write_trees(work)

    def job(*words: str, jobs: int = 16) -> float:
        return (sweep_of_nodes(work, *words, jobs=jobs) - sweep_of_nodes(work, *words, jobs=1)) / (
            jobs - 1
        )

    found = turns(
        max(rounds // 3, 1),
        {
            "ours": lambda: job("show", "template", "hydra/sweeper=forgather"),
            "stock": lambda: job("hide", "plain", "hydra/sweeper=basic"),
        },
    )
    tell("a job of a sweep over 300 nodes / stock", found["ours"] / found["stock"])


def plain(work: Path, rounds: int) -> None:
    """An application without templates, with this package installed and without."""
    config = "seed: 1\nname: plain\n"
    ours, stock = application(work / "with", config), application(work / "without", config, ALONE)
    found = turns(
        3 * rounds,
        {
            "with": lambda: seconds([*ours, "hydra.output_subdir=null"], work / "with"),
            "without": lambda: seconds([*stock, "hydra.output_subdir=null"], work / "without"),
        },
    )
    tell("a plain application with this package / without", found["with"] / found["without"])


def cluster(work: Path, rounds: int) -> None:
    """Jobs of `stories` for SLURM, composed and checked, up to their submission."""

    def planned(jobs: int) -> float:
        rates = ",".join(f"{i + 1}e-5" for i in range(jobs))
        words = ["hydra/launcher=forgather_slurm", "hydra.launcher.dry_run=true"]
        return seconds([*OURS, "-m", "+experiment=stories", *words, f"optimizer.lr={rates}"], work)

    found = turns(max(rounds // 3, 1), {"a job": lambda: (planned(101) - planned(1)) / 100})
    tell("a job of +experiment=stories for SLURM", 1000 * found["a job"], "ms")


def parallel(work: Path, rounds: int) -> None:
    """Six runs of three steps, two at a time, and in one process."""
    words = ["-m", "+experiment=stories", "trainer.args.max_steps=3"]
    words.append("optimizer.lr=" + ",".join(f"{i + 1}e-5" for i in range(6)))
    run([*OURS, "+experiment=stories", "trainer.args.max_steps=1"], work)  # the data are cached
    found = turns(
        max(rounds // 3, 1),
        {
            "ours": lambda: wall([*OURS, *words, "hydra.launcher.max_parallel=2"], work),
            "basic": lambda: wall([*OURS, *words, "hydra/launcher=basic"], work),
        },
    )
    tell("six runs, two at a time / in one process (wall)", found["ours"] / found["basic"])


def render(work: Path, rounds: int) -> None:
    """The baseline's templates once more, with another value of a variable, to text."""
    from forgather_hydra.config.documents import library_renderer

    renderer = library_renderer(())

    def again(number: int) -> float:
        start = time.process_time()
        renderer.render("model/llama.yaml", pins={"n_heads": number})
        return time.process_time() - start

    again(0)
    found = statistics.median(again(number) for number in range(1, 5 * rounds))
    tell("a template with another value, warm", 1000 * found, "ms")


def memory(work: Path, rounds: int) -> None:
    """The most memory of commands that need no torch, and of a sweep that is only planned."""
    run(["forgather", "ws", "create", "project"], work)
    run(["forgather", "project", "create", "one"], work / "project")
    for name, command in LIGHT.items():
        tell(f"most memory of {name}", peak(command, work / "project" / "one"), "MB")
    write_trees(work)
    (work / "app.py").write_text(APPLICATION.replace('"conf"', '"template"'))
    launcher = ["hydra/launcher=forgather_local", "hydra.launcher.dry_run=true"]
    swept = ["-m", "+experiment=big", "hydra/sweeper=forgather", *launcher]
    few, many = (
        peak([sys.executable, "app.py", *swept, f"seed=range({n})"], work) for n in (5, 55)
    )
    tell("a job of a sweep over 300 nodes, planned", (many - few) / 50, "MB more")


def peak(command: Sequence[str], folder: Path) -> float:
    """The most memory of a command, in MB."""
    asked = [sys.executable, "-c", PEAK, *command]
    told = subprocess.run(asked, cwd=folder, check=True, capture_output=True, text=True)
    return int(told.stdout) / 1024


def tell(what: str, value: float, unit: str = "") -> None:
    print(f"{what:62} {value:8.2f} {unit}", flush=True)


ROWS = {each.__name__: each for each in (cfg, sweep, plain, cluster, parallel, render, memory)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default=",".join(ROWS))
    options = parser.parse_args()
    for row in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            ROWS[row](Path(folder), options.rounds)


if __name__ == "__main__":
    main()
