"""Tensors by name in one safetensors file, or in several with the index of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import safe_open
from safetensors.torch import save_file

from forgather_hydra.permissions import follow_umask

MAX_FILE_SIZE = "5GB"


class StoredTensors(Mapping[str, torch.Tensor]):
    """The tensors of `<stem>.safetensors`, or of the files in its index, each read when asked for.

    Attributes:
        aliases: other names of tensors that were tied when they were written -> the name they have
            in the files.
    """

    def __init__(self, directory: Path, stem: str) -> None:
        self._home: dict[str, Any] = {}
        self.aliases: dict[str, str] = {}
        for path in _files(directory, stem):
            file = safe_open(path, framework="pt")
            self._home.update(dict.fromkeys(file.keys(), file))
            self.aliases.update(file.metadata() or {})
        self.aliases.pop("format", None)

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._home[name].get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._home)

    def __len__(self) -> int:
        return len(self._home)


def split(tensors: Mapping[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """The tensors in parts of at most `MAX_FILE_SIZE` each, if no single one is larger."""
    plan = split_torch_state_dict_into_shards(dict(tensors), max_shard_size=MAX_FILE_SIZE)
    return [{n: tensors[n] for n in names} for names in plan.filename_to_tensors.values()]


def file_names(stem: str, count: int) -> list[str]:
    """Names of so many files, as the Hugging Face hub has them."""
    if count == 1:
        return [f"{stem}.safetensors"]
    return [f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def index_file(stem: str) -> str:
    return f"{stem}.safetensors.index.json"


def index_text(files: Mapping[str, Mapping[str, int]]) -> str:
    """The index of several files, given the bytes of each of their tensors."""
    weight_map = {name: file for file, sizes in files.items() for name in sizes}
    total = sum(sum(sizes.values()) for sizes in files.values())
    return json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2)


def write_file(path: Path, tensors: dict[str, torch.Tensor], aliases: Mapping[str, str]) -> None:
    """Writes one file, with those of the aliases whose tensors are in it."""
    here = {alias: name for alias, name in aliases.items() if name in tensors}
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, path, metadata={"format": "pt", **here})
    follow_umask([path])


def _files(directory: Path, stem: str) -> list[Path]:
    if not (index := directory / index_file(stem)).exists():
        return [directory / f"{stem}.safetensors"]
    weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    return [directory / name for name in sorted(set(weight_map.values()))]
