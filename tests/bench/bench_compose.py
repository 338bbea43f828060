"""Time composing a configuration of 300 nodes: as a template, and the same as plain YAML in Hydra.

python tests/bench/bench_compose.py [nodes] [repetitions]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config import documents
from forgather_hydra.config.decode import from_omegaconf


def template(nodes: int) -> str:
    """A template of about `nodes` calls, a third of them shared."""
    lines = ["# @package _global_", "-- set ns = namespace(width=64)"]
    for i in range(nodes // 3):
        lines += [
            f"part_{i}: &part_{i} !partial:torch.nn:Linear",
            f"    in_features: {{{{ ns.width + {i} }}}}",
            "    out_features: 64",
            f"block_{i}: !singleton:app.models:Block",
            f"    factory: *part_{i}",
            f"    first: *part_{'0' if i == 0 else i - 1}",
            f"    activation: !factory:torch.nn:GELU {{approximate: tanh, number: {i}}}",
            f"    name: block {i}",
            "    sizes: [1, 2, 3]",
        ]
    return "\n".join(lines) + "\n"


def cpu_milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1000


def main(nodes: int, repetitions: int) -> None:
    folder = Path(tempfile.mkdtemp())
    for name in ("empty", "template", "plain"):
        (folder / name / "experiment").mkdir(parents=True)
        (folder / name / "config.yaml").write_text("seed: 1\n")
        (folder / name / "experiment" / "none.yaml").write_text("# @package _global_\nx: 1\n")
    big = folder / "template" / "experiment" / "big.yaml"
    big.write_text(template(nodes))
    composed = timed(folder / "template", "big", 1)[0]
    plain = "# @package _global_\n" + OmegaConf.to_yaml(composed)
    (folder / "plain" / "experiment" / "big.yaml").write_text(plain)

    rows: dict[str, list[float]] = {}
    for _ in range(repetitions):
        documents._documents.clear()
        documents.library_renderer.cache_clear()
        for what, name, option, times in [
            ("Hydra alone: nothing but the primary", "empty", "none", 1),
            ("plain YAML, stock Hydra", "plain", "big", 1),
            ("template, first time", "template", "big", 1),
            ("template, again", "template", "big", 1),
        ]:
            rows.setdefault(what, []).append(timed(folder / name, option, times)[1])
        rows.setdefault("template, another ns.width", []).append(
            timed(folder / "template", "big", 1, f"ns.width={len(rows)}")[1]
        )
        rows.setdefault("decode to a graph", []).append(
            cpu_milliseconds(lambda: from_omegaconf(composed))
        )
    base = statistics.median(rows["plain YAML, stock Hydra"])
    for what, values in rows.items():
        median = statistics.median(values)
        print(f"{what:40} {median:7.1f} ms of CPU   {base / median:5.2f} times as fast as stock")


def timed(folder: Path, option: str, times: int, *overrides: str) -> tuple[DictConfig, float]:
    GlobalHydra.instance().clear()
    words = [f"+experiment={option}", *overrides]
    with initialize_config_dir(str(folder), version_base=None):
        start = time.process_time()
        for _ in range(times):
            cfg = compose("config", words)
        return cfg, (time.process_time() - start) * 1000 / times


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [300, 15][len(given) :]))
