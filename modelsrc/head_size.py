"""The size of an attention head."""


def head_size(d_model: int, num_heads: int, d_head: int | None = None) -> int:
    """`d_head`, or where that is None an equal share of `d_model` for each head.

    Raises:
        ValueError: for a width that cannot be shared equally.
    """
    if d_head is None and d_model % num_heads:
        raise ValueError(
            f"d_model={d_model} is not a multiple of num_heads={num_heads}; set d_head"
        )
    return d_head or d_model // num_heads
