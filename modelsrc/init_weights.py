"""Initial values of the parameters, module by module."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

RESIDUAL_OUTPUTS = ("attn.output", "ff.down_proj", "ff.linear2")
CONSTANTS: dict[str, Callable[[Tensor], object]] = {
    "bias": nn.init.zeros_,
    "gain": nn.init.ones_,
}


def simple_weight_init(
    module: nn.Module, std: float = 0.02, residual_layers: int | None = None
) -> None:
    """Initialise the parameters that `module` itself holds, children excluded.

    Matrices of linear layers and embeddings are drawn from N(0, std²), biases are 0 and gains of
    norms 1. A module with a method `initial_value(name)` says by itself what its parameters are.
    Parameters that were loaded (flag `_is_hf_initialized`) are left alone.

    Args:
        residual_layers: number of layers L; the last matrix of each residual branch is then drawn
            with std / sqrt(2 L), so that the residual stream keeps its variance (Radford et al.
            2019, "Language Models are Unsupervised Multitask Learners", section 2.3).

    Raises:
        ValueError: for a parameter that no rule covers.
    """
    std = residual_std(module, std, residual_layers)
    inits = {"matrix": partial(nn.init.normal_, std=std), **CONSTANTS}
    initialise(module, lambda name: inits[rule_of(module, name)])


def residual_std(module: nn.Module, std: float, residual_layers: int | None) -> float:
    """The smaller deviation of a module that ends a residual branch, `std` of any other."""
    if residual_layers and getattr(module, "init_prefix", None) in RESIDUAL_OUTPUTS:
        return std / (2 * residual_layers) ** 0.5
    return std


def initialise(module: nn.Module, init_of: Callable[[str], Callable[[Tensor], object]]) -> None:
    """Give each parameter that `module` itself holds to `init_of(name)`, which fills it.

    All have to be found before the first is filled. A parameter that was loaded is left alone, and
    a module with a method `initial_value(name)` says by itself what its parameters are.
    """
    initial_value: Callable[[str], Tensor] | None = getattr(module, "initial_value", None)
    fresh = {
        name: parameter
        for name, parameter in module.named_parameters(recurse=False)
        if not getattr(parameter, "_is_hf_initialized", False)
    }
    if initial_value is not None:
        for name, parameter in fresh.items():
            parameter.data.copy_(initial_value(name))
        return
    inits = [init_of(name) for name in fresh]
    for init, parameter in zip(inits, fresh.values(), strict=True):
        init(parameter)


def rule_of(module: nn.Module, name: str) -> str:
    """The rule for the parameter `name` of `module`: matrix, bias or gain."""
    if name == "bias":
        return "bias"
    if name == "weight" and isinstance(module, nn.Linear | nn.Embedding):
        return "matrix"
    if name == "weight" and module.weight.ndim == 1:
        return "gain"
    raise ValueError(
        f"no rule initialises the parameter {name!r} of {type(module).__name__}; "
        "add one to rule_of, or give the model another init_weights"
    )
