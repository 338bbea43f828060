"""Families whose models are those of Llama in other names, or with other feed-forward layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from forgather_hydra.model.families import FAMILIES, Family, Values, Weights

_LLAMA = FAMILIES["llama"]
_LAYER = _LLAMA.modules["model.layers.*.mlp.up_proj"].removesuffix(".up_proj")
_GATED = ("gate_proj", "up_proj")


def _without(*names: str) -> dict[str, str]:
    return {ours: theirs for ours, theirs in _LLAMA.values.items() if ours not in names}


def _biased(theirs: Mapping[str, Any]) -> Values:
    return {**_LLAMA.our_special(theirs), "attention_bias": True}


def _with_output_bias(weights: Weights) -> Weights:
    """Our attention has biases everywhere or nowhere; Qwen2's has none at its output."""
    result = dict(weights)
    for name, weight in weights.items():
        if name.endswith("self_attn.o_proj.weight"):
            result[name.replace("weight", "bias")] = weight.new_zeros(weight.shape[0])
    return result


def _without_output_bias(weights: Weights) -> Weights:
    biases = [name for name in weights if name.endswith("self_attn.o_proj.bias")]
    if any(weights[name].any() for name in biases):
        raise ValueError("attention has biases at its output, for which qwen2 has no place")
    return {name: weight for name, weight in weights.items() if name not in biases}


def _all_rotary(theirs: Mapping[str, Any]) -> Values:
    if 0 in theirs["no_rope_layers"]:
        raise ValueError(
            f"no_rope_layers={theirs['no_rope_layers']!r}: {_LLAMA.template} computes rotary "
            "positions in all layers only"
        )
    return _LLAMA.our_special(theirs)


def _no_layer_without(ours: Mapping[str, Any]) -> Values:
    return {**_LLAMA.their_special(ours), "no_rope_layers": [1] * ours["num_hidden_layers"]}


def _unpack_experts(weights: Weights) -> Weights:
    """Their experts share one tensor a role, the gate above the rest; ours are linear layers."""
    result = {}
    for name, tensor in weights.items():
        prefix, _, role = name.rpartition(".")
        if not prefix.endswith(".experts"):
            result[name] = tensor
            continue
        for number, matrix in enumerate(tensor):
            parts = matrix.chunk(2) if role == "gate_up_proj" else [matrix]
            for part, own in zip(parts, _GATED if len(parts) == 2 else [role], strict=True):
                result[f"{prefix}.{number}.{own}.weight"] = part.contiguous()
    return result


def _pack_experts(weights: Weights) -> Weights:
    result = {n: w for n, w in weights.items() if ".experts." not in n}
    for name in [n for n in weights if ".experts.0.up_proj." in n]:
        prefix, _, _ = name.partition(".0.up_proj.")
        count = len([n for n in weights if n.startswith(f"{prefix}.") and ".up_proj." in n])
        down, gate, up = (
            torch.stack([weights[f"{prefix}.{i}.{role}.weight"] for i in range(count)])
            for role in ("down_proj", *_GATED)
        )
        result[f"{prefix}.down_proj"] = down
        result[f"{prefix}.gate_up_proj"] = torch.cat((gate, up), 1)
    return result


_MIXTRAL_MODULES = {t: o for t, o in _LLAMA.modules.items() if ".mlp." not in t} | {
    "model.layers.*.mlp.gate": f"{_LAYER}.router",
    "model.layers.*.mlp.experts.*.gate_proj": f"{_LAYER}.experts.*.gate_proj",
    "model.layers.*.mlp.experts.*.up_proj": f"{_LAYER}.experts.*.up_proj",
    "model.layers.*.mlp.experts.*.down_proj": f"{_LAYER}.experts.*.down_proj",
}

RELATIVES: dict[str, Family] = {
    "qwen2": replace(
        _LLAMA,
        values=_without("head_dim", "attention_bias", "mlp_bias"),
        required={"hidden_act": "silu", "use_sliding_window": False},
        our_special=_biased,
        unpack=_with_output_bias,
        pack=_without_output_bias,
    ),
    "smollm3": replace(
        _LLAMA,
        values=_without("head_dim"),
        required={"hidden_act": "silu", "use_sliding_window": False},
        our_special=_all_rotary,
        their_special=_no_layer_without,
    ),
    "mixtral": replace(
        _LLAMA,
        template="models/moe.yaml",
        values={
            **_without("attention_bias", "mlp_bias"),
            "num_experts": "num_local_experts",
            "num_experts_per_tok": "num_experts_per_tok",
            "auxiliary_loss_weight": "router_aux_loss_coef",
        },
        modules=_MIXTRAL_MODULES,
        required={"hidden_act": "silu", "sliding_window": None, "router_jitter_noise": 0.0},
        unpack=_unpack_experts,
        pack=_pack_experts,
    ),
}
"""By `model_type` of transformers."""

_GEMMA3 = (
    "its layers have four norms, with gains of 1 + weight, and two rotary encodings "
    "(rope_parameters by layer_types), and its scores are scaled by query_pre_attn_scalar"
)
INEXPRESSIBLE = {
    "olmo2": "its norms stand behind attention and feed-forward, before the residual sum, and "
    "those of queries and keys (q_norm, k_norm) span all heads",
    "gemma3": _GEMMA3,
    "gemma3_text": _GEMMA3,
}
"""By `model_type`, what no template of ours computes."""
