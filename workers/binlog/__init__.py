"""The binlog worker: a process that contests leaderships and runs a child per job that it leads."""
