"""Which jobs a sweep has: grid, pairs, list and filter, or a search."""
