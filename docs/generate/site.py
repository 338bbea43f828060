"""A hook of the site's builder: links that leave ``docs/`` lead to the repository's files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name the file instead of a link, where the target is no page."""
    here = (ROOT / "docs" / page.file.src_uri).parent

    def told(match: re.Match[str]) -> str:
        target = (here / match[3]).resolve()
        is_page = target.is_relative_to(ROOT / "docs") and not target.is_dir()
        if match[1] or is_page or not target.exists():
            return match[0]
        return f"{match[2]} (`{target.relative_to(ROOT)}`)"

    return _LINK.sub(told, markdown)
