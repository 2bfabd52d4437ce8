"""What a MySQL server is and has: its tables, their sizes, its settings.

Law of this room: it only reads, only catalogs and variables, and judges nothing; `scheduler.preflight` does.
"""

from scheduler.discovery.catalog import (
    cascading_tables,
    estimates,
    list_tables,
    prefix_keys,
    read_table,
    read_tables,
    versioned_tables,
)
from scheduler.discovery.facts import ServerFacts, read_facts

__all__ = [
    "ServerFacts",
    "cascading_tables",
    "estimates",
    "list_tables",
    "prefix_keys",
    "read_facts",
    "read_table",
    "read_tables",
    "versioned_tables",
]
