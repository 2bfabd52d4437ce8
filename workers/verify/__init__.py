"""Compares a table with its topic while both go on changing: which keys differ, and how (docs/verify.md)."""
