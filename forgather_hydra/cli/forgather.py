"""``forgather COMMAND``: look at configurations and compare runs without running anything."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from forgather_hydra.cli import control, dataset, jobs, model
from forgather_hydra.cli.composed import composed, graph_of
from forgather_hydra.errors import ForgatherError

EXIT_USAGE = 2


def main(words: list[str] | None = None) -> None:
    """Entry point; exits with 0, or with 2 and one message when the input is wrong."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["model"]:
        return model.main(words[1:], prog="forgather model")
    if words[:1] and words[0] in jobs.COMMANDS:
        return jobs.main(words)
    options = _parser().parse_args(words)
    try:
        options.command(options)
    except ForgatherError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="forgather",
        description="Look at configurations and compare runs. "
        "To run one: python -m forgather_hydra",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Any, told: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=told, description=told)
        sub.set_defaults(command=command)
        return sub

    composed = [
        add("pp", _pp, "print the rendered templates"),
        add("graph", _graph, "print the node graph as YAML"),
        add("code", _code, "print equivalent Python"),
        add("targets", _targets, "print the names that can be constructed"),
        add("check", _check, "check every name and argument without building anything"),
    ]
    composed[2].add_argument("--target", help="print only what constructs this target")
    explain = add("explain", _explain, "print a value and everything that set it")
    explain.add_argument("path", help="such as trainer.args.max_steps")
    for command in (*composed, explain):
        command.add_argument("overrides", nargs="*", help="as for python -m forgather_hydra")
    commands.add_parser("model", help="construct, test or convert a model", add_help=False)
    told = "show samples, lengths and numbers of tokens of the data"
    dataset.add_options(add("dataset", dataset.show, told))
    control.add_options(add("control", control.control, "tell running jobs what to do"))
    for name, (_, told) in jobs.COMMANDS.items():
        commands.add_parser(name, help=told, add_help=False)
    compare = add("diff", _diff, "compare the configurations of two runs")
    compare.add_argument("left", type=Path, metavar="RUN_A")
    compare.add_argument("right", type=Path, metavar="RUN_B")
    return parser


def _pp(options: argparse.Namespace) -> None:
    from forgather_hydra.config.composition import latest

    with composed(options.overrides):
        for name, text in latest().texts.items():
            print(f"# ---- {name} ----\n{text}")


def _graph(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.dump import to_yaml

    print(to_yaml(graph_of(options.overrides)), end="")


def _code(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.build import target
    from forgather_hydra.graph.codegen import generate_code

    graph = graph_of(options.overrides)
    print(generate_code(target(graph, options.target) if options.target else graph), end="")


def _targets(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.build import targets

    print(*targets(graph_of(options.overrides)), sep="\n")


def _check(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.check import check

    check(graph_of(options.overrides))
    print("ok: every name can be imported and takes its arguments")


def _explain(options: argparse.Namespace) -> None:
    from forgather_hydra.config.explain import explain

    with composed(options.overrides) as cfg:
        found = explain(options.path, options.overrides, cfg)
    indented = "\n  ".join(found.value.splitlines())
    print(f"{found.path}: {indented}" if "\n" not in indented else f"{found.path}:\n  {indented}")
    for reference in found.through:
        print(f"  through {reference}, which refers to {found.definition.rpartition('.')[0]}")
    width = max((len(step.where) for step in found.steps), default=0)
    for number, step in enumerate(found.steps, start=1):
        wins = "   <- wins" if number == len(found.steps) else ""
        print(f"  {step.where.ljust(width)}  {step.text}{wins}")


def _diff(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from forgather_hydra.config.difference import ABSENT, difference

    found = difference(options.left, options.right)
    if not found:
        print("the two configurations are equal")
        return
    table = Table("path", str(options.left), str(options.right))
    for path, *sides in found:
        table.add_row(path, *("-" if side is ABSENT else escape(str(side)) for side in sides))
    Console().print(table)
