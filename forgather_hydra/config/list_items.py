"""Overrides of items that a list has not, or that are to be deleted, which no list allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from forgather_hydra.config.meant_keys import place_in
from forgather_hydra.errors import ForgatherError


def no_item(
    overrides: Iterable[Override], composed_without: Callable[[str], Any]
) -> ForgatherError | None:
    """The error for the first override that asks for more than a list can do.

    Args:
        overrides: all of them.
        composed_without: composes what there is to override by one of them.
    """
    for override in overrides:
        parent, _, item = override.key_or_group.rpartition(".")
        if not parent:
            continue
        items = place_in(composed_without(str(override.input_line)), parent)
        if OmegaConf.is_list(items) and (problem := _problem(override, parent, item, len(items))):
            cure = f"give the whole list: {parent}=[...]"
            return ForgatherError("bad_override", f"{override.input_line}: {problem}", hint=cure)
    return None


def _problem(override: Override, parent: str, item: str, count: int) -> str | None:
    if override.is_delete():
        return f"an item of the list {parent} cannot be deleted by itself"
    if item.isdigit() and int(item) < count:
        return None
    known = f"items 0 to {count - 1}" if count > 1 else "item 0 alone" if count else "no items"
    return f"{parent} is a list, and has {known}"
