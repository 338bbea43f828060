"""What a graph calls, judged by reading source files; nothing is imported."""
