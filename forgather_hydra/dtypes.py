"""The type in which models are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make modules and models in `dtype`: a floating point one, such as `torch.bfloat16`.

    Those of transformers also where their configuration names another type, and those that are
    loaded, unless the call itself says `dtype=`.
    """
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with ExitStack() as stack:
            for method in ("_from_config", "from_pretrained"):
                stack.enter_context(_called_with(method, dtype))
            yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _called_with(method: str, dtype: torch.dtype) -> Iterator[None]:
    """Have a class method of all models of transformers called with a `dtype` if it has none."""
    from transformers import PreTrainedModel

    original = PreTrainedModel.__dict__[method]

    def call(cls: type, *args: Any, **kwargs: Any) -> Any:
        if "torch_dtype" not in kwargs:  # the former name
            kwargs.setdefault("dtype", dtype)
        return original.__get__(None, cls)(*args, **kwargs)

    setattr(PreTrainedModel, method, classmethod(call))
    try:
        yield
    finally:
        setattr(PreTrainedModel, method, original)
