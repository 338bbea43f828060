"""The directory of a run, which somebody may remove while it trains."""

from __future__ import annotations

from pathlib import Path


class OutputDirectory:
    """The directory that a run began in, if it has one yet.

    Args:
        path: of the directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._is_there = self.path.is_dir()

    def check(self) -> None:
        """Looks whether the directory is still there.

        Raises:
            FileNotFoundError: if it is gone.
        """
        if self._is_there and not self.path.is_dir():
            raise FileNotFoundError(
                f"{self.path} was removed while the run trained in it: training stops, for what it "
                "wrote is lost; start it anew"
            )
