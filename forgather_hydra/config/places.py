"""Places in a configuration, and where the references at them lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forgather_hydra.config.document import Positions
from forgather_hydra.config.homes import Path
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import MISSING
from forgather_hydra.graph.walk import path_text

_REFERENCE = re.compile(r"\$\{(?P<dots>\.*)(?P<path>[\w-]+(?:\.[\w-]+)*)\}\Z")
_READ = re.compile(
    r"\$\{(?P<how>oc\.select|fg\.is_set):"
    r"(?!(?i:null|true|false|nan|inf)\})(?P<path>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}\Z",
    re.ASCII,
)
UNKNOWN = object()


class Places:
    """A configuration by its places.

    Args:
        raw: its content, interpolations as written.
        positions: marks of template lines by path.
    """

    def __init__(self, raw: Any, positions: Positions) -> None:
        self.raw = raw
        self.positions = positions
        self.following: set[Path] = set()

    def referenced(self) -> set[Path]:
        """The places that references name."""
        found: set[Path] = set()
        self.collect(self.raw, (), found)
        return found

    def collect(self, value: Any, path: Path, found: set[Path]) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                self.collect(item, (*path, key), found)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                self.collect(item, (*path, i), found)
        elif isinstance(value, str) and (target := self.target_of(value, path)) is not None:
            found.add(target)

    def target_of(self, text: str, path: Path) -> Path | None:
        """The place that a pure reference names, written from the root; None for other text."""
        match = _REFERENCE.match(text)
        if match is None or (match["path"].startswith("vars.") and not match["dots"]):
            return None
        base = path[: len(path) - len(match["dots"])] if match["dots"] else ()
        with self.once(path, self.following):
            return self.walk((*base, *match["path"].split(".")))

    def walk(self, steps: Path) -> Path | None:
        """The place that steps lead to, references on the way followed; None if there is none."""
        place: Any = self.raw
        target: list[Any] = []
        for step in steps:
            if (
                isinstance(place, str)
                and (through := self.target_of(place, tuple(target))) is not None
            ):
                target, place = list(through), self.at(through)
            key = _key_in(place, step)
            if key is MISSING:
                return None
            target.append(key)
            place = place[key]
        return tuple(target)

    def at(self, path: Path) -> Any:
        """What is written at a place."""
        place = self.raw
        for step in path:
            place = place[step]
        return place

    def read_by(self, text: str, path: Path) -> Any:
        """What ``${oc.select:...}`` or ``${fg.is_set:...}`` gives that reads a plain value.

        Args:
            text: of the interpolation.
            path: where it stands.

        Returns:
            `UNKNOWN` where OmegaConf has to say, as for all that is not plain.
        """
        match = _READ.match(text)
        if match is None:
            return UNKNOWN
        steps = tuple(match["path"].split("."))
        if (value := self.plain_at(steps)) is UNKNOWN and len(steps) > 1:
            holder = self.plain_at(steps[:-1])
            if isinstance(holder, dict) and _key_in(holder, steps[-1]) is MISSING:
                value = None
        if match["how"] == "fg.is_set":
            return value if value is UNKNOWN else value is not None
        return value if value is None or type(value) in (bool, int, float, str) else UNKNOWN

    def plain_at(self, steps: Path) -> Any:
        """What stands where steps lead to, unless OmegaConf has to say: then it is `UNKNOWN`."""
        passed: list[Path] = []
        target = self.walk(steps)
        while target is not None and all(type(step) in (str, int) for step in target):
            if any(place[: len(target)] == target for place in passed):
                break  # it leads to what it is in
            value = self.at(target)
            if not (isinstance(value, str) and (value == "???" or "${" in value)):
                return value
            passed.append(target)
            target = self.target_of(value, target)
        return UNKNOWN

    @contextmanager
    def once(self, path: Path, places: set[Path]) -> Iterator[None]:
        """While a place is in the set, what is in it must not lead back to it."""
        if path in places:
            raise self.failed("cyclic_reference", "the value refers to itself", path)
        places.add(path)
        yield
        places.remove(path)

    def failed(
        self, kind: str, message: str, path: Path, hint: str | None = None
    ) -> ForgatherError:
        text = path_text(path)
        error = ForgatherError(kind, message, path=text, hint=hint)
        marks = self.positions.get(text)
        return error.locate(marks[-1].origin) if marks else error


def _key_in(place: Any, step: Any) -> Any:
    if isinstance(place, dict):
        return step if step in place else next((k for k in place if str(k) == str(step)), MISSING)
    if isinstance(place, list):
        index = int(step) if str(step).isdigit() else -1
        return index if 0 <= index < len(place) else MISSING
    return MISSING
