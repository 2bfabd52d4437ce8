"""SQL over topics: the tables of jobs, as they lie in Kafka, folded to what they are now, and asked by DuckDB.

Laws of this room:

- A topic is read committed, from its beginning, and only when a query names its table; nothing is written to Kafka.
- Every value is exact. A column whose values do not fit its type gets a wider one, and that is said; none is dropped or guessed.
- Memory is bounded: what outgrows it goes to DuckDB's files.

Map, in the order of reading:

    sources    a table of a job as it lies in Kafka (pure)
    columns    MySQL column and format options -> DuckDB type (pure)
    rows       message -> texts of columns, exactly as they are spelled (pure)
    names      the names in a query -> tables (pure)
    queries    a query's syntax tree: what it names, and what identifies its rows (pure)
    cells      how values leave DuckDB, and how they are printed (pure)
    store      one table in DuckDB: loaded, folded, kept current
    session    queries over stored tables
    changes    `--follow`: how a query's result changes
    keys       `--key` of `peek` -> key bytes (pure)
    history    `peek`: the messages of one key
"""
