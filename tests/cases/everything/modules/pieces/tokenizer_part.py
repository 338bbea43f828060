"""Imported as a file; its relative import is found in another folder."""

from .vocabulary import WORDS


def build(limit: int, prefix: str = "") -> list[str]:
    return [prefix + word for word in WORDS[:limit]]


class Tokens:
    @staticmethod
    def count() -> int:
        return len(WORDS)
