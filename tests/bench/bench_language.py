"""Speed of the language as ratios of one run: ``python tests/bench/bench_language.py``."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

import forgather_hydra as fg
from forgather_hydra.graph.parse import parse


class PureLoader(yaml.SafeLoader):
    """PyYAML's own loader in Python, reading our tags as plain collections."""


def _plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


PureLoader.add_multi_constructor("!", _plain)


def best(function: Callable[[], object], repeats: int) -> float:
    """The shortest processor time of a call in milliseconds, without garbage collection."""
    gc.disable()
    times = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    gc.enable()
    return min(times) * 1000


def report(what: str, milliseconds: float, baseline: str = "", ratio: float | None = None) -> None:
    compared = "" if ratio is None else f"{ratio:8.2f} x {baseline}"
    print(f"{what:<52}{milliseconds:10.2f} ms {compared}")


def experiment(blocks: int = 30, nodes: int = 10) -> dict[str, str]:
    """A base of `blocks` times `nodes` nodes on four lines each, and a child for one block."""
    parts = []
    for b in range(blocks):
        parts.append(f"[block_{b}]")
        for n in range(nodes):
            name = f"node_{b}_{n}"
            parts += [
                f".define: &{name} !partial:fractions:Fraction@{name}",
                "    numerator: {{ ns.width }}",
            ]
            parts += ["    # how many parts", "    denominator: 7 ## a note"]
        parts.append("")
    uses = [f"    - *node_{b}_{n}" for b in range(blocks) for n in range(nodes)]
    base = ["-- set ns = namespace(width=64)", *parts, "[main]", "main:", *uses]
    child = "-- extends 'base.yaml'\n[block_3]\n    == super()\n    denominator: 9\n"
    return {"base.yaml": "\n".join(base) + "\n", "main.yaml": child}


def environment(folder: str, templates: dict[str, str]) -> fg.ConfigEnvironment:
    for name, text in templates.items():
        Path(folder, name).write_text(text, encoding="utf-8")
    return fg.ConfigEnvironment(folder)


def chain_of_calls(nodes: int) -> str:
    lines = [f".n{i}: &n{i} !call:dict@n{i} {{a: {i}, b: [x, {i}]}}" for i in range(nodes)]
    return "\n".join([*lines, "main:", *(f"    - *n{i}" for i in range(nodes))])


def bench_experiment(folder: str) -> None:
    env = environment(folder, experiment())
    text = env.preprocess("main.yaml")
    print(f"300 nodes, {len(text.splitlines())} rendered lines")
    copying = best(lambda: [line + "\n" for line in text.split("\n")], 300)
    rendering = best(lambda: env.preprocess("main.yaml"), 300)
    report("  render, warm", rendering, "splitting the text into lines", rendering / copying)
    pure = best(lambda: yaml.load(text, PureLoader), 5)
    report("  parse with PyYAML's pure loader", pure)
    report("  parse", own := best(lambda: parse(text), 30), "faster than that", pure / own)
    report("  load", best(lambda: env.load("main.yaml"), 20))
    graph = env.load("main.yaml").config
    report("  construct", best(graph.main, 20))


def bench_growth() -> None:
    print("growth from 500 to 8,000 nodes (linear is 16)")
    small, large = chain_of_calls(500), chain_of_calls(8000)
    graphs = [fg.ConfigEnvironment([]).parse(text).config for text in (small, large)]
    steps: dict[str, Callable[[int], object]] = {
        "parse": lambda n: parse((small, large)[n]),
        "construct": lambda n: fg.materialize(graphs[n]),
        "write YAML": lambda n: fg.to_yaml(graphs[n]),
        "write Python": lambda n: fg.generate_code(graphs[n]),
    }
    for name, step in steps.items():
        few, many = best(lambda step=step: step(0), 5), best(lambda step=step: step(1), 2)
        report(f"  {name}, 8,000 nodes", many, "the time for 500", many / few)


def bench_size(folder: str) -> None:
    print("size")
    chain = {
        f"t{i}.yaml": f"-- extends 't{i - 1}.yaml'\n[a]\n=> super()\nk{i}: {i}\n"
        for i in range(1, 61)
    }
    env = environment(folder, {"t0.yaml": "[a]\nk0: 0\n", **chain})
    one = best(lambda: env.load("t1.yaml"), 20)
    sixty = best(lambda: env.load("t60.yaml"), 20)
    assert len(env.load("t60.yaml").config) == 61
    report("  a chain of 60 extends", sixty, "a chain of 1", sixty / one)
    for lines in (2_000, 20_000):
        env = environment(
            folder, {"long.yaml": "".join(f"key_{i}: {{{{ {i} }}}}\n" for i in range(lines))}
        )
        report(
            f"  a document of {lines:,} lines, cold", best(lambda env=env: env.load("long.yaml"), 1)
        )
        report(
            f"  a document of {lines:,} lines, warm", best(lambda env=env: env.load("long.yaml"), 3)
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        bench_experiment(work)
        bench_growth()
        bench_size(work)
