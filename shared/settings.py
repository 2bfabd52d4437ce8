"""What a process is told by its environment: HEADRACE_* variables, parsed once at the entry point, frozen after.

Defaults fit the local stack (`make up`). Nobody below the entry points reads the environment.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.errors import InvalidJob

_PREFIX = "HEADRACE_"
_KAFKA_PREFIX = "HEADRACE_KAFKA_"


#: Variables under our prefix that others read: placeholders, the local stack, the tests.
_OF_OTHERS = ("HEADRACE_VAR_", "HEADRACE_STACK_", "HEADRACE_TEST_")


class Settings(BaseModel):
    """The settings of every process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:16379/0")
    """Broker of the task queue, and where leases, mail and progress live; may hold a password."""

    registry_topic: Annotated[str, Field(min_length=1, max_length=200)] = "headrace.registry"
    """Compacted topic that holds the submitted jobs; state topics are named after it."""

    vars_dir: Path | None = None
    """Folder whose files give placeholders their values; the file's name is the placeholder's name."""

    worker_name: str = ""
    """How this process calls itself in status and logs; empty for host and process id."""

    lease_seconds: Annotated[float, Field(ge=1, le=300)] = 4.0
    """How long a leadership lasts without renewal; a standby takes over after that."""

    silence_seconds: Annotated[float, Field(ge=3, le=300)] = 5.0
    """A chunk reader without a sign of life for this long is fenced and its chunk given to another."""

    hold_memory_mb: Annotated[int, Field(ge=1)] = 64
    """Held events of one chunk move to disk beyond this much memory."""

    sink_buffer_mb: Annotated[int, Field(ge=1, le=2000)] = 64
    """Bound of a producer's send buffer."""

    liveness_dir: Path | None = None
    """Folder in which the loops of a worker keep their signs of life for `python -m workers.probe`; none for no signs."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port on which a worker shows its metrics to Prometheus; 0 for none."""

    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address that this port is bound to; `0.0.0.0` for all of the machine's."""

    codec: Annotated[str, Field(pattern="^(native|python)?$")] = ""
    """Which codec moves the rows: `native` (Rust) or `python`; empty for the native one if it was built here."""

    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """Least severity that is logged."""

    log_format: Annotated[str, Field(pattern="^(text|json)$")] = "text"
    """`json` for machines, `text` for people."""

    aliyun_access_key_id: SecretStr = SecretStr("")
    """Access key for ApsaraMQ's API, which then creates the registry topic; all five of these or none."""

    aliyun_access_key_secret: SecretStr = SecretStr("")
    """Its secret."""

    aliyun_instance_id: str = ""
    """The instance that is the registry's cluster."""

    aliyun_endpoint: str = ""
    """Host name of the API."""

    aliyun_region_id: str = ""
    """The instance's region."""

    kafka: dict[str, SecretStr] = {"bootstrap.servers": SecretStr("127.0.0.1:19092")}
    """Options of the registry cluster's client: HEADRACE_KAFKA_BOOTSTRAP_SERVERS is `bootstrap.servers`, and so on."""

    def kafka_options(self) -> dict[str, str]:
        """The registry cluster's client options in clear text."""
        return {name: value.get_secret_value() for name, value in self.kafka.items()}


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings.

    Raises:
        InvalidJob: a variable has a value that it cannot have, or there is no such variable; `path` names it.
    """
    source = os.environ if environment is None else environment
    kafka = {
        name.removeprefix(_KAFKA_PREFIX).lower().replace("_", "."): SecretStr(value)
        for name, value in source.items()
        if name.startswith(_KAFKA_PREFIX) and value
    }
    given = {_field(name): value for name, value in source.items() if _is_ours(name) and value}
    _check_aliyun(given)
    defaults = Settings.model_fields["kafka"].default
    try:
        return Settings(**given, kafka={**defaults, **kafka})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + str(first["loc"][0]).upper()
        raise InvalidJob(first["msg"] + ".", "docs/configuration.md lists every variable.", name) from None


def _check_aliyun(given: Mapping[str, str]) -> None:
    fields = [name for name in Settings.model_fields if name.startswith("aliyun_")]
    there = [name for name in fields if name in given]
    missing = [name for name in fields if name not in given]
    if there and missing:
        raise InvalidJob(
            f"This variable is missing beside {_PREFIX + there[0].upper()}.",
            "Set all five HEADRACE_ALIYUN_ variables, or none where the registry's cluster is a plain Kafka cluster.",
            _PREFIX + missing[0].upper(),
        )


def _is_ours(name: str) -> bool:
    return name.startswith(_PREFIX) and not name.startswith((_KAFKA_PREFIX, *_OF_OTHERS))


def _field(name: str) -> str:
    field = name.removeprefix(_PREFIX).lower()
    if field == "kafka" or field not in Settings.model_fields:
        known = [_PREFIX + other.upper() for other in Settings.model_fields if other != "kafka"]
        close = difflib.get_close_matches(name, known, 1, 0.8)
        hint = f"Did you mean {close[0]}?" if close else "docs/configuration.md lists every variable."
        raise InvalidJob("There is no such variable.", hint, name)
    return field
