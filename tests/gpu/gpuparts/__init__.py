"""The parts of `tests/gpu/run.py`, and what they share."""
