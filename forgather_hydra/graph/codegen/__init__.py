"""Node graph to Python source, in passes: plan, lower, names, layout."""
