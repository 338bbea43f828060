"""Checkpoints: written whole or not at all, verified, and restored exactly."""
