"""A sibling that stands elsewhere."""

WORDS = ["a", "b", "c", "d"]
