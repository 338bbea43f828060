"""How the names of transformers' models and those of our templates correspond, family by family."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Weights = dict[str, Tensor]
Values = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """One model type of transformers and the template that computes the same.

    Attributes:
        template: its name in the template library.
        values: our names of configuration values, and theirs.
        modules: their names of the modules that hold parameters, and ours; `*` is an index.
        required: values of their configuration that the template has built in.
        our_special, their_special: further values, which are more than renamed.
        unpack, pack: make their weights those of plain linear layers, one for each of ours, and
            the way back.
    """

    template: str
    values: Mapping[str, str]
    modules: Mapping[str, str]
    required: Mapping[str, Any]
    our_special: Callable[[Mapping[str, Any]], Values]
    their_special: Callable[[Mapping[str, Any]], Values]
    unpack: Callable[[Weights], Weights] = dict
    pack: Callable[[Weights], Weights] = dict

    def our_weights(self, theirs: Weights) -> Weights:
        """Their weights under our names.

        Raises:
            ValueError: for a weight that the template has no place for.
        """
        return _renamed(self.unpack(theirs), self.modules.items())

    def their_weights(self, ours: Weights) -> Weights:
        """Our weights under their names.

        Raises:
            ValueError: for a weight that their model has no place for.
        """
        return self.pack(_renamed(ours, ((o, t) for t, o in self.modules.items())))

    def our_values(self, theirs: Mapping[str, Any]) -> Values:
        """Values of our configuration from those of theirs.

        Raises:
            ValueError: for a value which the template cannot follow.
        """
        for name, needed in self.required.items():
            if theirs.get(name, needed) != needed:
                raise ValueError(
                    f"{name}={theirs[name]!r}: {self.template} computes {needed!r} only"
                )
        values = {ours: theirs[name] for ours, name in self.values.items()}
        return {**values, **self.our_special(theirs)}

    def their_values(self, ours: Mapping[str, Any]) -> Values:
        """Values of their configuration from those of ours, or the defaults of theirs."""
        values = {name: ours[own] for own, name in self.values.items() if own in ours}
        return {**values, **self.required, **self.their_special(ours)}


def _renamed(weights: Weights, modules: Iterable[tuple[str, str]]) -> Weights:
    rules = [(_pattern(old), _with_groups(new)) for old, new in modules]
    result = {}
    for name, tensor in weights.items():
        module, _, leaf = name.rpartition(".")
        found = [match.expand(new) for old, new in rules if (match := old.fullmatch(module))]
        if not found:
            raise ValueError(f"the weight {name} has no counterpart; the model is of another kind")
        result[f"{found[0]}.{leaf}"] = tensor
    return result


def _pattern(module: str) -> re.Pattern[str]:
    return re.compile(re.escape(module).replace(r"\*", r"(\d+)"))


def _with_groups(module: str) -> str:
    """Each `*` stands for what that of the pattern has matched."""
    first, *rest = module.split("*")
    return first + "".join(rf"\g<{i}>{text}" for i, text in enumerate(rest, 1))


_COMMON = (
    "vocab_size",
    "initializer_range",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
_LLAMA_VALUES = (
    *_COMMON,
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "rms_norm_eps",
    "attention_dropout",
)
_CORE = "model.causal_lm"
_LAYER = f"{_CORE}.layer_stack.layers.*"
_LLAMA_MODULES = {
    "model.embed_tokens": f"{_CORE}.input_encoder.embedding",
    "model.norm": f"{_CORE}.layer_stack.layer_norm",
    "lm_head": "lm_head",
    "model.layers.*.input_layernorm": f"{_LAYER}.norm1",
    "model.layers.*.post_attention_layernorm": f"{_LAYER}.norm2",
    "model.layers.*.self_attn.q_proj": f"{_LAYER}.attention.query_linear",
    "model.layers.*.self_attn.k_proj": f"{_LAYER}.attention.key_linear",
    "model.layers.*.self_attn.v_proj": f"{_LAYER}.attention.value_linear",
    "model.layers.*.self_attn.o_proj": f"{_LAYER}.attention.output_linear",
    "model.layers.*.mlp.gate_proj": f"{_LAYER}.feedforward.gate_proj",
    "model.layers.*.mlp.up_proj": f"{_LAYER}.feedforward.up_proj",
    "model.layers.*.mlp.down_proj": f"{_LAYER}.feedforward.down_proj",
}
_GPT2_MODULES = {
    "transformer.wte": f"{_CORE}.input_encoder.embedding",
    "transformer.wpe": f"{_CORE}.input_encoder.positional_encoder.embedding",
    "transformer.ln_f": f"{_CORE}.layer_stack.layer_norm",
    "lm_head": "lm_head",
    "transformer.h.*.ln_1": f"{_LAYER}.norm1",
    "transformer.h.*.ln_2": f"{_LAYER}.norm2",
    "transformer.h.*.attn.query": f"{_LAYER}.attention.query_linear",
    "transformer.h.*.attn.key": f"{_LAYER}.attention.key_linear",
    "transformer.h.*.attn.value": f"{_LAYER}.attention.value_linear",
    "transformer.h.*.attn.c_proj": f"{_LAYER}.attention.output_linear",
    "transformer.h.*.mlp.c_fc": f"{_LAYER}.feedforward.linear1",
    "transformer.h.*.mlp.c_proj": f"{_LAYER}.feedforward.linear2",
}
_GPT2_VALUES = {
    **{name: name for name in (*_COMMON, "layer_norm_epsilon")},
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position_embeddings": "n_positions",
    "embedding_dropout": "embd_pdrop",
    "layer_dropout": "resid_pdrop",
    "attention_dropout": "attn_pdrop",
}
# GPT-2 keeps these matrices transposed, and queries, keys and values in one of them.
_CONV1D = re.compile(r".*\.(c_attn|c_proj|c_fc)\.weight")
_FUSED, _ROLES = "attn.c_attn", ("attn.query", "attn.key", "attn.value")


def _unpack_gpt2(weights: Weights) -> Weights:
    result = {}
    for name, tensor in weights.items():
        plain = tensor.T.contiguous() if _CONV1D.fullmatch(name) else tensor
        if _FUSED in name:
            for role, part in zip(_ROLES, plain.chunk(3), strict=True):
                result[name.replace(_FUSED, role)] = part.contiguous()
        else:
            result[name] = plain
    return result


def _pack_gpt2(weights: Weights) -> Weights:
    result = {}
    for name, tensor in weights.items():
        if _ROLES[0] in name:
            fused = name.replace(_ROLES[0], _FUSED)
            result[fused] = torch.cat([weights[name.replace(_ROLES[0], r)] for r in _ROLES])
        elif _ROLES[1] not in name and _ROLES[2] not in name:
            result[name] = tensor
    return {n: t.T.contiguous() if _CONV1D.fullmatch(n) else t for n, t in result.items()}


def _our_rope(theirs: Mapping[str, Any]) -> Values:
    scaling = dict(theirs["rope_parameters"])
    theta = scaling.pop("rope_theta")
    is_plain = scaling["rope_type"] == "default"
    return {"rope_theta": theta, "rotary_scaling": None if is_plain else scaling}


def _their_rope(ours: Mapping[str, Any]) -> Values:
    scaling = ours["rotary_scaling"] or {"rope_type": "default"}
    return {"rope_parameters": {**scaling, "rope_theta": ours["rope_theta"]}}


def _their_rope_without_window(ours: Mapping[str, Any]) -> Values:
    window = ours.get("sliding_window")
    if window is not None:
        raise ValueError(f"sliding_window={window}: llama has none; convert it to mistral")
    return _their_rope(ours)


def _our_inner(theirs: Mapping[str, Any]) -> Values:
    return {"intermediate_size": theirs["n_inner"] or 4 * theirs["n_embd"]}


def _their_inner(ours: Mapping[str, Any]) -> Values:
    is_usual = ours["intermediate_size"] == 4 * ours["hidden_size"]
    return {"n_inner": None if is_usual else ours["intermediate_size"]}


def _our_window(theirs: Mapping[str, Any]) -> Values:
    window = theirs["sliding_window"]
    types = {} if window is None else {"layer_types": theirs["layer_types"]}
    return {**_our_rope(theirs), "sliding_window": window, **types}


def _their_window(ours: Mapping[str, Any]) -> Values:
    window, types = ours["sliding_window"], ours.get("layer_types")
    values = {**_their_rope(ours), "use_sliding_window": window is not None}
    if window is None:
        return values
    if types is None:
        types = ["sliding_attention"] * ours["num_hidden_layers"]
    first = types.index("sliding_attention")
    return {
        **values,
        "sliding_window": window,
        "layer_types": types,
        "max_window_layers": first,
    }


FAMILIES = {
    "llama": Family(
        "models/llama.yaml",
        {name: name for name in (*_LLAMA_VALUES, "attention_bias", "mlp_bias")},
        _LLAMA_MODULES,
        {"hidden_act": "silu", "pretraining_tp": 1},
        _our_rope,
        _their_rope_without_window,
    ),
    "mistral": Family(
        "models/mistral.yaml",
        {name: name for name in (*_LLAMA_VALUES, "sliding_window")},
        _LLAMA_MODULES,
        {"hidden_act": "silu"},
        _our_rope,
        _their_rope,
    ),
    "qwen3": Family(
        "models/qwen3.yaml",
        {name: name for name in (*_LLAMA_VALUES, "attention_bias")},
        {
            **_LLAMA_MODULES,
            "model.layers.*.self_attn.q_norm": f"{_LAYER}.attention.query_norm",
            "model.layers.*.self_attn.k_norm": f"{_LAYER}.attention.key_norm",
        },
        {"hidden_act": "silu"},
        _our_window,
        _their_window,
    ),
    "gpt2": Family(
        "models/gpt2.yaml",
        _GPT2_VALUES,
        _GPT2_MODULES,
        {
            "activation_function": "gelu_new",
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
            "add_cross_attention": False,
        },
        _our_inner,
        _their_inner,
        _unpack_gpt2,
        _pack_gpt2,
    ),
}
"""By `model_type` of transformers."""
