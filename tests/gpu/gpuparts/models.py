"""The Llamas that are trained, made of the shipped parts without Hydra."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from gpuparts.setting import Setting

VOCABULARY = 256  # bytes

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64,
             "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": VOCABULARY},
    # That of the experiment `baseline`.
    "baseline": {"hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 352,
                 "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": VOCABULARY},
    "160m": {"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072,
             "num_attention_heads": 12, "num_key_value_heads": 12, "vocab_size": 32000,
             "tie_word_embeddings": False},
    # That of Llama 3.2 1B.
    "1b": {"hidden_size": 2048, "num_hidden_layers": 16, "intermediate_size": 8192,
           "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256},
}  # fmt: skip


def new_model(
    folder: Path, shape: str, *, seed: int = 0, loss: str = "causal", **changes: Any
) -> Any:
    """A model with fresh weights, drawn on the CPU; its code goes to `folder`.

    Args:
        shape: one of `SHAPES`.
        loss: causal, chunked or fused.
        changes: to the configuration, for example `sliding_window=8`.
    """
    from forgather_hydra import ConfigEnvironment, paths
    from forgather_hydra.model import build_model, modeling_code

    environment = ConfigEnvironment(searchpath=[str(path) for path in paths.library_dirs()])
    document = environment.load("models/llama.yaml", ns={"loss": loss}).config
    code = modeling_code(document["model"].kwargs["code"].kwargs["model"], short_name="llama")
    values = {**document["model_config"], **SHAPES[shape], **changes}
    values |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    attention = values.pop("attn_implementation", None)
    torch.manual_seed(seed)
    return build_model(
        code, values, folder / "model", overwrite=True, attn_implementation=attention
    )


def maker(setting: Setting, shape: str | None = None, **options: Any) -> Any:
    """A function that makes such a model; by default of the baseline's shape."""
    chosen = setting.size("tiny", shape or "baseline")
    return partial(new_model, setting.folder, chosen, **options)
