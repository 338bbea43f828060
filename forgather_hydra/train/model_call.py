"""How a model is called with a batch: without a cache, and without what it does not take."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

logger = logging.getLogger(__name__)


class ModelCall:
    """What the `forward` of a model takes of a batch.

    A model of transformers does not keep packed documents apart while it fills a cache, which is
    its default; nobody reads a cache in training and evaluation, so none is made.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        parameters = [*inspect.signature(model.forward).parameters.values()]
        if adapted := getattr(
            model, "get_base_model", None
        ):  # to which peft hands what it is given
            parameters += inspect.signature(adapted().forward).parameters.values()
        self._name = type(model).__name__
        self._named = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
        self._takes_more = any(p.kind is p.VAR_KEYWORD for p in parameters)
        if any(base.__module__ == "transformers.modeling_utils" for base in type(model).__mro__):
            from transformers.utils import TransformersKwargs  # type: ignore[attr-defined]

            # What else a model of transformers is given is for its attention function, or refused.
            self._takes_more = False
            self._named |= TransformersKwargs.__annotations__.keys()
        configs = {id(c): c for m in model.modules() if (c := getattr(m, "config", None))}
        self._configs = [c for c in configs.values() if getattr(c, "use_cache", None)]
        self._left_out: set[str] = set()

    def takes(self, name: str) -> bool:
        """Whether `forward` has a parameter of this name."""
        return name in self._named

    def inputs(self, batch: Mapping[str, Any], *, with_labels: bool) -> dict[str, Any]:
        """The keywords of a call; `labels` default to `input_ids`, and are there for the loss in
        any case `with_labels`.
        """
        inputs = self.known({"labels": batch["input_ids"], **batch})
        if not (with_labels or self._takes_more or self.takes("labels")):
            del inputs["labels"]
        if self.takes("use_cache"):
            inputs.setdefault("use_cache", False)
        return inputs

    def known(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """What the model takes of a batch; says once what it does not."""
        inputs = {name: value for name, value in batch.items() if self._is_input(name, value)}
        if left_out := batch.keys() - inputs.keys() - self._left_out:
            self._left_out |= left_out
            logger.warning(
                "%s takes no %s: left out of its batches", self._name, ", ".join(sorted(left_out))
            )
        return inputs

    @contextmanager
    def no_cache(self) -> Iterator[None]:
        """Has models inside of the model, which are called by its own code, make no cache."""
        for config in self._configs:
            config.use_cache = False
        try:
            yield
        finally:
            for config in self._configs:
                config.use_cache = True

    def _is_input(self, name: str, value: Any) -> bool:
        if name in self._named or name == "labels":
            return True
        return self._takes_more and isinstance(value, torch.Tensor | int | float)


def moved(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on `device`."""
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
    }
