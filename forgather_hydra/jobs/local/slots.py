"""The devices of this machine, or shares of its CPUs, each held by one job at a time."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.files import locked

VISIBLE = "CUDA_VISIBLE_DEVICES"


def devices(wanted: str | Sequence[object] = "auto") -> list[str]:
    """The devices to share out.

    Args:
        wanted: ``auto`` for all that this process may see, ``none``, or some of them by index or
            UUID.

    Raises:
        ForgatherError: ``bad_resources``, where one is asked for that is not to be seen here.
    """
    listed = os.environ.get(VISIBLE)
    visible = [name.strip() for name in listed.split(",") if name.strip()] if listed else []
    if wanted == "none":
        return []
    if wanted == "auto":
        return visible if listed is not None else _found()
    if isinstance(wanted, str):
        wanted = [wanted]
    names = [str(name) for name in wanted]
    seen = visible if listed is not None else _found()
    # Without the means to look, or of a UUID, nothing is known.
    hidden = [n for n in names if n not in seen and (listed is not None or (seen and n.isdigit()))]
    if hidden:
        reason = (
            f"{VISIBLE}={listed} does not show it"
            if listed is not None
            else f"this machine has {', '.join(seen)}"
        )
        message = f"hydra.launcher.devices asks for {', '.join(hidden)}, but {reason}"
        raise ForgatherError("bad_resources", message)
    return names


def _found() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU (\d+):", done.stdout, re.MULTILINE)


@dataclass
class Slots:
    """Slots with a lock file each, so that two launchers on a machine do not collide.

    A job inherits the locks: its slots stay taken for as long as it lives, even without its
    launcher.

    Args:
        names: what each slot stands for; a device that jobs share is there several times.
        folder: of the lock files; one of the user's own if None.
    """

    names: list[str]
    folder: Path | None = None
    _held: dict[int, ExitStack] = field(default_factory=dict)

    def take(self, count: int) -> list[tuple[int, int]] | None:
        """Take slots: their numbers and the descriptors of their locks; None if too few are free.

        A job of several processes gets different devices.
        """
        taken: list[tuple[int, int]] = []
        for number in range(len(self.names)):
            if len(taken) == count:
                break
            if number in self._held or self.names[number] in [self.names[n] for n, _ in taken]:
                continue
            stack = ExitStack()
            descriptor = stack.enter_context(locked(self._path(number)))
            if descriptor is None:
                stack.close()
                continue
            self._held[number] = stack
            taken.append((number, descriptor))
        if len(taken) == count:
            return taken
        self.free([number for number, _ in taken])
        return None

    def free(self, numbers: Sequence[int]) -> None:
        """Give slots back."""
        for number in numbers:
            self._held.pop(number).close()

    def _path(self, number: int) -> Path:
        folder = self.folder or private_folder(_runtime_dir()) / "slots"
        share = self.names[:number].count(self.names[number])
        name = re.sub(r"[^\w-]", "_", self.names[number])
        return folder / f"{name}.{share}.lock"


def private_folder(path: Path) -> Path:
    """Make a folder that only this user can write, or check that it is one.

    Anybody may make one of its name first, or a link, where all users keep temporary files.

    Raises:
        ForgatherError: ``security``.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ForgatherError(
            "security",
            f"{path}, for the locks of devices, is not a folder of this user's own",
            hint="remove it, or let XDG_RUNTIME_DIR name a folder that is",
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def _runtime_dir() -> Path:
    """A folder of the user on this machine, gone at the next boot."""
    own = os.environ.get("XDG_RUNTIME_DIR")
    return (
        Path(own, "forgather") if own else Path(tempfile.gettempdir(), f"forgather-{os.getuid()}")
    )
