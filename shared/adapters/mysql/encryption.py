"""TLS towards MySQL: one context for all connections of a process that want the same."""

from __future__ import annotations

import ssl
from functools import cache

from shared.errors import InvalidJob
from shared.model.tls import Tls, TlsMode


@cache
def tls_context(tls: Tls) -> ssl.SSLContext:
    """The context. Its files are read once in a process.

    Raises:
        InvalidJob: a file cannot be read, or is not what it should be; the path is its option.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls.mode.verifies:
        # Certificates that MySQL makes for itself lack extensions that newer Pythons ask for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = tls.mode is TlsMode.VERIFY_IDENTITY
        _load_authorities(context, tls)
    if tls.cert is not None:
        try:
            context.load_cert_chain(tls.cert, tls.key)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable("ssl.cert", f"{tls.cert} (and {tls.key or 'its key in the same file'})", error) from None
    return context


def _load_authorities(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.ca is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise _unreadable("ssl.ca", tls.ca, error) from None


def _unreadable(option: str, file: str, error: Exception) -> InvalidJob:
    return InvalidJob(
        f"{file} cannot be used: {error}.",
        "Each process reads it on its own machine: a PEM file that the process may read. A placeholder may stand for its path.",
        f"source.{option}",
    )
