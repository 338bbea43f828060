"""The name under which construction is known: ``Latent.materialize``."""

from __future__ import annotations

from typing import Any

from forgather_hydra.graph.build import materialize, targets
from forgather_hydra.graph.codegen.generate import Program


class Latent:
    """A configuration is latent objects; materialising it makes them real."""

    materialize = staticmethod(materialize)
    targets = staticmethod(targets)

    @staticmethod
    def to_py(obj: Any) -> Program:
        """A graph as a Python program: printed, or given to `generate_code` with a template."""
        return Program(obj)
