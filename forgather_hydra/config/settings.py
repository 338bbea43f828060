"""Overrides of the sections that templates and ourselves read: ``ns``, ``vars``, ``forgather``."""

from __future__ import annotations

from collections.abc import Iterator

from omegaconf import DictConfig

from forgather_hydra.config.content import content
from forgather_hydra.config.difference import leaves
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.errors import ForgatherError, did_you_mean

_SECTIONS = ("ns", "vars", "forgather")


def wrong_settings(cfg: DictConfig, overrides: list[str]) -> Iterator[ForgatherError]:
    """An error for each override of these that cannot have the effect that was meant.

    Args:
        cfg: the composed configuration, ``hydra`` included.
        overrides: of the command line.
    """
    for override in parsed_overrides(overrides):
        section, _, name = override.key_or_group.partition(".")
        value, line = override.value(), override.input_line
        if override.is_delete():
            continue
        if section in _SECTIONS and not name and not isinstance(value, dict):
            message = f"{section} is a section, not a value"
            yield ForgatherError("bad_override", message, path=line, hint=f"{section}.NAME=VALUE")
        elif override.key_or_group == "forgather.strict" and not isinstance(value, bool):
            yield ForgatherError("bad_override", "it is true or false", path=line)
        elif section == "vars" and name:
            yield from _unread_variable(name, line, cfg)


def _unread_variable(name: str, line: str | None, cfg: DictConfig) -> Iterator[ForgatherError]:
    """The error for a variable that nothing reads, or whose value a model's configuration gives."""
    raw = content(cfg)
    given = raw.get("model_config")
    if isinstance(given, dict) and name in given:
        message = f"it has no effect: model_config.{name} gives the value"
        yield ForgatherError("bad_override", message, path=line, hint=f"set model_config.{name}")
        return
    texts = [str(value) for path, value in leaves(raw) if not path.startswith(("vars.", "hydra."))]
    if not any(f"vars.{name}" in text for text in texts):
        hint = did_you_mean(name, [key for key in raw.get("vars", {}) if key != name])
        yield ForgatherError("unknown_key", f"nothing reads vars.{name}", path=line, hint=hint)
