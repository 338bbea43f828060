"""Commands that print a stage of a configuration, from its text to the objects."""

from __future__ import annotations

import argparse
from typing import Any

from forgather_hydra.cli.composed import composed
from forgather_hydra.config.application import graph_of


def add_commands(add: Any) -> None:
    """Add the commands to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    functions = {
        "pp": (_pp, "print the rendered templates"),
        "graph": (_graph, "print the node graph"),
        "code": (_code, "print equivalent Python"),
        "targets": (_targets, "print the names that can be constructed"),
        "construct": (_construct, "construct a target, and print it"),
        "check": (_check, "check every name and argument without building anything"),
        "trefs": (_trefs, "print the templates that take part, as a tree"),
        "explain": (_explain, "print a value and everything that set it"),
    }
    commands = {name: add(name, *each, about="configuration") for name, each in functions.items()}
    told = "default: yaml, which loads again"
    formats = ("yaml", "python", "repr")
    commands["graph"].add_argument("--format", choices=formats, default="yaml", help=told)
    commands["code"].add_argument("--target", help="print only what constructs this target")
    commands["construct"].add_argument("--target", default="main", help="default: main")
    commands["construct"].add_argument("--call", action="store_true", help="call it, too")
    commands["trefs"].add_argument("--files", action="store_true", help="only their files")
    commands["explain"].add_argument("path", help="such as trainer.args.max_steps")
    for command in commands.values():
        command.add_argument("overrides", nargs="*", help="as for python -m forgather_hydra")


def _pp(options: argparse.Namespace) -> None:
    from forgather_hydra.config.composition import latest

    with composed(options.overrides):
        for name, text in latest().texts.items():
            print(f"# ---- {name} ----\n{text}")


def _graph(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.codegen.generate import generate_code
    from forgather_hydra.graph.dump import to_yaml

    graph = graph_of(options.overrides)
    if options.format == "repr":
        print(repr(graph))
    else:
        print(to_yaml(graph) if options.format == "yaml" else generate_code(graph), end="")


def _code(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.build import target
    from forgather_hydra.graph.codegen.generate import generate_code

    graph = graph_of(options.overrides)
    print(generate_code(target(graph, options.target) if options.target else graph), end="")


def _targets(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.build import targets

    print(*targets(graph_of(options.overrides)), sep="\n")


def _construct(options: argparse.Namespace) -> None:
    from rich.pretty import pprint

    from forgather_hydra.graph.build import materialize

    built = materialize(graph_of(options.overrides), targets=options.target)
    pprint(built() if options.call else built, expand_all=True)


def _check(options: argparse.Namespace) -> None:
    from forgather_hydra.config.check import check_job

    with composed(options.overrides) as cfg:
        check_job(cfg)
    print("ok: every name can be imported and takes its arguments")


def _trefs(options: argparse.Namespace) -> None:
    from forgather_hydra.cli.references import files, tree
    from forgather_hydra.config.composition import latest

    with composed(options.overrides):
        documents = [document.rendered for _, document in latest().documents.values()]
    if options.files:
        print(*files(documents), sep="\n")
    else:
        print(*(line for document in documents for line in tree(document)), sep="\n")


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
