"""MySQL by PyMySQL, and its binlog by mysql-replication. Nothing here writes to MySQL or takes a lock."""
