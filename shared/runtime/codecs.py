"""Which codec this process uses, said once at its start."""

from __future__ import annotations

from shared.codec import NATIVE, PYTHON, Codec, implementation
from shared.runtime import logs
from shared.settings import Settings

LOG = logs.get("headrace.codec")


def chosen(settings: Settings) -> Codec:
    """The codec that the settings ask for; warns when nobody asked for the slow one.

    Raises:
        CodecMissing: the one that is asked for was not built here.
    """
    codec = implementation(settings.codec)
    if codec is PYTHON and NATIVE is None and not settings.codec:
        LOG.warning(
            "codec_is_slow",
            codec=codec.name,
            hint="The native codec was not built here: install Rust and headrace again. HEADRACE_CODEC=python hides this.",
        )
    else:
        LOG.info("codec", codec=codec.name)
    return codec
