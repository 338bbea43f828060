"""Initial values of the parameters by rules on their names, for experiments in a configuration."""

import re
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from .init_weights import initialise

Rules = Sequence[tuple[str, Callable[[Tensor], object]]]


def init_weights_by_regex(module: nn.Module, rules: Rules) -> None:
    """Initialise the parameters that `module` itself holds, children excluded.

    A parameter is called as its role, then its own name: "attn.query.weight", "ff.down_proj.bias",
    "embedding.weight", "lm_head.weight". A module without a role (`init_prefix`) goes by its class:
    "RMSNorm.weight". As in `simple_weight_init`, loaded parameters are left alone, and a module
    with a method `initial_value` needs no rule.

    Args:
        rules: pairs (pattern, init). The first pattern that matches the whole name decides, and
            `init(parameter)` fills the parameter in place, as the functions of `torch.nn.init` do.

    Raises:
        ValueError: for a parameter that no rule matches; no other one of `module` is then filled.
    """
    role = getattr(module, "init_prefix", type(module).__name__)

    def init_of(name: str) -> Callable[[Tensor], object]:
        for pattern, init in rules:
            if re.fullmatch(pattern, f"{role}.{name}"):
                return init
        raise ValueError(
            f"no rule matches the parameter {role}.{name}; add one to "
            f"{', '.join(repr(pattern) for pattern, _ in rules)}"
        )

    initialise(module, init_of)
