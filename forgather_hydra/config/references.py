"""References within a configuration: where an override arrives, and which have broken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from forgather_hydra.config.composition import Composition
from forgather_hydra.config.document import References
from forgather_hydra.errors import ForgatherError


def passed_through(key: str, references: References) -> list[str]:
    """The paths of the references that an override of `key` goes through, in order."""
    return _follow(key, references)[0]


def definition_of(key: str, references: References) -> str:
    """The path at which an override of `key` arrives once all references are followed."""
    return _follow(key, references)[1]


def _follow(key: str, references: References) -> tuple[list[str], str]:
    passed: list[str] = []
    steps = key.split(".")
    count = 1
    while count < len(steps):
        place = ".".join(steps[:count])
        if place in references and place not in passed:
            passed.append(place)
            steps[:count] = references[place].split(".")
            count = 1
        else:
            count += 1
    return passed, ".".join(steps)


def check_references(cfg: DictConfig, composition: Composition, overridden: Iterable[str]) -> None:
    """Find references below which a config file wrote, which OmegaConf turns into copies.

    Args:
        cfg: the composed configuration.
        composition: the record of its composition.
        overridden: keys that overrides set, which may replace a reference on purpose.

    Raises:
        ForgatherError: ``detached_reference``, with both paths.
    """
    replaced = tuple(overridden)
    for path, target in composition.references.items():
        copied = _value_at(cfg, path)
        if not isinstance(copied, DictConfig) or copied._is_interpolation():
            continue
        if any(path == key or path.startswith(f"{key}.") for key in replaced):
            continue
        original = OmegaConf.select(cfg, target, throw_on_missing=False)
        if isinstance(original, DictConfig) and set(original) <= set(copied):
            raise _detached(path, target, _difference(copied, original), composition)


def _value_at(cfg: DictConfig, path: str) -> Any:
    """The node at a path; None if it is not there, or only through a reference."""
    place: Any = cfg
    for step in path.split("."):
        if not isinstance(place, (DictConfig, ListConfig)) or place._is_interpolation():
            return None
        if isinstance(place, ListConfig):
            if not step.isdigit() or int(step) >= len(place):
                return None
            place = place._get_node(int(step))
        else:
            place = place._get_node(step, validate_access=False)  # it may have been removed
    return place


def _difference(copied: DictConfig, original: DictConfig) -> str | None:
    """A key that differs between a detached copy and its original, with its value."""
    ours: Any = OmegaConf.to_container(copied)
    theirs: Any = OmegaConf.to_container(original)
    for key, value in ours.items():
        if key not in theirs or theirs[key] != value:
            return f"{key}: {value}"
    return None


def _detached(
    path: str, target: str, written: str | None, composition: Composition
) -> ForgatherError:
    wrote = f" ({written})" if written else ""
    error = ForgatherError(
        "detached_reference",
        f"{path} refers to {target}, but a config file writes below it{wrote}, "
        "which would make it a copy of its own",
        path=path,
        hint=f"write the value below {target} in that file, or override {path}.KEY=VALUE on the "
        f"command line, which reaches {target}",
    )
    marks = composition.positions.get(path)
    return error.locate(marks[-1].origin) if marks else error
