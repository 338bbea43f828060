"""Commands that print a stage of a configuration, from its text to the objects."""

from __future__ import annotations

import argparse
import inspect
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from forgather_hydra.cli import editing
from forgather_hydra.errors import ForgatherError, error_like

if TYPE_CHECKING:
    from forgather_hydra.config.composition import Composed


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
    message = "default: yaml, which loads again"
    formats = ("yaml", "python", "repr")
    commands["graph"].add_argument("--format", choices=formats, default="yaml", help=message)
    commands["code"].add_argument("--target", help="print only what constructs this target")
    message = "print problems as JSON, of files too; import nothing that they name"
    commands["check"].add_argument("--json", action="store_true", dest="is_json", help=message)
    commands["construct"].add_argument("--target", default="main", help="default: main")
    commands["construct"].add_argument("--call", action="store_true", help="call it, too")
    commands["trefs"].add_argument("--files", action="store_true", help="only their files")
    commands["explain"].add_argument("path", help="such as trainer.args.max_steps")
    for command in commands.values():
        command.add_argument("overrides", nargs="*", help="as for python -m forgather_hydra")
        command.add_argument("--config-dir", metavar="DIR", help="a folder with more configs")
        command.add_argument("--config-name", metavar="NAME", help="of the primary config")


def _composed(options: argparse.Namespace) -> AbstractContextManager[Composed]:
    from forgather_hydra.cli.composed import composed

    return composed(options.overrides, options.config_dir, options.config_name)


def graph_of(options: argparse.Namespace) -> Any:
    """The node graph of the configuration that a command line chooses."""
    from forgather_hydra.config import application

    return application.graph_of(options.overrides, options.config_dir, options.config_name)


def _pp(options: argparse.Namespace) -> None:
    with _composed(options) as composed:
        for name, text in composed.record.texts.items():
            print(f"# ---- {name} ----\n{text}")


def _graph(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.codegen.generate import generate_code
    from forgather_hydra.graph.dump import to_yaml

    graph = graph_of(options)
    if options.format == "repr":
        print(repr(graph))
    else:
        print(to_yaml(graph) if options.format == "yaml" else generate_code(graph), end="")


def _code(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.build import target
    from forgather_hydra.graph.codegen.generate import generate_code

    graph = graph_of(options)
    print(generate_code(target(graph, options.target) if options.target else graph), end="")


def _targets(options: argparse.Namespace) -> None:
    from forgather_hydra.graph.build import targets

    print(*targets(graph_of(options)), sep="\n")


def _construct(options: argparse.Namespace) -> None:
    from rich.pretty import pprint

    from forgather_hydra.graph.build import materialize

    built = materialize(graph_of(options), targets=options.target)
    pprint(_called(built, options.target) if options.call else built, expand_all=True)


def _called(built: Any, target: str) -> Any:
    """What a target returns, called without arguments."""
    try:
        inspect.signature(built).bind()
    except TypeError as error:
        hint = "leave out --call, or construct what gives it its arguments"
        raise ForgatherError("bad_arguments", f"{target}: {error}", hint=hint) from error
    except ValueError:  # a builtin without a signature
        pass
    try:
        return built()
    except ForgatherError:
        raise
    except Exception as error:
        message = f"calling it raises {type(error).__name__}: {error}"
        raise error_like(error, "constructor_failed", message, path=target) from error


def _check(options: argparse.Namespace) -> None:
    if options.is_json:
        return editing.check(options)
    from forgather_hydra.config.check import check_job
    from forgather_hydra.jobs.check import check_launch

    with _composed(options) as job:
        check_launch(job.cfg)
        check_job(job)
    print("ok: every name can be imported and takes its arguments")


def _trefs(options: argparse.Namespace) -> None:
    from forgather_hydra.cli.kept_references import kept_lines

    def make() -> tuple[list[str], Composed]:
        from forgather_hydra.cli.references import files, tree

        with _composed(options) as composed:
            documents = [*composed.record.rendered.values()]
        if options.files:
            return files(documents), composed
        return [line for document in documents for line in tree(document)], composed

    chosen = (options.files, options.config_dir, options.config_name)
    print(*kept_lines([*options.overrides, *map(str, chosen)], make), sep="\n")


def _explain(options: argparse.Namespace) -> None:
    from forgather_hydra.config.explain import explain

    with _composed(options) as composed:
        found = explain(options.path, options.overrides, composed)
    indented = "\n  ".join(found.value.splitlines())
    print(f"{found.path}: {indented}" if "\n" not in indented else f"{found.path}:\n  {indented}")
    for reference in found.through:
        print(f"  through {reference}, which refers to {found.definition.rpartition('.')[0]}")
    width = max((len(step.where) for step in found.steps), default=0)
    for number, step in enumerate(found.steps, start=1):
        wins = "   <- wins" if number == len(found.steps) else ""
        print(f"  {step.where.ljust(width)}  {step.text}{wins}")
