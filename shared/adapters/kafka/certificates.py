"""Why a broker's certificate is not trusted: the one thing that librdkafka does not tell.

It says the same of an unknown authority, a wrong host name and a certificate that is over. So the handshake is done
once more with Python's own TLS, which names the reason.

Law of this file: it connects, shakes hands and hangs up; nothing is sent.
"""

from __future__ import annotations

import socket
import ssl

from shared.adapters.kafka.clients import ClientConfig

_TIMEOUT_SECONDS = 5.0

#: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_OTHER_NAME = frozenset({62, 64})

_NAME_HINT = (
    "Use the name that the certificate is for (in properties.bootstrap.servers, or in the brokers' "
    'advertised.listeners); properties.ssl.endpoint.identification.algorithm: "" checks no names at all.'
)
_AUTHORITY_HINT = (
    "Give the certificate of the authority that signed it as properties.ssl.truststore.location (PEM or PKCS12) or "
    "properties.ssl.truststore.certificates (PEM text)."
)


def why_untrusted(host: str, port: int, config: ClientConfig) -> tuple[str, str]:
    """The reason, and how to mend it."""
    plain = "it could not be verified"
    if not host:
        return plain, _AUTHORITY_HINT
    try:
        context = _context(config)
        with (
            socket.create_connection((host, port), _TIMEOUT_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return plain, _AUTHORITY_HINT
    except ssl.SSLCertVerificationError as error:
        hint = _NAME_HINT if error.verify_code in _OTHER_NAME else _AUTHORITY_HINT
        return error.verify_message.rstrip(".") or plain, hint
    except OSError:
        return plain, _AUTHORITY_HINT


def _context(config: ClientConfig) -> ssl.SSLContext:
    location, pem = config.get("ssl.ca.location"), config.get("ssl.ca.pem")
    context = ssl.create_default_context(cafile=str(location) if location else None, cadata=str(pem) if pem else None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # librdkafka is not as strict
    context.check_hostname = config.get("ssl.endpoint.identification.algorithm") != "none"
    return context
