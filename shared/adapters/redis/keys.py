"""Every Redis key that headrace uses; no other file spells one. (Celery's own keys are Celery's.)"""

from __future__ import annotations

_PREFIX = "headrace:"


def lease(job: str) -> str:
    """String: the holder of the job's leadership; expires with the lease."""
    return f"{_PREFIX}lease:{job}"


def server_id(server: str, number: int) -> str:
    """String: who uses this server-id on this MySQL server; expires with the lease."""
    return f"{_PREFIX}server-id:{server}:{number}"


def questions(job: str) -> str:
    """List: what workers ask the job's leader."""
    return f"{_PREFIX}questions:{job}"


def answers(attempt: str) -> str:
    """List: what the leader answers one attempt; expires soon."""
    return f"{_PREFIX}answers:{attempt}"


def status(job: str) -> str:
    """String: the leader's latest status as JSON; expires soon."""
    return f"{_PREFIX}status:{job}"


def failure(job: str) -> str:
    """String: why the last tenure of a job ended that is tried again, as JSON; expires soon."""
    return f"{_PREFIX}failure:{job}"


def verify_run(run: str) -> str:
    """String: whether anybody still wants the results of a comparison; expires soon after the last one who does."""
    return f"{_PREFIX}verify:{run}"


def verify_holder(part: str) -> str:
    """String: the worker that compares this part; expires with it."""
    return f"{_PREFIX}verify:{part}:holder"


def verify_report(part: str) -> str:
    """String: how far a part is, as JSON; expires with its worker."""
    return f"{_PREFIX}verify:{part}:report"


def verify_found(part: str) -> str:
    """List: differences that were found, with values of rows; expires soon."""
    return f"{_PREFIX}verify:{part}:found"
