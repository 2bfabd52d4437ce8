"""`scheduler ddl`: statements of a job's tables, from its state topic; secrets are never among them."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.fake_world import JOB, FakeWorld, job, one_json, stored_state, table_record

SECRET = "s3cret-word"
SASL = """
  properties.security.protocol: SASL_PLAINTEXT
  properties.sasl.mechanism: PLAIN
  properties.sasl.username: app
  properties.sasl.password: #{password}
"""


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld()
    text = JOB.replace("  type: upsert-kafka\n", "  type: upsert-kafka" + SASL, 1)
    assert text != JOB
    world.records.put(job(text=text))
    world.states["orders"] = stored_state(*(table_record(name) for name in ("user", "order", "feedback")))
    return world


def test_every_table_of_the_job_by_name(world: FakeWorld) -> None:
    done = world.run("ddl", "orders")
    assert done.exit_code == 0, done.stderr
    names = [line for line in done.stdout.splitlines() if line.startswith("CREATE")]
    assert names == [f"CREATE TEMPORARY TABLE `{name}_source` (" for name in ("feedback", "order", "user")]
    assert SECRET not in done.stdout + done.stderr
    assert 'password="#{password}"' in done.stdout


def test_one_table_as_json(world: FakeWorld) -> None:
    for name in ("order", "order_dw.order"):
        (found,) = one_json(world.run("ddl", "orders", "--table", name, "--style", "upsert-kafka", "--json").stdout)
        assert (found["table"], found["topic"], found["name"]) == ("order_dw.order", "order_dw.order", "order_source")
        assert "PRIMARY KEY (`key_id`) NOT ENFORCED" in found["statement"]


def test_the_catalog_style_makes_the_database_once(world: FakeWorld) -> None:
    text = world.run("ddl", "orders", "--style", "catalog").stdout
    assert text.count("CREATE DATABASE IF NOT EXISTS `order_dw`;") == 1
    assert "CREATE TABLE IF NOT EXISTS `order_dw`.`user` (" in text


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("ordres",), "There is no job `ordres`.", "Did you mean `orders`?"),
        (("orders", "--table", "usr"), "Job `orders` has no table `usr`.", "order_dw.feedback, order_dw.order"),
        (("new",), "Nothing is known of the tables of job `new`", "python -m workers.binlog"),
    ],
)
def test_unknown_jobs_and_tables_are_told(world: FakeWorld, words, message: str, hint: str) -> None:
    world.records.put(job("new"))
    done = world.run("ddl", *words, "--json")
    assert done.exit_code == 2
    error = json.loads(done.stderr)["error"]
    assert message in error["message"]
    assert hint in error["hint"]


def test_a_topic_that_tables_share_is_one_table_with_the_shard_key(world: FakeWorld) -> None:
    shared = [table_record(name, topic="all", shard_key="of") for name in ("user", "order")]
    world.states["orders"] = stored_state(*shared, table_record("feedback"))
    for style, name, key in (("catalog", "order_dw.all", "of"), ("upsert-kafka", "all_source", "key_of")):
        prefix = ("--key-prefix", "", "--value-prefix", "") if style == "catalog" else ()
        done = world.run("ddl", "orders", "--table", "user", "--style", style, *prefix, "--json")
        (found,) = one_json(done.stdout)
        assert (found["table"], found["topic"], found["name"]) == ("order_dw.order, order_dw.user", "all", name)
        assert f"`{key}` STRING NOT NULL" in found["statement"]
        assert f"PRIMARY KEY (`{key}`, `" in found["statement"]
    assert len(one_json(world.run("ddl", "orders", "--json").stdout)) == 2
