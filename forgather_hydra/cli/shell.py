"""``forgather -i``: a prompt for commands, which keeps the project and the configuration."""

from __future__ import annotations

import argparse
import cmd
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from forgather_hydra.errors import ForgatherError

_OWN = ("cd", "config", "help", "exit")


class Shell(cmd.Cmd):
    """Runs each line as a ``forgather`` command in a process of its own.

    Args:
        project: folder of the project; None for the working directory.
        config: name of the configuration; None for the default one.
        parse: reads the words of a command, as the command itself will.
        commands: the names of all commands.
    """

    intro = (
        "Any command, without the word forgather; besides: 'config NAME' and 'cd PROJECT' choose, "
        "'help' lists the commands, 'exit' ends."
    )

    def __init__(
        self,
        project: str | None,
        config: str | None,
        parse: Callable[[Sequence[str]], argparse.Namespace],
        commands: Sequence[str],
    ) -> None:
        super().__init__()
        self.project, self.config = project, config
        self.parse = parse
        self.commands = sorted([*commands, *_OWN])

    @property
    def prompt(self) -> str:  # type: ignore[override]
        place = os.path.basename(os.path.abspath(self.project or "."))
        return f"{place}:{self.config}> " if self.config else f"{place}> "

    def preloop(self) -> None:
        with suppress(ImportError):  # where Python has no readline, nothing is completed
            import readline

            readline.set_completer_delims(" ")

    def default(self, line: str) -> None:
        """Run a command."""
        if line == "EOF":
            print()
            raise SystemExit
        try:
            words = shlex.split(line)
            about = self.parse(words).about
        except ValueError as error:
            print(f"error: {error}")
        except SystemExit:  # the words are wrong, which has been told, or ask for help
            pass
        else:
            kept = ["-p", self.project] if about and self.project else []
            kept += ["-t", self.config] if about not in (None, "project") and self.config else []
            _run([*kept, *words])

    def emptyline(self) -> bool:
        """Do nothing, rather than the last command once more."""
        return False

    def do_cd(self, folder: str) -> None:
        """Choose a project by its folder."""
        try:
            os.chdir(os.path.expanduser(folder))
        except OSError as error:
            print(f"error: {error.strerror}: {folder}")
        else:
            self.project = self.config = None

    def do_config(self, name: str) -> None:
        """Choose a configuration of the project; the default one, without a name."""
        from forgather_hydra.project.meta import load_meta

        try:
            self.config = load_meta(self.project or ".").config(name) if name else None
        except ForgatherError as error:
            print(f"error: {error}")

    def do_help(self, arg: str) -> None:
        """Show the help of a command, or of all."""
        _run([*arg.split(), "--help"])

    def do_exit(self, arg: str) -> bool:
        """End."""
        return True

    def completenames(self, text: str, *ignored: object) -> list[str]:
        return [name for name in self.commands if name.startswith(text)]

    def complete_cd(self, text: str, *ignored: object) -> list[str]:
        return [f"{path}/" for path in sorted(Path().glob(f"{text}*")) if path.is_dir()]

    def complete_config(self, text: str, *ignored: object) -> list[str]:
        from forgather_hydra.project.meta import load_meta

        with suppress(ForgatherError):
            return [c for c in load_meta(self.project or ".").configs() if c.startswith(text)]
        return []

    def completedefault(self, text: str, line: str, begin: int, end: int) -> list[str]:
        """Names of configurations after -t; nothing elsewhere."""
        return self.complete_config(text) if line[:begin].rstrip().endswith("-t") else []


def _run(words: Sequence[str]) -> None:
    command = [sys.executable, "-m", "forgather_hydra.cli.forgather", *words]
    process = subprocess.Popen(command)
    while process.poll() is None:
        with suppress(KeyboardInterrupt):  # the command has it, too, and may want to save
            process.wait()
