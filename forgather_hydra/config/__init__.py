"""Nodes to and from OmegaConf, and the Hydra side."""
