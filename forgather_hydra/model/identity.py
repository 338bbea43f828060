"""Which model a directory holds, and what distinguishes it from another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from forgather_hydra.errors import ForgatherError, error_like

HASH = "content_hash"
PROVENANCE = "provenance.json"
# Written by transformers or by us around the values of an architecture.
_FRAME = {HASH, "architectures", "auto_map", "dtype", "model_type", "transformers_version"}


def model_exists(directory: Path, changes: list[str]) -> ForgatherError:
    """The error for a directory that holds another model than the one to be written."""
    lines = "".join(f"\n    {change}" for change in changes)
    return error_like(
        FileExistsError(),
        "model_exists",
        f"{directory} already holds another model. Compared with it, the new one changes:{lines}",
        hint="in a run, take these changes back or begin another run, without resume; elsewhere, "
        "choose another output_dir, or replace this model: overwrite=True, or --force of the model "
        "commands",
    )


def sha256(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def vocabulary_hash(tokenizer: PreTrainedTokenizerBase | None) -> str | None:
    """Of what a tokenizer turns into which id; its settings, which use changes, are left out."""
    if tokenizer is None:
        return None
    return sha256(json.dumps(sorted(tokenizer.get_vocab().items()), ensure_ascii=False))


def content_hash(values: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    """Of all that makes a model what it is: code, parts, architecture and vocabulary."""
    made_of = {key: value for key, value in values.items() if key not in _FRAME}
    made_of |= {key: value for key, value in provenance.items() if key != "versions"}
    return sha256(json.dumps(made_of, sort_keys=True))


def changes(
    directory: Path, sources: Mapping[str, str], values: Mapping[str, Any], provenance: Mapping
) -> list[str]:
    """How a model to be written differs from the one in `directory`, a line a difference.

    Args:
        sources: texts of its Python files, by name.
        values: of its configuration, with its content hash.
    """
    old = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    found = [*_changed_files(directory, sources)]
    if old.get(HASH) != values[HASH]:
        found += _changed_vocabulary(directory, provenance)
        found += _new_or_gone(old, values)
    found += [
        f"{key}: {_show(old[key])} -> {_show(value)}"
        for key, value in values.items()
        if key in old and key not in _FRAME and old[key] != _as_json(value)
    ]
    if old.get(HASH) != values[HASH] and not found:
        found = [f"{HASH}: {old.get(HASH)} -> {values[HASH]}"]
    return found


def _changed_files(directory: Path, sources: Mapping[str, str]) -> Iterator[str]:
    for name, text in sorted(sources.items()):
        path = directory / name
        if not path.is_file():
            yield f"{name}: new"
        elif path.read_text(encoding="utf-8") != text:
            yield f"{name}: other code"
    for name in sorted(_known_sources(directory) - sources.keys()):
        yield f"{name}: no longer used"


def _new_or_gone(old: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    for key in values.keys() - old.keys() - _FRAME:
        yield f"{key}: not set -> {_show(values[key])}"
    default = PretrainedConfig().to_dict() | {"tie_word_embeddings": False, "use_cache": True}
    for key in old.keys() - values.keys() - _FRAME:
        if key not in default or default[key] != old[key]:
            yield f"{key}: {_show(old[key])} -> not set"


def _changed_vocabulary(directory: Path, provenance: Mapping) -> Iterator[str]:
    before, now = (p.get("vocabulary_sha256") for p in (read_provenance(directory), provenance))
    if before != now:
        how = "other tokens" if before and now else "new" if now else "no longer given"
        yield f"the tokenizer: {how}"


def read_provenance(directory: Path) -> dict[str, Any]:
    path = directory / PROVENANCE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _known_sources(directory: Path) -> set[str]:
    return set(read_provenance(directory).get("sources_sha256", ()))


def _as_json(value: Any) -> Any:
    """The value as it comes back from a JSON file: a tuple is a list there."""
    return json.loads(json.dumps(value))


def _show(value: Any) -> str:
    return json.dumps(value)
