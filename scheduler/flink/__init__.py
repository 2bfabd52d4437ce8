"""Topics as tables of Flink SQL: types, columns and CREATE TABLE statements.

Law of this room: it is pure. docs/types.md decides the type of a MySQL column; a name is always quoted; of a job's
options no secret is known here, so none can be printed. What cannot be declared without guessing is an InvalidJob.

    types       MySQL column -> Flink type
    topics      a job's table -> the topic as Flink sees it; names of tables
    properties  a job's `properties.*` as Flink's Kafka client spells them, placeholders left as they are
    shapes      what JSON values were seen at one place -> the type that holds them all
    inference   any topic's messages -> the topic as Flink sees it
    catalog     the options of a Kafka JSON catalog
    statements  a topic -> CREATE TABLE, in three styles, for two distributions of Flink
"""

from scheduler.flink.catalog import CatalogOptions, catalog_options
from scheduler.flink.inference import Described, Messages, describe
from scheduler.flink.properties import client_properties
from scheduler.flink.statements import Engine, Form, Style, create_database, create_table
from scheduler.flink.topics import Field, Topic, shared_table, table_names, topic_of

__all__ = [
    "CatalogOptions",
    "Described",
    "Engine",
    "Field",
    "Form",
    "Messages",
    "Style",
    "Topic",
    "catalog_options",
    "client_properties",
    "create_database",
    "create_table",
    "describe",
    "shared_table",
    "table_names",
    "topic_of",
]
