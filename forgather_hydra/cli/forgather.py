"""``forgather [-p DIR] [-t CONFIG] COMMAND``: everything that is done with a configuration."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from forgather_hydra.cli import (
    comparison,
    control,
    creation,
    dataset,
    editing,
    env,
    evaluation,
    inspection,
    jobs,
    model,
    projects,
    push,
    tensorboard,
    train,
    use,
)
from forgather_hydra.cli.dashes import meant
from forgather_hydra.cli.selection import require_choice, selected
from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.garbage import look_seldom
from forgather_hydra.large_tensors import align_large_tensors

EXIT_USAGE = 2
# What a command is about, and so whether -p and -t mean something to it.
PROJECT, CONFIGURATION, RUNS = "project", "configuration", "runs of a configuration"

_EXAMPLES = """examples:
  forgather train +experiment=baseline optimizer.lr=3e-4   run an experiment, with a change
  forgather explain optimizer.lr +experiment=baseline      where does a value come from?
  forgather ws create work                                 a place for projects of one's own
  forgather project create work/first                      a project that trains
  forgather -p work/first train -m optimizer.lr=1e-3,3e-3  sweep it
"""


class _Parser(argparse.ArgumentParser):
    """Names the nearest of the words that it knows."""

    def error(self, message: str) -> NoReturn:
        """End with a message, as argparse does."""
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near = choice and did_you_mean(choice[1], re.findall(r"[\w-]+", choice[2]))
        super().error(f"{message}; {near}" if near else message)


def main(words: list[str] | None = None) -> None:
    """Entry point; exits with 0, or with 2 and one message when the input is wrong."""
    look_seldom()
    align_large_tensors()
    parser, commands = _parser()
    options, rest = parser.parse_known_args(words)
    if options.version:
        print(f"forgather-hydra {version('forgather-hydra')}")
        return None
    if options.interactive:
        return _interact(parser, commands, options)
    if options.name is None:
        parser.error("say what to do; --help lists the commands")
    if hasattr(options, "overrides"):  # which may stand behind options, too
        options.overrides += [word for word in rest if not word.startswith("-")]
        rest = [word for word in rest if word.startswith("-")]
    has_configuration = options.about in (CONFIGURATION, RUNS)
    if has_configuration and {"-t", "--config"} & {*rest}:
        parser.error(f"-t stands before the command: forgather -t CONFIG {options.name}")
    if rest and not options.passes_on:
        cure = f"; {meant(*rest[0].partition('='), rest)}" if rest[0].startswith("--") else ""
        parser.error(f"{options.name} has no {' '.join(rest)}{cure}")
    if options.config and not has_configuration:
        parser.error(f"{options.name} is about no configuration: leave out -t")
    if options.project_dir and options.about is None:
        parser.error(f"{options.name} is about no project: leave out -p")
    options.words = rest
    try:
        if options.about == CONFIGURATION:
            require_choice(options)
            sys.path.append(os.getcwd())  # where python -m, too, finds modules
            if not getattr(options, "is_json", False):  # which may be about files
                _select(options)
        options.command(options)
        sys.stdout.flush()
    except ForgatherError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:  # the reader has seen enough, as in: forgather pp | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _select(options: argparse.Namespace) -> None:
    """Put the words that choose the project's configuration among those of the command."""
    words = "words" if options.passes_on else "overrides"
    found = selected(options.project_dir, options.config, getattr(options, words))
    setattr(options, words, found)


def _interact(parser: Any, commands: Any, options: argparse.Namespace) -> None:
    from forgather_hydra.cli.shell import Shell

    def parse(words: Sequence[str]) -> argparse.Namespace:
        found: argparse.Namespace = parser.parse_known_args(words)[0]
        return found

    Shell(options.project_dir, options.config, parse, list(commands.choices)).cmdloop()


def _parser() -> tuple[argparse.ArgumentParser, Any]:
    """The parser, and what holds the parsers of all commands."""
    parser = _Parser(
        prog="forgather",
        description="Look at configurations, run them, and compare the runs.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-p", "--project-dir", metavar="DIR", help="a project; default: this folder, if it is one"
    )
    parser.add_argument("-t", "--config", metavar="CONFIG", help="a configuration of the project")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("-i", "--interactive", action="store_true", help="ask for commands")
    parser.set_defaults(about=None)
    commands = parser.add_subparsers(metavar="COMMAND", dest="name")

    def add(
        name: str, command: Any, message: str, about: str | None = None, passes_on: bool = False
    ) -> argparse.ArgumentParser:
        is_whole = command not in (_model, _job)  # which have parsers of their own
        sub = commands.add_parser(
            name, help=message, description=message, allow_abbrev=False, add_help=is_whole
        )
        sub.set_defaults(command=command, about=about, passes_on=passes_on)
        return sub

    train.add_command(add)
    inspection.add_commands(add)
    projects.add_commands(add)
    creation.add_commands(add)
    add(
        "model",
        _model,
        "construct, test or convert a model, or merge an adapter into it",
        CONFIGURATION,
        passes_on=True,
    )
    message = "show samples, lengths and numbers of tokens of the data"
    dataset.add_options(add("dataset", dataset.show, message, CONFIGURATION))
    control.add_options(add("control", control.control, "tell running jobs what to do"))
    for name, (_, message) in jobs.COMMANDS.items():
        add(name, _job, message, passes_on=True)
    use.add_commands(add)
    evaluation.add_command(add)
    push.add_command(add)
    comparison.add_command(add)
    tensorboard.add_command(add)
    env.add_command(add)
    editing.add_command(add)
    return parser, commands


def _model(options: argparse.Namespace) -> None:
    model.main(options.words, prog="forgather model")


def _job(options: argparse.Namespace) -> None:
    jobs.main([options.name, *options.words])


if __name__ == "__main__":
    main()
