"""Where the model of a run is; knows nothing of what is in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from forgather_hydra.errors import ForgatherError, error_like

ADAPTER_CONFIG = "adapter_config.json"


def model_directory(path: Path) -> Path:
    """The directory of the model that a run has written, or `path` itself if it is one.

    Raises:
        ForgatherError: `missing_model` (also a FileNotFoundError), where there is none with
            weights, or an adapter of one that is gone; `security`, where another user could have
            written it: its code is run.
    """
    directory = path / "model" if (path / "model").is_dir() else path
    is_model = any((directory / name).is_file() for name in ("config.json", ADAPTER_CONFIG))
    if not is_model or not [*directory.glob("*.safetensors*")]:
        raise error_like(
            FileNotFoundError(),
            "missing_model",
            f"{path} holds no model with weights",
            hint="name the directory of a finished run, or one that save_pretrained has written",
        )
    bases = base_of(directory)
    if missing := next((base for base in bases if not base.is_dir()), None):
        raise error_like(
            FileNotFoundError(),
            "missing_model",
            f"{directory} holds an adapter of the model in {missing}, which is not there",
            hint=f"put it back, or name its place: base_model_name_or_path in {ADAPTER_CONFIG}",
        )
    places = [directory, *bases]
    for file in (file for place in places for file in (place, *place.glob("*.py"))):
        found = file.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o002:
            raise ForgatherError(
                "security",
                f"{file} could have been written by another user, and its code would be run",
                hint="read the code, and copy the directory to one of your own",
            )
    return directory


def base_of(directory: Path) -> list[Path]:
    """The directory of the model that an adapter is of; none where `directory` holds no adapter, or
    one of a model of the hub.
    """
    file = directory / ADAPTER_CONFIG
    if not file.is_file():
        return []
    base = Path(json.loads(file.read_text(encoding="utf-8"))["base_model_name_or_path"])
    return [base] if base.is_absolute() or base.is_dir() else []
