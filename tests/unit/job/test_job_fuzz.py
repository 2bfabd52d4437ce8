"""Any text and any tree is a job or one named error: with a hint, without a secret, soon, and in little memory."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidJob, MissingSecret
from shared.job.document import TEXT_LENGTH_MAX
from shared.job.options import OPTIONS, is_secret
from shared.job.placeholders import Resolver
from shared.job.spec import JobFile, parse
from shared.model.schema import TableId

SECRET = "hunter2"
TABLES = [TableId("shop", "user"), TableId("shop", "order"), TableId("ü.x", "-x2e-"), TableId("mysql", "user")]

#: A slow machine is no failure.
unhurried = settings(deadline=None, max_examples=60)

JOB = f"""\
# a job
source:
  type: mysql
  hostname: #{{host}}
  port: 3306
  username: "app"
  password: '{SECRET}'
  tables: shop.\\.*, db_[0-9]+.(a|b)
  server-id: 5400-5408
sink:
  type: upsert-kafka
  properties: {{bootstrap.servers: #{{b}}, sasl.jaas.config: 'x required password="{SECRET}";'}}
  sink.topic.partitions: 3
route:
  - source-table: shop.(user|order)
    sink-table: |
      topic_$1
    description: >-
      two
      lines
pipeline:
  name: Café
  parallelism: 4
"""

#: What means something to YAML, to placeholders, to patterns or to numbers.
PIECES = st.sampled_from(
    [
        *"\n\t\0\"'\\#&*!|>@`%{}[],:-?~$\x7f\x85\u2028\ufeff\ue000\ud800",
        ": ", "- ", "? ", "<<: *a", "&a ", "*a", "!!python/object:os.system ", "!!binary x", "---\n", "...\n", "%YAML 9.9\n",
        "%TAG ! x\n", "#{", "#{a", "#{}", "#{a b}", "#{#{a}}", "#{host}", "}", "\n  ", "\n    ", "source:", "sink:", "route:",
        "properties.", "(", ")", "(?<", "[^", "\\.", "{9}", "$99", "-1", "1e400", "null", "true", '"\\U0011FFFF"', '"\\ud800"',
        '"\\ud83d\\ude00"', "x" * 2000, "[" * 40, "{a: " * 40,
    ]
)  # fmt: skip


@st.composite
def edited(draw: st.DrawFn) -> str:
    """The job with some pieces put in, taken out or doubled."""
    text = JOB
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.sampled_from([0, 0, 0, 1, 5, 40]))
        kept = text[start:end] * draw(st.sampled_from([0, 2]))
        text = text[:start] + draw(PIECES | st.just("")) + kept + text[end:]
    return text


def read(text: str, values: dict[str, str]) -> str:
    """All that is ever done to a job file before a server is asked; what was said against it."""
    try:
        everything(parse(text), values)
    except (InvalidJob, MissingSecret) as error:
        assert error.message
        assert error.hint
        str(error).encode()  # it can be printed
        return str(error)
    return ""


def everything(job: JobFile, values: dict[str, str]) -> None:
    job.name("default"), job.placeholders(), job.literal_secrets(), job.written_properties()
    spec = job.resolve(Resolver(values))
    assert SECRET not in repr(spec)
    spec.topics(spec.select(TABLES))
    job.rows(Resolver(values))


@unhurried
@given(edited())
def test_an_edited_job_is_read_or_refused(text: str) -> None:
    read(text, {"host": "db", "b": "broker:9092", "a": "x"})


VALUES = st.sampled_from(
    ["", " ", "\0", "\ud800", "-1", "1e9", "9" * 5000, "..", "a" * 64, "x" * 300, "ü", "#{b}", "\n", "db"]
)


@unhurried
@given(st.fixed_dictionaries({"host": VALUES, "b": VALUES}))
def test_any_value_of_a_placeholder_is_taken_or_refused(values: dict[str, str]) -> None:
    read(JOB, values)


# Trees under names that mean something.

NAMES = sorted({option.name.replace("*", "x") for options in OPTIONS.values() for option in options})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    VALUES.filter(lambda value: value != "\ud800"),
    st.sampled_from(
        ["#{a}", "mysql", "upsert-kafka", "shop.\\.*", "(a+)+.b", "5400-5408", "PT30S", "1kb", "compact", "SQL"]
    ),
)
KEYS = st.sampled_from([*NAMES, "", "properties", "sink", "sink.topic", "config", "x" * 200, "."]) | st.text(max_size=5)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def right(block: str) -> st.SearchStrategy[dict[str, Any]]:
    """What the block must have, and beside it any of its options with anything."""
    required = {
        "source": {"type": "mysql", "hostname": "db", "username": "app", "password": "#{a}", "tables": "shop.\\.*"},
        "sink": {"type": "upsert-kafka", "properties.bootstrap.servers": "broker:9092"},
    }
    own = st.sampled_from([option.name.replace("*", "x") for option in OPTIONS[block]])
    others = st.dictionaries(own, TREES, max_size=3)
    return others.map(lambda found: required.get(block, {}) | found)


JOBS = st.fixed_dictionaries(
    {"source": right("source") | TREES, "sink": right("sink") | TREES},
    optional={"route": st.lists(right("route"), max_size=3) | TREES, "pipeline": right("pipeline") | TREES},
)


@unhurried
@given(JOBS)
def test_any_tree_is_read_or_refused(tree: Any) -> None:
    # JSON is YAML; characters beyond ASCII come as `\u…`, in pairs where they need two.
    read(json.dumps(tree), {"a": "x"})


@unhurried
@given(JOBS)
def test_no_error_shows_the_value_of_a_secret_option(tree: Any) -> None:
    def hide(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: SECRET if is_secret(key) else hide(value) for key, value in node.items()}
        return [hide(item) for item in node] if isinstance(node, list) else node

    assert SECRET not in read(json.dumps(hide(tree)), {"a": SECRET})


# Traps with names.

LAUGHS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10) if n else 'ha'}]\n" for n in range(10))


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: &a [*a]",
        "source: &s {<<: *s}",
        "[" * 5_000,
        "{" * 5_000,
        "- " * 5_000,
        "? " * 5_000,
        "a: " * 5_000,
        "".join(" " * depth + "a:\n" for depth in range(1000)),
        "a: '" + "x" * 20_000 + "'",
        "a: |\n  " + "x" * 20_000,
        "x" * 20_000,
        "? " + "x" * 20_000 + "\n: 1",
        "a: " + "#{b}" * 5_000,
        "a: " + "#{" * 5_000,
        "#" * 20_000,
        "\n" * 20_000,
        "a: b\n" * 5_000,
        "x" * (TEXT_LENGTH_MAX + 1),
        'a: "\\UFFFFFFFF"',
        'a: "\\U00110000"',
        'a: "\\ud800"',
        '"\\udfff": 1',
        "%YAML " + "9" * 5000 + ".1\n---\na: b",
        "%YAML 1." + "9" * 5000 + "\n---\na: b",
        "%TAG ! tag:" + "x" * 20_000 + "\n--- !x\na: b",
        "a: !!python/object/apply:os.system ['true']",
        "a: !!binary " + "A" * 5_000,
        "a: !!set {x, y}",
        "a: 1\x00",
        "\ud800",
        "a: \ud800",
    ],
    ids=lambda text: repr(text[:16]),
)
def test_a_trap_is_one_error_and_costs_little(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidJob) as caught:
            parse(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.hint
    assert len(str(caught.value)) < 1000
    assert peak < 5_000_000 + 100 * len(text)


def test_a_character_in_two_halves_is_one() -> None:
    assert parse(JOB.replace("Café", '"\\ud83d\\ude00 x"')).name("") == "x"
    assert (
        parse(JOB.replace("'" + SECRET + "'", '"\\ud83d\\ude00"'))
        .resolve(Resolver({"host": "db", "b": "b"}))
        .source.password.get_secret_value()
        == "\U0001f600"
    )


@pytest.mark.parametrize("name", ["", "a b", "a..b", "x" * 64 + ".de", "db/x", "user@db", "x\ny", "." * 300])
def test_what_nobody_can_look_up_is_no_host(name: str) -> None:
    with pytest.raises(InvalidJob, match="host"):
        parse(JOB).resolve(Resolver({"host": name, "b": "broker:9092"}))


@pytest.mark.parametrize("name", ["db", "db.", "my_db-1.example", "10.0.0.1", "::1", "fe80::1%eth0", "bücher.example"])
def test_a_host_may_be_a_name_or_an_address(name: str) -> None:
    spec = parse(JOB).resolve(Resolver({"host": f" {name}\n", "b": "broker:9092"}))
    assert spec.source.hostname == name


def test_a_value_that_no_server_takes_is_refused_where_it_is_used() -> None:
    values = {"host": "db", "b": "broker:9092"}
    with pytest.raises(InvalidJob, match=r"source\.hostname: The value holds a NUL"):
        parse(JOB).resolve(Resolver(values | {"host": "d\0b"}))
    with pytest.raises(MissingSecret, match=r"#\{b\} at .* is not UTF-8"):
        parse(JOB).resolve(Resolver({"host": "db"}, {"HEADRACE_VAR_B": "b\udcff"}))
