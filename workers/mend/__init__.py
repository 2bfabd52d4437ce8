"""Rows and tombstones that a topic lacks, written under the protocol's rule 10 by attempts that the leader admits."""
