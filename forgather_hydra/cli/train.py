"""``forgather train``: the Hydra application, with a project's configuration or any other."""

from __future__ import annotations

import argparse
import sys
from typing import Any

_MORE = """All other words go to the Hydra application: overrides such as optimizer.lr=1e-3, -m for
a sweep, --cfg job to print the configuration, resume=auto to go on, --hydra-help for the rest."""


def add_command(add: Any) -> None:
    """Add the command to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    message = "run a configuration, or with -m a sweep of it"
    train = add("train", _train, message, "configuration", passes_on=True)
    train.epilog = _MORE
    train.add_argument("-d", "--devices", metavar="0,1", help="GPUs to use; none for the CPU")
    train.add_argument("--dry-run", action="store_true", help="print what would run, and where")


def _train(options: argparse.Namespace) -> None:
    from forgather_hydra.cli import app

    words = list(options.words)
    if options.devices == "none":
        words.append("hydra.launcher.devices=none")
    elif options.devices:
        words.append(f"hydra.launcher.devices=[{options.devices}]")
    if options.dry_run:
        words.append("hydra.launcher.dry_run=true")
    sys.argv = ["forgather train", *words]
    app.main()
