"""``forgather [-p DIR] [-t CONFIG] COMMAND``: everything that is done with a configuration."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from forgather_hydra.cli import comparison, control, dataset, inspection, jobs, model, train
from forgather_hydra.cli.selection import selected
from forgather_hydra.errors import ForgatherError

EXIT_USAGE = 2
HYDRA, OWN = "hydra", "own"  # whose words those are that a command passes on


def main(words: list[str] | None = None) -> None:
    """Entry point; exits with 0, or with 2 and one message when the input is wrong."""
    parser = _parser()
    options, rest = parser.parse_known_args(words)
    options.words = rest
    if options.words and not options.takes_words:
        parser.error(f"{options.name} has no {' '.join(options.words)}")
    has_configuration = "overrides" in options or options.takes_words == HYDRA
    if not has_configuration and (options.project_dir or options.config):
        parser.error(f"{options.name} is about no project: leave out -p and -t")
    try:
        if has_configuration:
            _select(options)
        options.command(options)
    except ForgatherError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def _select(options: argparse.Namespace) -> None:
    """Put the words that choose the project's configuration before those of the command."""
    words = "overrides" if "overrides" in options else "words"
    found = selected(options.project_dir, options.config, getattr(options, words))
    setattr(options, words, found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="forgather",
        description="Look at configurations, run them, and compare the runs.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-p", "--project-dir", metavar="DIR", help="a project; default: this folder, if it is one"
    )
    parser.add_argument("-t", "--config", metavar="CONFIG", help="a configuration of the project")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")

    def add(name: str, command: Any, told: str, **options: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=told, description=told, allow_abbrev=False, **options)
        sub.set_defaults(command=command, takes_words=None)
        return sub

    train.add_command(add)
    inspection.add_commands(add)
    built = add("model", _model, "construct, test or convert a model", add_help=False)
    built.set_defaults(takes_words=HYDRA)
    told = "show samples, lengths and numbers of tokens of the data"
    dataset.add_options(add("dataset", dataset.show, told))
    control.add_options(add("control", control.control, "tell running jobs what to do"))
    for name, (_, told) in jobs.COMMANDS.items():
        add(name, _job, told, add_help=False).set_defaults(takes_words=OWN)
    comparison.add_command(add)
    return parser


def _model(options: argparse.Namespace) -> None:
    model.main(options.words, prog="forgather model")


def _job(options: argparse.Namespace) -> None:
    jobs.main([options.name, *options.words])
