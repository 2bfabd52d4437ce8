"""What a process is told by its environment: HEADRACE_* variables, parsed once at the entry point, frozen after.

Defaults fit the local stack (`make up`). Nobody below the entry points reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import InvalidJob

_PREFIX = "HEADRACE_"
_KAFKA_PREFIX = "HEADRACE_KAFKA_"


class Settings(BaseSettings):
    """The settings of every process."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore")

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

    silence_seconds: Annotated[float, Field(ge=1, le=300)] = 5.0
    """A chunk reader without a sign of life for this long is fenced and its chunk given to another."""

    hold_memory_mb: Annotated[int, Field(ge=1)] = 64
    """Held events of one chunk move to disk beyond this much memory."""

    sink_buffer_mb: Annotated[int, Field(ge=1, le=2000)] = 64
    """Bound of a producer's send buffer."""

    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """Least severity that is logged."""

    log_format: Annotated[str, Field(pattern="^(text|json)$")] = "text"
    """`json` for machines, `text` for people."""

    kafka: dict[str, SecretStr] = {"bootstrap.servers": SecretStr("127.0.0.1:19092")}
    """Options of the registry cluster's client: HEADRACE_KAFKA_BOOTSTRAP_SERVERS is `bootstrap.servers`, and so on."""

    def kafka_options(self) -> dict[str, str]:
        """The registry cluster's client options in clear text."""
        return {name: value.get_secret_value() for name, value in self.kafka.items()}


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings.

    Raises:
        InvalidJob: a variable has a value that it cannot have; `path` names the variable.
    """
    source = os.environ if environment is None else environment
    kafka = {
        name.removeprefix(_KAFKA_PREFIX).lower().replace("_", "."): SecretStr(value)
        for name, value in source.items()
        if name.startswith(_KAFKA_PREFIX)
    }
    given = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in source.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).lower() in Settings.model_fields and value
    }
    given.pop("kafka", None)
    defaults = Settings.model_fields["kafka"].default
    try:
        return Settings(**given, kafka={**defaults, **kafka})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + str(first["loc"][0]).upper()
        raise InvalidJob(first["msg"] + ".", "docs/configuration.md lists every variable.", name) from None
