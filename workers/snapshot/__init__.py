"""The snapshot worker: reads one chunk, or looks for the bounds of one table, when the leader admits it."""
