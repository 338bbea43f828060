"""Open what a command prints in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from forgather_hydra.errors import ForgatherError


@contextmanager
def edited(path: str | None) -> Iterator[IO[str]]:
    """A file to print to, which is opened in ``$VISUAL`` or ``$EDITOR`` at the end.

    Args:
        path: of the file, which stays; None for a temporary one.

    Raises:
        ForgatherError: ``no_editor``: there is none, or it fails.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(path or os.path.join(folder, "model.txt"))
        with file.open("w", encoding="utf-8") as stream:
            yield stream
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            message = f"the editor {editor!r} could not be run: {error}"
            hint = "name one: EDITOR=nano forgather model ..."
            raise ForgatherError("no_editor", message, hint=hint) from error
