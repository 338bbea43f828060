"""The name under which construction is known: ``Latent.materialize``."""

from __future__ import annotations

from forgather_hydra.graph.build import materialize, targets


class Latent:
    """A configuration is latent objects; materialising it makes them real."""

    materialize = staticmethod(materialize)
    targets = staticmethod(targets)
