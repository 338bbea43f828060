"""Words of a command line that are no overrides, and what was meant by them."""

from __future__ import annotations

import re
from pathlib import Path

# An item as Python names it: key[0].name=value, key.-1=value.
_IN_BRACKETS = re.compile(r"([+~\w.@/]+(?:\[-?\d+\]|\.-\d+)[\w.\[\]-]*)((?:=.*)?)\Z", re.DOTALL)


def what_was_meant(word: str, words: list[str]) -> str | None:
    """The cure for a word of the command line that is no override, where it can be told.

    Args:
        word: the one that Hydra cannot read.
        words: all of them.
    """
    if match := _IN_BRACKETS.match(word):
        first = re.sub(r"\[-?\d+\]|\.-\d+", ".0", match[1])
        return f"items are counted from 0, behind a dot: {first}{match[2]} for the first"
    place = words.index(word) if word in words else 0
    before, behind = words[place - 1 : place], words[place + 1 : place + 2]
    whole = None
    if word.endswith(",") and "=" in word:
        if not behind or "=" in behind[0]:
            return "a value is missing behind the last comma, or the comma is one too many"
        whole = word + behind[0]
    elif ",," in word:
        return "a value is missing between two commas"
    elif word.startswith("=") and before:
        whole = before[0] + word
    elif "=" not in word:
        is_value = bool(before) and before[0].endswith("=")
        is_key = bool(behind) and behind[0].startswith("=")
        whole = before[0] + word if is_value else word + behind[0] if is_key else None
    if whole is None and word.endswith(".json"):
        path = Path("FOLDER/experiment", f"{Path(word).stem}.yaml")
        return f"arguments in JSON become a template, {path}: {how_to_choose(path)}"
    if whole is None and word.endswith((".yaml", ".yml")):
        file = Path(word) if len(Path(word).parts) > 1 else Path("FOLDER/experiment", word)
        return f"a configuration is an option of a group: {how_to_choose(file)}"
    if whole is None:
        is_bare = re.fullmatch(r"\+{0,2}[\w./@-]+", word)
        return f"an override has a value: {word}=VALUE" if is_bare else None
    whole += words[place + 2] if whole.endswith("=") and place + 2 < len(words) else ""
    return f"an override is one word, without a blank around '=': {whole}"


def how_to_choose(file: Path) -> str:
    """The words that choose the option of a config group which a file is, ``FOLDER/GROUP/NAME``."""
    *folder, group = file.parent.parts
    return f"--config-dir {Path(*folder)} +{group}={file.stem}"
