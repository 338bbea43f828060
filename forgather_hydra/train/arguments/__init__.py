"""Training arguments: names, defaults, and what cannot work together."""
