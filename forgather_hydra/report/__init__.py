"""What the runs of a sweep say together: results, tables, curves and a page."""
