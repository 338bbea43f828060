"""Text to text: templates found, split, translated and rendered, every line traced."""
