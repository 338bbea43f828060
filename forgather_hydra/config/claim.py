"""Whether a YAML file uses the template language; any other file is left exactly as it is."""

from __future__ import annotations

import re

_STATEMENT = re.compile(
    r"^[ \t]*(?:--|<<|>>)[ \t]+(?:extends|block|include|import|from|set|if|for|macro|filter|call|with)\b",
    re.MULTILINE,
)
_TAG = re.compile(
    r"(?:^|[:\-,\[{?][ \t]+|[\[{,]|&\S+[ \t]+)"
    r"!(?:call|singleton|factory|partial|lambda|meta|var|list|tuple|dict|dlist)(?=[:@\s]|$)",
    re.MULTILINE,
)
_COMMENT = re.compile(r"(?:^|[ \t])#.*$", re.MULTILINE)


def is_template(text: str) -> bool:
    """True for text with a line statement, or with a tag of ours outside comments."""
    return _STATEMENT.search(text) is not None or _TAG.search(_COMMENT.sub("", text)) is not None
