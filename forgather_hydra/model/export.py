"""A directory from which Hugging Face loads a generated model without this package."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import GenerationConfig, PreTrainedTokenizerBase

from forgather_hydra import paths

from .parts import collect_parts

_MODEL_TYPE = re.compile(r'^model_type = "(?P<name>\w+)"$', re.MULTILINE)
_CLASSES = {
    "AutoConfig": "DynamicCausalLMConfig",
    "AutoModel": "DynamicCausalModel",
    "AutoModelForCausalLM": "DynamicCasualLM",
}
_SPECIAL = ("bos", "eos", "pad")


def export_model(
    code: str,
    config: Mapping[str, Any],
    output_dir: str | os.PathLike[str],
    tokenizer: PreTrainedTokenizerBase | None = None,
    part_dirs: Iterable[str | os.PathLike[str]] | None = None,
) -> Path:
    """Write code, parts, configuration and tokenizer of a model; files that are current are kept.

    Args:
        code: module made by `modeling_code`.
        config: values of the model's configuration. Token ids and `vocab_size` come from the
            tokenizer where they are missing.
        part_dirs: where the parts are looked up, first match wins; default: the shipped parts.

    Returns:
        The path of the written module, `<output_dir>/<short name>.py`.

    Raises:
        ValueError: for code without the line `model_type = "<short name>"`.
        FileNotFoundError: for a part that is nowhere.
    """
    short_name = _short_name(code)
    parts = collect_parts(code, [Path(d) for d in part_dirs or [paths.modelsrc_dir()]])
    if f"{short_name}.py" in parts:
        raise ValueError(f"the model is named like its part {short_name}.py; choose another name")
    model_type = f"{short_name}-{_digest(code, parts)}"
    values = {**_tokenizer_values(tokenizer), **config}
    files = {
        **parts,
        f"{short_name}.py": _MODEL_TYPE.sub(f'model_type = "{model_type}"', code),
        "config.json": _to_json(_hub_config(values, short_name, model_type)),
        "generation_config.json": _generation_config(values).to_json_string(),
        "provenance.json": _to_json(_provenance(code, parts)),
    }
    directory = Path(output_dir)
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write_if_changed(directory / name, text)
    if tokenizer is not None:
        tokenizer.save_pretrained(directory)
    return directory / f"{short_name}.py"


def _short_name(code: str) -> str:
    match = _MODEL_TYPE.search(code)
    if match is None:
        raise ValueError(
            'the model\'s code has no line model_type = "<short name>", which names it; '
            "add one to the code template"
        )
    return match["name"]


def _digest(code: str, parts: Mapping[str, str]) -> str:
    text = "\0".join([code, *(name + "\0" + parts[name] for name in sorted(parts))])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _tokenizer_values(tokenizer: PreTrainedTokenizerBase | None) -> dict[str, Any]:
    if tokenizer is None:
        return {}
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in _SPECIAL}
    return {"vocab_size": len(tokenizer), **ids}


def _hub_config(values: Mapping[str, Any], short_name: str, model_type: str) -> dict[str, Any]:
    return {
        **values,
        "model_type": model_type,
        "architectures": [_CLASSES["AutoModelForCausalLM"]],
        "auto_map": {auto: f"{short_name}.{name}" for auto, name in _CLASSES.items()},
        "transformers_version": transformers.__version__,
    }


def _generation_config(values: Mapping[str, Any]) -> GenerationConfig:
    return GenerationConfig(**{f"{n}_token_id": values.get(f"{n}_token_id") for n in _SPECIAL})


def _provenance(code: str, parts: Mapping[str, str]) -> dict[str, Any]:
    """What the directory was made of, to tell later whether its code is stale."""
    return {
        "code_sha256": hashlib.sha256(code.encode()).hexdigest(),
        "parts_sha256": {
            name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(parts.items())
        },
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


def _to_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _write_if_changed(path: Path, text: str) -> None:
    """Replace the file at once, so that another process never reads half of it."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
