"""A flavour of a model of Torch Titan's as a model that any of our trainers takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from forgather_hydra.errors import nearest
from forgather_hydra.train.titan import library


class TitanModel(torch.nn.Module):
    """A model of Torch Titan's, for data of ours.

    Args:
        name: of the model: `llama3`, `qwen3`.
        flavor: of it, such as `debugmodel` and `8B`.
        changes: of the flavour's arguments: `dim`, `n_layers`, `vocab_size`, `max_seq_len` and so
            on.

    Raises:
        ValueError: for a name, flavour or argument that does not exist.
        ModuleNotFoundError, ImportError: no release of Torch Titan that works is installed.
    """

    def __init__(self, name: str = "llama3", flavor: str = "debugmodel", **changes: Any) -> None:
        super().__init__()
        library.load()
        from torchtitan.protocols.train_spec import get_train_spec

        spec = get_train_spec(name)
        if flavor not in spec.model_args:
            raise ValueError(f"{name} has no flavour {flavor!r}: {', '.join(spec.model_args)}")
        known = vars(spec.model_args[flavor])
        if unknown := changes.keys() - known.keys():
            near = {key: nearest(key, known) or sorted(known) for key in sorted(unknown)}
            told = "; ".join(f"{key}: did you mean {', '.join(n)}?" for key, n in near.items())
            raise ValueError(f"{name} has no such argument: {told}")
        self.model = spec.model_cls(replace(spec.model_args[flavor], **changes))
        with torch.no_grad():
            self.model.init_weights()

    def forward(
        self, input_ids: torch.Tensor, labels: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Logits [B, T, V] for `input_ids` [B, T], with the mean loss over `labels[:, 1:]`."""
        logits = self.model(input_ids)
        if labels is None:
            return {"logits": logits}
        targets = labels[:, 1:].flatten()
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), targets)
        return {"loss": loss, "logits": logits}
