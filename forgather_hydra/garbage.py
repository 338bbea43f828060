"""When Python looks for garbage: seldom in our commands, and not among what they have imported."""

from __future__ import annotations

import gc
from functools import cache

NEW_OBJECTS = 20_000  # between two looks at the youngest; Python's own number is some hundreds


def look_seldom() -> None:
    """Look for garbage less often: nearly all that imports and compositions make is kept.

    A sixth of the time of a command that imports transformers goes into looking.
    """
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])


@cache  # to count what is passed over takes 40 ms
def pass_over_imports() -> None:
    """Never look again at what there is now, which is to be what was imported; the first time only.

    At its end Python looks at everything several times, which takes two seconds with transformers.
    What a user's own code makes later is still found, so files that it left open get their last
    lines.
    """
    gc.freeze()
