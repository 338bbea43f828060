"""Initial values of the parameters, module by module."""

from collections.abc import Callable

from torch import Tensor, nn

RESIDUAL_OUTPUTS = ("attn.output", "ff.down_proj", "ff.linear2")


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
    if residual_layers and getattr(module, "init_prefix", None) in RESIDUAL_OUTPUTS:
        std = std / (2 * residual_layers) ** 0.5
    initial_value: Callable[[str], Tensor] | None = getattr(module, "initial_value", None)
    for name, parameter in module.named_parameters(recurse=False):
        if getattr(parameter, "_is_hf_initialized", False):
            continue
        if initial_value is not None:
            parameter.data.copy_(initial_value(name))
            continue
        match rule_of(module, name):
            case "matrix":
                nn.init.normal_(parameter, std=std)
            case "bias":
                nn.init.zeros_(parameter)
            case "gain":
                nn.init.ones_(parameter)


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
