"""A directory from which Hugging Face loads a generated model without this package."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import GenerationConfig, PreTrainedTokenizerBase

from forgather_hydra.model import identity
from forgather_hydra.model.draft import draft_folder, remove_leftovers
from forgather_hydra.model.parts import collect_parts
from forgather_hydra.tokenizer_files import save_tokenizer

_MODEL_TYPE = re.compile(r'^model_type = "(?P<name>\w+)"$', re.MULTILINE)
_CLASSES = {
    "AutoConfig": "DynamicCausalLMConfig",
    "AutoModel": "DynamicCausalModel",
    "AutoModelForCausalLM": "DynamicCasualLM",
    "AutoModelForSequenceClassification": "DynamicForSequenceClassification",
    "AutoModelForTokenClassification": "DynamicForTokenClassification",
    "AutoModelForQuestionAnswering": "DynamicForQuestionAnswering",
    # By which `transformers serve` finds code that lies in a directory; elsewhere, it asks the
    # namespace of transformers for the class.
    "AutoModelForDecision": "DynamicCasualLM",
}
_SPECIAL = ("bos", "eos", "pad")


def export_model(
    code: str,
    config: Mapping[str, Any],
    output_dir: str | os.PathLike[str],
    tokenizer: PreTrainedTokenizerBase | None = None,
    part_dirs: Iterable[str | os.PathLike[str]] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write code, parts, configuration and tokenizer of a model.

    A directory that holds this very model is left as it is, with its weights and whatever training
    has added; several processes may write the same model at the same time.

    Args:
        code: module made by `modeling_code`.
        config: values of the model's configuration. Token ids and `vocab_size` come from the
            tokenizer where they are missing.
        part_dirs: where parts are looked up before the shipped ones; the first match wins.
        overwrite: replace another model that the directory holds, and delete its weights.

    Returns:
        The path of the written module, `<output_dir>/<short name>.py`.

    Raises:
        ForgatherError: `model_exists` (also a FileExistsError), if the directory holds another
            model; it lists what differs.
        ValueError: for code without the line `model_type = "<short name>"`.
        FileNotFoundError: for a part that is nowhere.
    """
    name = _short_name(code)
    parts = collect_parts(code, map(Path, part_dirs or ()))
    if f"{name}.py" in parts:
        raise ValueError(f"the model is named like its part {name}.py; choose another name")
    model_type = f"{name}-{_digest(code, parts)[:12]}"
    sources = {**parts, f"{name}.py": _MODEL_TYPE.sub(f'model_type = "{model_type}"', code)}
    values = _hub_config(
        {**tokenizer_values(tokenizer), **under_one_name(config)}, name, model_type
    )
    provenance = _provenance(sources, tokenizer)
    values[identity.HASH] = identity.content_hash(values, provenance)

    directory = Path(output_dir)
    if (directory / "config.json").is_file():
        changes = identity.changes(directory, sources, values, provenance)
        if not changes:
            remove_leftovers(directory)
            return directory / f"{name}.py"
        if not overwrite:
            raise identity.model_exists(directory, changes)
        _remove_model(directory)
    texts = {
        **sources,
        "generation_config.json": _generation_config(values).to_json_string(),
        identity.PROVENANCE: _to_json(provenance),
        "config.json": _to_json(values),
    }
    _write(directory, texts, tokenizer, values.get("max_position_embeddings"))
    return directory / f"{name}.py"


def under_one_name(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration, in which `max_sequence_length`, as Forgather calls it, is
    `max_position_embeddings`, as transformers does.
    """
    values = {**config}
    if "max_sequence_length" in values:
        values["max_position_embeddings"] = values.pop("max_sequence_length")
    return values


def _short_name(code: str) -> str:
    match = _MODEL_TYPE.search(code)
    if match is None:
        raise ValueError(
            'the model\'s code has no line model_type = "<short name>", which names it; '
            "add one to the code template"
        )
    return match["name"]


def _digest(code: str, parts: Mapping[str, str]) -> str:
    return identity.sha256(code, *(text for part in sorted(parts.items()) for text in part))


def tokenizer_values(tokenizer: PreTrainedTokenizerBase | None) -> dict[str, Any]:
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


def _provenance(
    sources: Mapping[str, str], tokenizer: PreTrainedTokenizerBase | None
) -> dict[str, Any]:
    """What the directory was made of, to tell later what has changed."""
    return {
        "sources_sha256": {n: identity.sha256(text) for n, text in sorted(sources.items())},
        "vocabulary_sha256": identity.vocabulary_hash(tokenizer),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


def _to_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _remove_model(directory: Path) -> None:
    """Delete the code and the weights of the model that the directory holds."""
    sources = identity.read_provenance(directory).get("sources_sha256", ())
    for path in (*(directory / name for name in sources), *directory.glob("model*.safetensors*")):
        path.unlink(missing_ok=True)


def _write(
    directory: Path,
    texts: Mapping[str, str],
    tokenizer: PreTrainedTokenizerBase | None,
    max_position_embeddings: int | None,
) -> None:
    """Write aside, then put every file in place at once: no process ever reads half of one.

    `config.json` comes last, and so says that the others are there.
    """
    with draft_folder(directory) as draft:
        for file, text in texts.items():
            (draft / file).write_text(text, encoding="utf-8")
        if tokenizer is not None:
            save_tokenizer(tokenizer, draft, max_position_embeddings)
        for path in sorted(draft.iterdir(), key=lambda path: path.name == "config.json"):
            path.replace(directory / path.name)
