"""The blocks that an experiment hands to the parts which it chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forgather_hydra.config.composition import Composition
from forgather_hydra.errors import ForgatherError, warn

if TYPE_CHECKING:
    from forgather_hydra.template.handed import Handover
    from forgather_hydra.template.rendered import Rendered


def handover(record: Composition) -> Handover:
    """What the templates that have been read so far hand to those read after them."""
    from forgather_hydra.template.handed import Handover

    rendered = [*record.rendered.values()]
    giving = [each for each in rendered if each.handed]
    return Handover(
        tuple(block for each in giving for block in each.handed),
        tuple(pair for each in reversed(giving) for pair in each.assigned.items()),
    )


def report_unplaced_blocks(record: Composition) -> None:
    """Warn of each block that none of the chosen parts has, either.

    Raises:
        ForgatherError: ``unknown_block``, if that is strict.
    """
    if not record.hands:
        return
    rendered = [*record.rendered.values()]
    for number, each in enumerate(rendered):
        placed = frozenset[str]().union(*(later.blocks for later in rendered[number + 1 :]))
        _report(each, placed, record.strict)


def _report(rendered: Rendered, placed: frozenset[str], strict: bool) -> None:
    for block in rendered.handed:
        if block.name in placed:
            continue
        message = (
            f"the block {block.name!r} has no effect: no parent template has one of this name, "
            "nor has a part that is chosen"
        )
        if strict:
            error = ForgatherError("unknown_block", message, hint=block.hint)
            raise error.locate(block.origin)
        warn("unknown_block", message, block.origin, block.hint)
