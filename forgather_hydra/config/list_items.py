"""Overrides of items that a list has not, or that are to be deleted, which no list allows."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.meant_keys import place_in
from forgather_hydra.config.settle import FAILURES, Settling
from forgather_hydra.errors import ForgatherError


def no_item(settling: Settling) -> ForgatherError | None:
    """The error for the first override that asks for more than a list can do."""
    lines = [str(override.input_line) for override in settling.parsed]
    chosen = settling.structure()
    for place, override in enumerate(settling.parsed):
        steps = override.key_or_group.split(".")
        if len(steps) == 1:
            continue
        # Values are set in their order, after all choices.
        before = [line for i, line in enumerate(lines) if i < place or line in chosen]
        cfg = composed_of(before, settling)
        for depth in range(1, len(steps)):
            parent, item = ".".join(steps[:depth]), steps[depth]
            items = place_in(cfg, parent)
            if not OmegaConf.is_list(items):
                continue
            is_deleted = override.is_delete() and depth == len(steps) - 1
            if problem := _problem(parent, item, len(items), is_deleted):
                what = f"{override.input_line}: {problem}"
                cure = f"give the whole list: {parent}=[...]"
                return ForgatherError("bad_override", what, hint=cure)
    return None


def composed_of(overrides: list[str], settling: Settling) -> DictConfig:
    """What some of the overrides alone compose, if anything."""
    try:
        return settling.settle(overrides).cfg
    except FAILURES:
        return DictConfig({})


def _problem(parent: str, item: str, count: int, is_deleted: bool) -> str | None:
    if is_deleted:
        return f"an item of the list {parent} cannot be deleted by itself"
    if item.isdigit() and int(item) < count:
        return None
    known = f"items 0 to {count - 1}" if count > 1 else "item 0 alone" if count else "no items"
    return f"{parent} is a list, and has {known}"
