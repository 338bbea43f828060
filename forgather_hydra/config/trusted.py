"""What the run of somebody else may use: objects and narrow modules that training needs.

None of these hands out what other modules hold, by name or by attribute, except for public
attributes that are written down. It is no sandbox: see ``docs/explanation/security.md``.
"""

from __future__ import annotations

_BUILTINS = (
    *("bool", "dict", "float", "getattr", "int", "len", "list", "max", "min", "object"),
    *("range", "set", "str", "sum", "tuple"),
)
_OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pow", "eq", "ne", "lt", "le"),
    *("gt", "ge", "not_"),
)
_MODEL = (
    *("build_model", "modeling_code", "check_model", "new_model", "check_new_model"),
    *("load_pretrained", "check_pretrained", "refuse_choice"),
)
_OF_TRANSFORMERS = (
    *("Auto*", "*Config", "*TokenizerFast", "modeling_utils.PreTrainedModel"),
    *("models.*.configuration_*", "models.*.modeling_*", "models.*.tokenization_*"),
    *("configuration_utils.PreTrainedConfig", "tokenization_utils_base.PreTrainedTokenizerBase"),
    "models.auto.auto_factory._BaseAutoModelClass",
)

# Each object stands under the name that one writes and under the one that it has.
TRUSTED = (
    *("forgather_hydra.train", "forgather_hydra.data", "torch.nn", "torch.optim", "math"),
    *("torch.float32", "torch.bfloat16", "torch.float16", "torch.dtype"),
    *("collections.Counter", "collections.OrderedDict", "collections.deque"),
    *(f"forgather_hydra.model.{name}" for name in _MODEL),
    *(f"forgather_hydra.model.*.{name}" for name in _MODEL),
    *(f"transformers.{name}" for name in _OF_TRANSFORMERS),
    *(f"operator.{name}" for name in _OPERATORS),
    *(f"builtins.{name}" for name in _BUILTINS),
)
