"""Frozen records that every room speaks in. This room does no I/O, and an invalid value raises at once."""
