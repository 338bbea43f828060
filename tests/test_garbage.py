"""When garbage is looked for: what was imported is passed over, what was made later is not."""

from __future__ import annotations

import gc
import weakref

from forgather_hydra.garbage import pass_over_imports


class Ring:
    """Refers to itself, as a model and its trainer do to each other."""

    def __init__(self) -> None:
        self.own = self


def test_only_what_was_there_the_first_time_is_passed_over() -> None:
    pass_over_imports.cache_clear()
    early = weakref.ref(Ring())
    pass_over_imports()
    late = weakref.ref(Ring())
    pass_over_imports()
    gc.collect()
    assert early() is not None
    assert late() is None
