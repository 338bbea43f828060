"""``forgather push``: a trained model to a hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError


def add_command(add: Any) -> None:
    """Add the command to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    parser = add("push", _push, "upload a trained model and its card to the Hugging Face hub")
    parser.add_argument("run", metavar="RUN", type=Path, help="directory of a run, or of a model")
    parser.add_argument("repository", metavar="REPO", help="NAME, or USER/NAME")
    message = "of the model, for its card, such as apache-2.0"
    parser.add_argument("--license", metavar="NAME", help=message)
    parser.add_argument("--private", action="store_true", help="make a repository nobody else sees")
    parser.add_argument("--message", default="Upload the model", help="of the commit")
    message = "list what would be uploaded; no network is needed"
    parser.add_argument("--dry-run", action="store_true", help=message)


def _push(options: argparse.Namespace) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    from forgather_hydra.model.directory import model_directory
    from forgather_hydra.rundir.card import write_card
    from forgather_hydra.rundir.names import RECORD

    directory = model_directory(options.run)
    try:
        validate_repo_id(options.repository)
    except HFValidationError as error:
        raise ForgatherError("bad_name", str(error), hint="give NAME or USER/NAME") from error
    if (options.run / RECORD).is_file():
        write_card(options.run, directory, options.license)
    elif options.license:
        message = f"{options.run} is no directory of a run, so its card is not ours to write"
        raise ForgatherError("bad_override", message, hint="say license: in its README.md")
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and _is_seen(path)]
    if options.dry_run:
        sizes = {path.relative_to(directory): path.stat().st_size for path in files}
        width = len(f"{sum(sizes.values()):,}")
        print(*(f"{size:>{width},}  {name}" for name, size in sizes.items()), sep="\n")
        print(f"{sum(sizes.values()):>{width},}  bytes would go to {options.repository}")
        return
    print(f"at {_upload(options, directory)}")


def _is_seen(path: Path) -> bool:
    return not path.name.startswith(".") and "__pycache__" not in path.parts


def _upload(options: argparse.Namespace, directory: Path) -> str:
    """Upload the directory; the address of the commit."""
    from huggingface_hub import HfApi

    try:
        repository = HfApi().create_repo(
            options.repository, private=options.private or None, exist_ok=True
        )
        done: Any = HfApi().upload_folder(
            repo_id=repository.repo_id,
            folder_path=directory,
            commit_message=options.message,
            ignore_patterns=[".*", "**/.*", "**/__pycache__/**"],
        )
    except Exception as error:  # of whichever library speaks HTTP
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ForgatherError(
            "no_hub",
            f"{options.repository} could not be uploaded: {reason}",
            hint="log in with hf auth login, or set HF_TOKEN; --dry-run lists what would be sent",
        ) from error
    return str(done.commit_url)
