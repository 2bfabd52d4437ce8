"""Says once, at a process's start, which codec it uses."""

from __future__ import annotations

from shared.codec import PYTHON, Codec
from shared.runtime import logs
from shared.settings import Settings

LOG = logs.get("headrace.codec")


def announce(codec: Codec, settings: Settings) -> None:
    """Logs the codec; warns when it is the slow one and nobody asked for that."""
    if codec is PYTHON and not settings.codec:
        LOG.warning(
            "codec_is_slow",
            codec=codec.name,
            hint="The native codec was not built here: install Rust and headrace again. HEADRACE_CODEC=python hides this.",
        )
    else:
        LOG.info("codec", codec=codec.name)
