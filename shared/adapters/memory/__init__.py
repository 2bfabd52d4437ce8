"""Twins of the adapters that live in memory: one world that the simulation drives step by step.

They keep to what the real servers promise and no more: a transaction stands in the binlog before a SELECT can see it,
a message has its offset from the moment it is produced, an open transaction holds readers up, a newer producer with
the same id fences the older one.
"""
