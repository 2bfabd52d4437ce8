"""Topics as tables of Flink SQL: types, columns and CREATE TABLE statements.

Law of this room: it is pure. docs/types.md decides the type of a MySQL column; a name is always quoted; of a job's
options no secret is known here, so none can be printed. What cannot be declared without guessing is an InvalidJob.

    types       MySQL column -> Flink type
    topics      a job's table -> the topic as Flink sees it; names of tables
    properties  a job's `properties.*` as Flink's Kafka client spells them, placeholders left as they are
    statements  a topic -> CREATE TABLE, in three styles, for two distributions of Flink
"""

from scheduler.flink.properties import client_properties
from scheduler.flink.statements import Engine, Form, Style, create_database, create_table
from scheduler.flink.topics import Field, Topic, table_names, topic_of

__all__ = [
    "Engine",
    "Field",
    "Form",
    "Style",
    "Topic",
    "client_properties",
    "create_database",
    "create_table",
    "table_names",
    "topic_of",
]
