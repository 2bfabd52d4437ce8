"""Options for Java clients become librdkafka's, or an error that names them and shows no value."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.kafka.jaas import parse_login
from shared.adapters.kafka.properties import to_client_config
from shared.errors import InvalidJob

SERVERS = {"bootstrap.servers": "broker:9092"}
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SECRET = "hunter2-is-secret"
LOGIN = f'{PLAIN} required username="alice" password="{SECRET}";'
SASL = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}


def config(**more: str) -> dict[str, str]:
    return to_client_config(SERVERS | {name.replace("__", "."): value for name, value in more.items()})


def refusal(properties: dict[str, str]) -> InvalidJob:
    with pytest.raises(InvalidJob) as caught:
        to_client_config(SERVERS | properties)
    assert SECRET not in str(caught.value)
    return caught.value


def test_common_names_pass_as_they_are() -> None:
    given = {"linger.ms": "20", "compression.type": "lz4", "batch.size": "16384", "client.id": "me", "acks": "all"}
    assert to_client_config(SERVERS | given) == SERVERS | given


def test_a_login_of_java_becomes_user_and_password() -> None:
    assert to_client_config(SERVERS | SASL | {"sasl.jaas.config": LOGIN}) == SERVERS | {
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "alice",
        "sasl.password": SECRET,
    }


@pytest.mark.parametrize(
    ("mechanism", "module"),
    [
        ("SCRAM-SHA-256", "org.apache.kafka.common.security.scram.ScramLoginModule"),
        ("SCRAM-SHA-512", "org.apache.kafka.common.security.scram.ScramLoginModule"),
        ("PLAIN", "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule"),
    ],
)
def test_login_modules_under_any_package(mechanism: str, module: str) -> None:
    login = f"{module} required\n  username='al\\'ice'\n  password=\"p=;\\\\\";"
    found = to_client_config(
        SERVERS | {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.jaas.config": login}
    )
    assert (found["sasl.username"], found["sasl.password"]) == ("al'ice", "p=;\\")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30))
def test_any_password_survives_its_quotes(password: str) -> None:
    quoted = '"' + password.replace("\\", "\\\\").replace('"', '\\"') + '"'
    module = parse_login(f"{PLAIN} required username=u password={quoted};", "x")
    assert module.options == {"username": "u", "password": password}
    assert "password" not in repr(module)


@given(st.text(max_size=60))
def test_a_login_is_read_or_refused_without_repeating_it(text: str) -> None:
    try:
        parse_login(text, "sink.properties.sasl.jaas.config")
    except InvalidJob as error:
        assert error.path == "sink.properties.sasl.jaas.config"
        assert error.message == "The login cannot be read."


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"lingre.ms": SECRET}, "lingre.ms"),
        ({"linger.ms": SECRET}, "linger.ms"),
        ({"linger.ms": "99999999"}, "linger.ms"),
        ({"interceptor.classes": SECRET}, "interceptor.classes"),
        ({"plugin.library.paths": SECRET}, "plugin.library.paths"),
        ({"default.topic.config": SECRET}, "default.topic.config"),
        ({"error_cb": SECRET}, "error_cb"),
        ({"logger": SECRET}, "logger"),
        ({"security.protocol": "TLS"}, "security.protocol"),
        ({"sasl.login.callback.handler.class": SECRET}, "sasl.login.callback.handler.class"),
        ({"security.protocol": "SSL", "ssl.truststore.location": SECRET}, "ssl.truststore.location"),
        ({"ssl.truststore.location": SECRET}, "security.protocol"),
        ({"security.protocol": "SASL_PLAINTEXT", "ssl.keystore.key": SECRET}, "security.protocol"),
        ({"security.protocol": "SSL", "ssl.keystore.type": "BKS"}, "ssl.keystore.type"),
        ({"security.protocol": "SSL", "ssl.keystore.location": SECRET}, "ssl.keystore.location"),
        ({"sasl.mechanism": "PLAIN", "sasl.jaas.config": LOGIN}, "security.protocol"),
        ({"security.protocol": "SSL", "sasl.username": "u", "sasl.password": SECRET}, "security.protocol"),
        ({"security.protocol": "SASL_SSL"}, "sasl.mechanism"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "AWS_MSK_IAM"}, "sasl.mechanism"),
        ({"sasl.jaas.config": LOGIN}, "sasl.mechanism"),
        (SASL | {"sasl.jaas.config": LOGIN.removesuffix('";')}, "sasl.jaas.config"),
        (SASL | {"sasl.jaas.config": f"{PLAIN} required password={SECRET};"}, "sasl.jaas.config"),
        (SASL | {"sasl.jaas.config": f"com.x.Krb5LoginModule required keyTab={SECRET};"}, "sasl.jaas.config"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(properties: dict[str, str], path: str) -> None:
    error = refusal(properties)
    assert error.path == f"sink.properties.{path}"
    assert error.hint


@pytest.mark.parametrize(
    "properties",
    [
        SASL,
        {"security.protocol": "SSL", "ssl.ca.location": f"/nowhere/{SECRET}"},
        {"security.protocol": "SSL", "ssl.keystore.key": SECRET},
        {"max.in.flight.requests.per.connection": "100"},
    ],
)
def test_options_that_are_wrong_only_together(properties: dict[str, str]) -> None:
    assert refusal(properties).path == "sink.properties"


def test_what_only_java_has_and_nobody_misses_has_no_effect() -> None:
    harmless = {
        "buffer.memory": "33554432",
        "max.block.ms": "60000",
        "delivery.timeout.ms": "120000",
        "group.id": "flink",
        "auto.offset.reset": "earliest",
        "key.deserializer": "org.apache.kafka.common.serialization.ByteArrayDeserializer",
        "partition.discovery.interval.ms": "10000",
    }
    assert to_client_config(SERVERS | harmless) == SERVERS


def test_other_names_of_the_same_thing() -> None:
    found = config(max__request__size="2000000", send__buffer__bytes="131072", receive__buffer__bytes="65536")
    assert found == SERVERS | {
        "message.max.bytes": "2000000",
        "socket.send.buffer.bytes": "131072",
        "socket.receive.buffer.bytes": "65536",
    }


TOKENS = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.oauthbearer.token.endpoint.url": "https://login.example.com/token",
}
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


@pytest.mark.parametrize(
    "handler",
    [
        {},
        {"sasl.login.callback.handler.class": f"{OAUTH.rpartition('.')[0]}.OAuthBearerLoginCallbackHandler"},
        {"sasl.login.callback.handler.class": f"{OAUTH.rpartition('.')[0]}.secured.OAuthBearerLoginCallbackHandler"},
        {"sasl.oauthbearer.jwt.retriever.class": f"{OAUTH.rpartition('.')[0]}.ClientCredentialsJwtRetriever"},
    ],
)
def test_a_login_by_tokens_is_openid_connect(handler: dict[str, str]) -> None:
    login = f'{OAUTH} required clientId="me" clientSecret="{SECRET}" scope="kafka" extension_a="1" extension_b="2";'
    assert to_client_config(SERVERS | TOKENS | handler | {"sasl.jaas.config": login}) == SERVERS | {
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example.com/token",
        "sasl.oauthbearer.client.id": "me",
        "sasl.oauthbearer.client.secret": SECRET,
        "sasl.oauthbearer.scope": "kafka",
        "sasl.oauthbearer.extensions": "a=1,b=2",
    }


def test_a_login_by_tokens_with_the_options_of_kafka_4_1() -> None:
    name = "sasl.oauthbearer.client.credentials.client"
    found = to_client_config(
        SERVERS | TOKENS | {f"{name}.id": "me", f"{name}.secret": SECRET, "sasl.jaas.config": f"{OAUTH} required;"}
    )
    assert (found["sasl.oauthbearer.client.id"], found["sasl.oauthbearer.client.secret"]) == ("me", SECRET)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"sasl.jaas.config": f'{OAUTH} required unsecuredLoginStringClaim_sub="{SECRET}";'}, "sasl.jaas.config"),
        ({"sasl.jaas.config": f'{OAUTH} required clientId="me";'}, "sasl.oauthbearer.client.secret"),
        ({"sasl.jaas.config": f'{OAUTH} required clientID="{SECRET}";'}, "sasl.jaas.config"),
        ({"sasl.login.callback.handler.class": "com.example.Handler"}, "sasl.login.callback.handler.class"),
        ({"sasl.oauthbearer.jwt.retriever.class": "com.example.Files"}, "sasl.oauthbearer.jwt.retriever.class"),
        ({"security.protocol": "SSL"}, "security.protocol"),
    ],
)
def test_tokens_that_cannot_be_had(changes: dict[str, str], path: str) -> None:
    assert refusal(TOKENS | changes).path == f"sink.properties.{path}"


@pytest.mark.parametrize("option", ['tokenauth="true"', f'pass word="{SECRET}"', 'user="u"'])
def test_options_of_a_login_that_would_be_left_out_are_refused(option: str) -> None:
    login = f'{PLAIN} required username="u" password="{SECRET}" {option};'
    assert refusal(SASL | {"sasl.jaas.config": login}).path == "sink.properties.sasl.jaas.config"


#: As keytool 17 wrote them, with one certificate and the password below: `-importcert -keystore trust.jks` (which is
#: PKCS12), and the same with `-storetype JKS`.
KEYTOOL_PASSWORD = "secret123"
KEYTOOL_DEFAULT = base64.b64decode(
    "MIICsgIBAzCCAlwGCSqGSIb3DQEHAaCCAk0EggJJMIICRTCCAkEGCSqGSIb3DQEHBqCCAjIwggIuAgEAMIICJwYJKoZIhvcNAQcB"
    "MGYGCSqGSIb3DQEFDTBZMDgGCSqGSIb3DQEFDDArBBQPO6TYPCdp51jID0Ujud1LByN6swICJxACASAwDAYIKoZIhvcNAgkFADAd"
    "BglghkgBZQMEASoEEOmgmAEmQAIrCBeQQ5glYFOAggGwq8STC++605ORB8nr2xp2tV2ZeXYA11TxZnZl746YfrLN6Kt2zieMkvdq"
    "Sp4r+k6Lab5pztEhaPHxweVzQ2aNVJbHWd6iDpum/fTH6wAbDq2joCXSv7/EImr13bRz208NT8kcmgescyjgI1TeeDJmgWnQlkd0"
    "0wLyY9wGRhhmH+ee7OLb+d4NsQl4gE4Xm5HAehf6hs9l+4qKE7W+u77oCq83ZspZrCyN3DtgJbX8Cf5UsaFWHudGVlF66OLAeH25"
    "/EyznV61F+dMs5ieNbIjA8Bap1dlLyQiYnVVmjDHmf9JKUuHpNtkUFCA0VnsO/Q4HuJ+GHTl31ZHP3r9VUiZ6UvK/9xq0Ugt3kD9"
    "5P/iseB/mr5xj/KkPc0lMR+6xqQzgetbHguT3tbGHMRmHknvBMn8ZvvWBTa7NIh+ZNQdJirQ4FVQdnikaSf50kBotleYrcsBWQpN"
    "00M/+zx7fkh2JESbPnUVLX9V/dLAdHZySeKvHEXk+l8v3RIkU8Dh0BoZjvn2+kaoO4UsrZjEnqCuIE4EBLs+RUQ6wKmPlIMaBdsj"
    "tZuNbb2aMCdA949qm6DKME0wMTANBglghkgBZQMEAgEFAAQguQALArD8wkEHimvBWfgYTOEJRV8gEee/d/zBuvAqZQ4EFN8STAFF"
    "GULJMCRbnvaN24GIgGQVAgInEA=="
)
KEYTOOL_JKS = base64.b64decode(
    "/u3+7QAAAAIAAAABAAAAAgACY2EAAAGiFZ/K/wAFWC41MDkAAAFEMIIBQDCB5qADAgECAgkA0g9T+n8hHC0wCgYIKoZIzj0EAwIw"
    "FDESMBAGA1UEAxMJYXV0aG9yaXR5MB4XDTI2MTEyNjAyMTE1NloXDTI3MDIyNDAyMTE1NlowFDESMBAGA1UEAxMJYXV0aG9yaXR5"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEx0cBfwjLU1pTXWnVpNVceM5P1iT8GKwrB5HdHAFvwsLySTutKk8pWL6M0iRDC2LL"
    "4nN+kvFVdxy0MuCt8Zch0aMhMB8wHQYDVR0OBBYEFBBeQ0aLbUAmoJsGd089YJ+HtgwdMAoGCCqGSM49BAMCA0kAMEYCIQCKePFl"
    "Ku6bSur4O3Nc63/SdFuMIrNYa6K/LwVY0cBQGAIhAMKxEtN4iJ23NzBOubqauhz3sMSJ9u1SvkmiZFO5fzou45VKLAsHsAnU9cmZ"
    "5+mMBKGpLXY="
)


def store(password: str | None = SECRET) -> bytes:
    """A trust store in PKCS12, as keytool writes them, with one certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return serialize_key_and_certificates(None, None, None, [builder.sign(key, hashes.SHA256())], locked)


