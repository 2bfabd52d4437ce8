"""Where installs and the running stack live, and which ports the servers take.

The law: every path and port comes from here, and from the environment only at the command line's or
the tests' edge (`from_environment`); the server modules are told, they never look.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .console import StackError, say

REPOSITORY = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"  # never another address: root of the local MySQL has no password
PORT_MAX = 65535


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one stack."""

    mysql: int = 13306
    kafka: int = 19092
    kafka_controller: int = 19093
    redis: int = 16379
    flower: int = 15555  # not started here; kept with the others so that they cannot collide


@dataclass(frozen=True, slots=True)
class Layout:
    """One stack: its programs (`install`), its data, logs and pid files (`stack`), its ports."""

    install: Path
    stack: Path
    ports: Ports


def default_install(environment: Mapping[str, str]) -> Path:
    """Return the folder of the installed programs, which several stacks may share."""
    told = environment.get("HEADRACE_STACK_INSTALL_DIR")
    return Path(told).absolute() if told else REPOSITORY / ".local" / "install"


def from_environment(environment: Mapping[str, str], stack: Path | None = None) -> Layout:
    """Read the HEADRACE_STACK_* variables; `stack` (the --dir option) goes before the variable."""
    if stack is None:
        told = environment.get("HEADRACE_STACK_DIR")
        stack = Path(told) if told else REPOSITORY / ".local" / "stack"
    usual = Ports()
    kafka = _port(environment, "HEADRACE_STACK_KAFKA_PORT", usual.kafka)
    ports = Ports(
        mysql=_port(environment, "HEADRACE_STACK_MYSQL_PORT", usual.mysql),
        kafka=kafka,
        kafka_controller=_port(environment, "HEADRACE_STACK_KAFKA_CONTROLLER_PORT", kafka + 1),
        redis=_port(environment, "HEADRACE_STACK_REDIS_PORT", usual.redis),
        flower=_port(environment, "HEADRACE_STACK_FLOWER_PORT", usual.flower),
    )
    return Layout(install=default_install(environment), stack=stack.absolute(), ports=ports)


def field_of(setting: str) -> str:
    """Return the field of `Ports` that a HEADRACE_STACK_..._PORT variable sets."""
    return setting.removeprefix("HEADRACE_STACK_").removesuffix("_PORT").lower()


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not 0 < int(text) <= PORT_MAX:
        raise StackError(f"{name}={text!r} is not a port", f"set it to a number from 1 to {PORT_MAX}")
    return int(text)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two installs or two `up` at a time take turns.

    The kernel drops the lock when its process dies, so there is no stale lock to clean up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another program that works in {folder}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
