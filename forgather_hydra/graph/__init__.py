"""Text to nodes to objects, YAML or Python."""
