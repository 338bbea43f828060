"""Initial values for models like Llama: truncated, with an embedding of its own size."""

from functools import partial

from torch import nn

from .init_weights import CONSTANTS, initialise, residual_std, rule_of


def llama_weight_init(
    module: nn.Module, num_layers: int, std: float = 0.02, embedding_std: float | None = None
) -> None:
    """Initialise the parameters that `module` itself holds, children excluded.

    As `simple_weight_init` with `residual_layers`, but matrices are drawn from a normal
    distribution that is cut off at three standard deviations, and embeddings have their own.

    Args:
        num_layers: number of layers L; the last matrix of each residual branch is drawn with
            std / sqrt(2 L).
        embedding_std: deviation of embeddings; None: `std`. A tied output decoder shares it, and
            a first loss near that of a uniform guess then needs it to be small.

    Raises:
        ValueError: for a parameter that no rule covers.
    """
    if isinstance(module, nn.Embedding) and embedding_std is not None:
        std = embedding_std
    std = residual_std(module, std, num_layers)
    matrix = partial(nn.init.trunc_normal_, std=std, a=-3 * std, b=3 * std)
    inits = {"matrix": matrix, **CONSTANTS}
    initialise(module, lambda name: inits[rule_of(module, name)])
