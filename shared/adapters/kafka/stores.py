"""Java's key and trust stores as librdkafka's options.

A file is known by its content, as in Java, where a store called JKS may well be PKCS12: what keytool writes by
default since Java 9. librdkafka reads PEM files, and of PKCS12 only key stores; so the certificates of a PKCS12 trust
store are handed over as PEM text. A JKS file is refused with the command that converts it.

Law of this file: it reads files and writes none; no error tells a path or a password.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from shared.errors import InvalidJob

#: How a file of Java's own format begins: JKS and JCEKS.
_JAVA = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")

_TYPES = frozenset({"JKS", "PKCS12", "PEM"})

_CONVERT = (
    "Convert it: keytool -importkeystore -srckeystore OLD.jks -destkeystore NEW.p12 -deststoretype pkcs12, and name "
    "NEW.p12. For a trust store, its certificates as a PEM file will do as well."
)
_READABLE = "Give a file that exists on every machine that runs headrace and that its user may read."

#: With one of these, somebody wants TLS.
_WANTS_TLS = (
    "ssl.truststore.location",
    "ssl.truststore.certificates",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.keystore.location",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
)


def take_stores(given: dict[str, str]) -> dict[str, str]:
    """The options for what the stores hold; takes all that it translates out of `given`. May hold secrets.

    Raises:
        InvalidJob: a store cannot be read, is of a kind that the client does not know, or would not be used.
    """
    for name in ("ssl.truststore.type", "ssl.keystore.type"):
        if given.pop(name, "PEM").upper() not in _TYPES:
            raise _refused(name, "names a kind of store that the Kafka client cannot read", _CONVERT)
    _require_tls(given)
    return _trust_store(given) | _key_store(given)


def _require_tls(given: dict[str, str]) -> None:
    wanted = next((name for name in _WANTS_TLS if name in given), None)
    if wanted and given.get("security.protocol", "").upper() in ("", "PLAINTEXT", "SASL_PLAINTEXT"):
        raise InvalidJob(
            f"`{wanted}` is given, but `security.protocol` asks for no TLS: the data would go unencrypted.",
            "Set properties.security.protocol to SSL or SASL_SSL, or remove the ssl.* options.",
            "sink.properties.security.protocol",
        )


def _trust_store(given: dict[str, str]) -> dict[str, str]:
    location = given.pop("ssl.truststore.location", None)
    password = given.pop("ssl.truststore.password", None)
    if location is None:
        return {}
    name = "ssl.truststore.location"
    content = _content(location, name)
    if _is_pem(content):
        return {"ssl.ca.location": location}
    try:
        store = load_pkcs12(content, password.encode() if password is not None else None)
    except ValueError:
        reason = "cannot be opened with `ssl.truststore.password`, or holds neither PEM nor PKCS12"
        raise _refused(name, reason, "Correct the password or the file; a PEM file needs no password.") from None
    certificates = [entry.certificate for entry in (store.cert, *store.additional_certs) if entry is not None]
    if not certificates:
        raise _refused(name, "holds no certificate", "Put the certificate of the brokers' authority into it.")
    return {"ssl.ca.pem": "".join(c.public_bytes(Encoding.PEM).decode() for c in certificates)}


def _key_store(given: dict[str, str]) -> dict[str, str]:
    location = given.get("ssl.keystore.location")
    if location is None or not _is_pem(_content(location, "ssl.keystore.location")):
        return {}  # librdkafka reads PKCS12 itself
    del given["ssl.keystore.location"]
    # One PEM file holds both the key and its certificates, in Java as here.
    found = {"ssl.certificate.location": location, "ssl.key.location": location}
    password = given.pop("ssl.keystore.password", None)
    if password is not None and "ssl.key.password" not in given:
        found["ssl.key.password"] = password
    return found


def _content(location: str, name: str) -> bytes:
    try:
        content = Path(location).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise _refused(name, f"cannot be read here ({reason})", _READABLE) from None
    if content.startswith(_JAVA):
        raise _refused(name, "is a JKS file, which the Kafka client cannot read", _CONVERT)
    return content


def _is_pem(content: bytes) -> bool:
    return b"-----BEGIN " in content


def _refused(name: str, reason: str, hint: str) -> InvalidJob:
    return InvalidJob(f"`{name}` {reason}.", hint, f"sink.properties.{name}")
