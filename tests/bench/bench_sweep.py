"""Time a sweep of an empty job over 300 nodes, against stock Hydra on the same as plain YAML.

python tests/bench/bench_sweep.py [jobs] [rounds]

The same @hydra.main application runs three ways: stock Hydra on the content as plain YAML (our
plugins hidden), our template with Hydra's sweeper, and our template with ours. Processor time of
whole processes, interleaved.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_compose import template, timed
from omegaconf import OmegaConf

APPLICATION = """
import sys
if sys.argv.pop(1) == "hide":
    class Hidden:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("hydra_plugins.forgather"):
                raise ModuleNotFoundError(name)
    sys.meta_path.insert(0, Hidden())
    import pkgutil
    listed = pkgutil.walk_packages
    pkgutil.walk_packages = lambda *args, **kwargs: (
        module for module in listed(*args, **kwargs) if "forgather" not in module.name
    )
import hydra
folder = sys.argv.pop(1)
hydra.main(version_base=None, config_path=folder, config_name="config")(lambda cfg: None)()
"""


def main(jobs: int, rounds: int) -> None:
    work = Path(tempfile.mkdtemp())
    write_trees(work)
    ways = {
        "stock Hydra, plain YAML": ("hide", "plain", "hydra/sweeper=basic"),
        "template, Hydra's sweeper": ("show", "template", "hydra/sweeper=basic"),
        "template, our sweeper": ("show", "template", "hydra/sweeper=forgather"),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, words in ways.items():
            many, one = sweep(work, *words, jobs=jobs), sweep(work, *words, jobs=1)
            seconds[way].append((many - one) / (jobs - 1))
    base = statistics.median(seconds["stock Hydra, plain YAML"])
    for way, found in seconds.items():
        each = statistics.median(found)
        print(f"{way:28} {each * 1000:7.0f} ms of CPU a job   {base / each:5.2f} times stock")


def write_trees(work: Path) -> None:
    """Write the configs of both ways: a template, and the same as plain YAML."""
    for name in ("template", "plain"):
        (work / name / "experiment").mkdir(parents=True)
        (work / name / "config.yaml").write_text("seed: 1\n")
    (work / "template" / "experiment" / "big.yaml").write_text(template(300))
    composed = timed(work / "template", "big", 1)[0]
    plain = "# @package _global_\n" + OmegaConf.to_yaml(composed)
    (work / "plain" / "experiment" / "big.yaml").write_text(plain)


def sweep(work: Path, plugins: str, folder: str, sweeper: str, jobs: int) -> float:
    """Processor seconds of one sweep."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["-m", "+experiment=big", f"seed=range({jobs})", sweeper, f"hydra.sweep.dir={work}/out"]
    subprocess.run(
        [sys.executable, "-c", APPLICATION, plugins, str(work / folder), *words],
        check=True,
        cwd=work,
        stdout=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [100, 3][len(given) :]))
