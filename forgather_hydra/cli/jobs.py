"""Commands about jobs that a launcher has started: they need nothing but the sweep's directory."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main(words: list[str]) -> None:
    """Entry point for the commands of `COMMANDS`."""
    options = _parser().parse_args(words)
    try:
        code = options.command(options)
        sys.stdout.flush()
    except ForgatherError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(code or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="forgather")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, message) in COMMANDS.items():
        sub = commands.add_parser(name, help=message, description=message)
        sub.set_defaults(command=command)
        if name == "sweep":
            sub.add_argument("action", choices=["show"])
        sub.add_argument("directory", type=Path, metavar="SWEEP_DIR", help="or that of a run")
        if name == "results":
            message = "make a page with plots to explore, of 5 MB (extra plotly)"
            sub.add_argument("--plotly", action="store_true", help=message)
        if name == "cancel":
            sub.add_argument("jobs", nargs="*", type=int, metavar="JOB", help="all, if left out")
            sub.add_argument("--save", action="store_true", help="let them save, and end")
        if name == "logs":
            sub.add_argument("job", nargs="?", type=int, default=0, metavar="JOB")
            sub.add_argument("--rank", type=int, default=0, help="of the process; 0 is the first")
            sub.add_argument("-f", "--follow", action="store_true", help="until the job has ended")
    return parser


def _status(options: argparse.Namespace) -> int:
    """Print the table of jobs; the exit code says whether any has failed."""
    from forgather_hydra.jobs.watch.remote import views
    from forgather_hydra.jobs.watch.view import table
    from forgather_hydra.report.save import console_for_tables

    found = views(options.directory)
    console_for_tables().print(table(found))
    return EXIT_FAILED if any(view.has_failed for view in found) else 0


def _show(options: argparse.Namespace) -> int:
    from forgather_hydra.jobs.watch.remote import about

    print(about(options.directory))
    return _status(options)


def _results(options: argparse.Namespace) -> None:
    from forgather_hydra.jobs.watch.remote import report

    report(options.directory, options.plotly)


def _cancel(options: argparse.Namespace) -> int:
    """End jobs, and say which; the exit code says whether any could not be ended."""
    from forgather_hydra.jobs.watch.remote import cancel_jobs

    message = list(cancel_jobs(options.directory, options.jobs, options.save))
    print(*(line for line, _ in message), sep="\n")
    return 0 if all(is_good for _, is_good in message) else EXIT_FAILED


def _logs(options: argparse.Namespace) -> int:
    """Print a log; the exit code says whether there is one."""
    from forgather_hydra.jobs.watch.remote import log_of

    follow, look = log_of(options.directory, options.job, options.rank)
    if not follow.show():
        view, has_started = look(), follow.path.exists()
        what = "has printed nothing" if has_started else "has not started"
        waits = "; waiting for it" if options.follow and not view.is_over else ""
        print(f"job {options.job} {what} ({view.state}){waits}", file=sys.stderr)
    while options.follow and not look().is_over:
        time.sleep(0.5)
        follow.show()
    follow.show()
    return 0 if follow.path.exists() else EXIT_FAILED


COMMANDS: dict[str, tuple[Callable[[Any], int | None], str]] = {
    "status": (_status, "print how the jobs of a sweep are doing"),
    "results": (_results, "print, and save as CSV and HTML, what the jobs of a sweep have given"),
    "cancel": (_cancel, "end jobs"),
    "logs": (_logs, "print what a job has printed"),
    "sweep": (_show, "show: print what a sweep is, and how its jobs are doing"),
}
