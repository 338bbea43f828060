"""Where and how large a part runs, and what it comes to."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

T = TypeVar("T")

SO_FAR = "so_far.json"


@dataclass(frozen=True)
class Setting:
    """The device, whether sizes are tiny, and a folder of the part's own."""

    device: str
    tiny: bool
    folder: Path
    caches: Path  # shared by all parts of a call

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"

    def size(self, tiny: T, full: T) -> T:
        return tiny if self.tiny else full

    def wait(self) -> None:
        """Returns when the device has done all it was told to."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def free(self) -> None:
        """Gives memory back that nothing refers to any more; its peak counts anew."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def keep(self, found: Outcome) -> None:
        """Notes what has been found so far, should the part be ended before its end."""
        (self.folder / SO_FAR).write_text(json.dumps(found.figures))


@dataclass
class Outcome:
    """What a part has found.

    Attributes:
        figures: by name; numbers, or short texts.
        ok: whether what must be right is.
        aims: figure -> (">=" or "<=", the aim); compared on a GPU in full size only.
        notes: what a reader of the figures has to know.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    ok: bool = True
    aims: dict[str, tuple[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def check(self, name: str, value: float, at_most: float) -> None:
        """Notes a difference, and whether it is small enough."""
        self.figures[name] = value
        if not value <= at_most:  # nor where it is no number
            self.ok = False
            self.notes.append(f"{name} is {value:.3g}, and has to be at most {at_most:.3g}")

    def require(self, name: str, is_so: bool) -> None:
        """Notes whether something holds that has to."""
        self.figures[name] = is_so
        if not is_so:
            self.ok = False
            self.notes.append(f"not so: {name}")

    def missed(self) -> dict[str, str]:
        """The aims that were not reached, as sentences."""
        found = {}
        for name, (sign, aim) in self.aims.items():
            value = self.figures.get(name)
            if value is not None and not (value >= aim if sign == ">=" else value <= aim):
                found[name] = f"{value:.3g}, aim {sign} {aim:g}"
        return found


def not_installed(name: str) -> Outcome:
    return Outcome({"result": f"not installed: {name}"})
