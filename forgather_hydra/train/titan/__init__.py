"""Training by Torch Titan: its loop for models of ours, and whole jobs of its own."""