@pytest.mark.parametrize("kind", ["PKCS12", "JKS", None])
def test_a_trust_store_is_known_by_its_content(tmp_path: Path, kind: str | None) -> None:
    (tmp_path / "store").write_bytes(store())
    given = {"ssl.truststore.location": str(tmp_path / "store"), "ssl.truststore.password": SECRET}
    given |= {"ssl.truststore.type": kind} if kind else {}
    found = to_client_config(SERVERS | {"security.protocol": "SSL"} | given)
    pem = found.pop("ssl.ca.pem")
    assert pem.startswith("-----BEGIN CERTIFICATE-----")
    assert found == SERVERS | {"security.protocol": "SSL"}
    (tmp_path / "store").write_text(pem)
    assert to_client_config(SERVERS | {"security.protocol": "SSL"} | given) == found | {
        "ssl.ca.location": str(tmp_path / "store")
    }


def test_a_trust_store_as_keytool_writes_it(tmp_path: Path) -> None:
    (tmp_path / "trust.jks").write_bytes(KEYTOOL_DEFAULT)
    given = {"ssl.truststore.location": str(tmp_path / "trust.jks"), "ssl.truststore.password": KEYTOOL_PASSWORD}
    found = to_client_config(SERVERS | {"security.protocol": "SSL"} | given)
    authority = x509.load_pem_x509_certificate(found["ssl.ca.pem"].encode())
    assert authority.subject.rfc4514_string() == "CN=authority"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (KEYTOOL_JKS, "JKS"),
        (b"nothing of the kind", "ssl.truststore.password"),
        (store("another"), "ssl.truststore.password"),
    ],
)
def test_a_trust_store_that_cannot_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "store").write_bytes(content)
    given = {"ssl.truststore.location": str(tmp_path / "store"), "ssl.truststore.password": SECRET}
    error = refusal({"security.protocol": "SSL"} | given)
    assert error.path == "sink.properties.ssl.truststore.location"
    assert said in error.message
    assert "keytool" in error.hint or "password" in error.hint


def test_a_key_store_of_java_is_converted_by_hand(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(KEYTOOL_JKS)
    error = refusal({"security.protocol": "SSL", "ssl.keystore.location": str(tmp_path / "store")})
    assert "keytool -importkeystore" in error.hint


def test_java_leaves_host_names_unchecked_by_an_empty_text() -> None:
    found = to_client_config(SERVERS | {"ssl.endpoint.identification.algorithm": ""})
    assert found["ssl.endpoint.identification.algorithm"] == "none"


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from(["linger.ms", "nope", "acks", "debug", "ssl.key.pem"]), st.just(SECRET)))
def test_no_error_shows_a_value(properties: dict[str, str]) -> None:
    try:
        to_client_config(SERVERS | properties)
    except InvalidJob as error:
        assert SECRET not in f"{error!r}{error}{error.__cause__!r}"
