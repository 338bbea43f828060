"""Numbers of any library: what a job returns need not be one of Python's own."""

from __future__ import annotations

from typing import Any


def number(value: Any) -> float | None:
    """A value as a number: a Python number, a scalar of NumPy or PyTorch, a decimal or a fraction.

    Returns:
        None for what is no number: truth values, texts, collections, and arrays of several.
    """
    is_truth = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    if is_truth or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def plain(value: Any) -> float | int | str:
    """A value that JSON does not know, as a number if it is one, else as text."""
    found = number(value)
    if found is None:
        return str(value)
    is_whole = hasattr(value, "__index__") or str(getattr(value, "dtype", "")).startswith("int")
    return int(value) if is_whole and found.is_integer() else found
