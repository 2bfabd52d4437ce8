"""Redis (or Valkey) by redis-py: leases, mail and progress. All of it may vanish at any moment."""
