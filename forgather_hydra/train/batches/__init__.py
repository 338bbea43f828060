"""Data to batches: order, collation, streams, and the position in them."""
