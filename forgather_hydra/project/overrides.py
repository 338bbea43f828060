"""The Hydra overrides that put a project on the search path, and choose its configuration."""

from __future__ import annotations

import re

from forgather_hydra.project.meta import Meta

SEARCH_PATH = "hydra.searchpath="
_PLAIN = re.compile(r"[\w./-]+\Z")


def search_path(meta: Meta, given: str | None = None) -> str:
    """The override that tells Hydra where to look for configs.

    Args:
        meta: of the project.
        given: the same override with other places, which are kept.
    """
    ours = _quoted(f"forgather-project://{meta.project_dir}")
    return f"{SEARCH_PATH}[{ours}]" if given is None else given.replace("[", f"[{ours},", 1)


def choice(config: str) -> str:
    """The override that chooses a configuration of the project."""
    return f"+project={_quoted(config.removesuffix('.yaml'))}"


def _quoted(text: str) -> str:
    """Text as a value in Hydra's grammar."""
    return text if _PLAIN.match(text) else "'" + text.replace("'", "\\'") + "'"
