"""Settings come from the environment that they are given, once, typed, with defaults for the local stack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared import settings
from shared.errors import InvalidJob

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_variables_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        monkeypatch.delenv(name)


def test_defaults_fit_the_local_stack() -> None:
    found = settings.load({})
    assert found.redis_url.get_secret_value() == "redis://127.0.0.1:16379/0"
    assert found.kafka_options() == {"bootstrap.servers": "127.0.0.1:19092"}
    assert found.registry_topic == "headrace.registry"


def test_each_setting_is_the_variable_of_its_name() -> None:
    found = settings.load(
        {
            "HEADRACE_REDIS_URL": "redis://elsewhere:1/2",
            "HEADRACE_REGISTRY_TOPIC": "jobs",
            "HEADRACE_VARS_DIR": "secrets",
            "HEADRACE_WORKER_NAME": "w1",
            "HEADRACE_LEASE_SECONDS": "7.5",
            "HEADRACE_SILENCE_SECONDS": "9",
            "HEADRACE_HOLD_MEMORY_MB": "3",
            "HEADRACE_SINK_BUFFER_MB": "4",
            "HEADRACE_LOG_LEVEL": "DEBUG",
            "HEADRACE_LOG_FORMAT": "json",
        }
    )
    assert found.redis_url.get_secret_value() == "redis://elsewhere:1/2"
    assert (found.registry_topic, found.worker_name) == ("jobs", "w1")
    assert found.vars_dir == Path("secrets")
    assert (found.lease_seconds, found.silence_seconds) == (7.5, 9.0)
    assert (found.hold_memory_mb, found.sink_buffer_mb) == (3, 4)
    assert (found.log_level, found.log_format) == ("DEBUG", "json")


def test_kafka_options_take_dots_for_underscores() -> None:
    found = settings.load(
        {
            "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
            "HEADRACE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "HEADRACE_KAFKA_SASL_PASSWORD": "p#ss",
        }
    )
    assert found.kafka_options() == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.password": "p#ss",
    }


def test_a_kafka_option_leaves_the_default_address_in_place() -> None:
    found = settings.load({"HEADRACE_KAFKA_SECURITY_PROTOCOL": "SSL"})
    assert found.kafka_options()["bootstrap.servers"] == "127.0.0.1:19092"


def test_other_variables_mean_nothing() -> None:
    others = {
        "HEADRACE_VAR_PASSWORD": "x",
        "HEADRACE_STACK_DIR": "x",
        "REDIS_URL": "x",
        "headrace_log_level": "x",
    }
    assert settings.load(others) == settings.load({})


@pytest.mark.parametrize(("name", "hint"), [("HEADRACE_REDIS_ULR", "HEADRACE_REDIS_URL"), ("HEADRACE_KAFKA", "docs/")])
def test_a_misspelt_variable_is_an_error_that_knows_the_right_one(name: str, hint: str) -> None:
    with pytest.raises(InvalidJob, match="no such variable") as caught:
        settings.load({name: "x"})
    assert caught.value.path == name
    assert hint in caught.value.hint


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert settings.load({"HEADRACE_LEASE_SECONDS": "", "HEADRACE_VARS_DIR": ""}) == settings.load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADRACE_LEASE_SECONDS", "soon"),
        ("HEADRACE_LEASE_SECONDS", "0"),
        ("HEADRACE_SILENCE_SECONDS", "301"),
        ("HEADRACE_HOLD_MEMORY_MB", "0"),
        ("HEADRACE_HOLD_MEMORY_MB", "1.5"),
        ("HEADRACE_SINK_BUFFER_MB", "4000"),
        ("HEADRACE_LOG_LEVEL", "LOUD"),
        ("HEADRACE_LOG_FORMAT", "xml"),
        ("HEADRACE_REGISTRY_TOPIC", "x" * 201),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        settings.load({name: value})
    assert caught.value.path == name
    assert "docs/configuration.md" in caught.value.hint
    assert value not in str(caught.value)


def test_settings_are_frozen() -> None:
    found = settings.load({})
    with pytest.raises(ValidationError):
        found.log_level = "DEBUG"  # type: ignore[misc]


def test_secrets_are_not_shown() -> None:
    found = settings.load({"HEADRACE_REDIS_URL": "redis://:hidden@h:1/0", "HEADRACE_KAFKA_SASL_PASSWORD": "hidden"})
    assert "hidden" not in f"{found!r} {found}"


def test_a_process_reads_its_environment_once_at_its_start() -> None:
    code = "from shared import settings; print(settings.load().worker_name)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HEADRACE_WORKER_NAME": "w9"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "w9\n", done.stderr


@pytest.mark.parametrize("value", ["", "9"])
def test_only_the_given_environment_counts(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HEADRACE_LEASE_SECONDS", value)
    assert settings.load({}).lease_seconds == 4.0
