"""Write the pages that are made from the code: ``python docs/generate/pages.py``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent))

import architecture  # noqa: E402
import groups  # noqa: E402
import templates  # noqa: E402
import troubleshooting  # noqa: E402

PAGES: dict[str, Callable[[], str]] = {
    "explanation/architecture.md": architecture.page,
    "how-to/troubleshooting.md": troubleshooting.page,
    "reference/config-groups.md": groups.page,
    "reference/templates.md": templates.page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
