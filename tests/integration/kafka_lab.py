"""A secured Kafka cluster of three nodes: SASL_SSL with SCRAM, PLAIN and OAUTHBEARER, ACLs, three copies of all.

Each node has two listeners. Over the secured one headrace comes; the plain one is for the nodes among themselves and for
the test, and whoever comes there is a super user. Certificates, tokens and the server that gives tokens are made here.
"""

import base64
import datetime
import ipaddress
import json
import shutil
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID
from headrace_local.kafka import KafkaServer, new_cluster_id
from headrace_local.ports import free_ports

USER, PASSWORD = "headrace", "scram-secret-5b1e"
PLAIN_USER, PLAIN_PASSWORD = "plain-user", "plain-secret-77a0"
CLIENT, CLIENT_SECRET = "token-user", "client-secret-c0ff"
STORE_PASSWORD = "store-secret-19d2"
AUDIENCE = "kafka"
_SECURITY = "org.apache.kafka.common.security"


class Authority:
    """Signs certificates for brokers, and tokens; its own certificate is what clients trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Authority {folder.name}")])
        self._own = self._signed(self._name, self._key, [], ca=True)
        self.pem = self._own.public_bytes(Encoding.PEM).decode()

    def write(self) -> None:
        """Files for brokers and clients: `ca.pem`, `ca.p12`, `broker.pem`, `jwks.json`."""
        (self.folder / "ca.pem").write_text(self.pem)
        store = serialize_key_and_certificates(
            None, None, None, [self._own], BestAvailableEncryption(STORE_PASSWORD.encode())
        )
        (self.folder / "ca.p12").write_bytes(store)
        key = rsa.generate_private_key(65537, 2048)
        # The client compares an address with names as well; `localhost` is the name that it is not for.
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("127.0.0.1")]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
        certificate = self._signed(subject, key, names, ca=False)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        (self.folder / "broker.pem").write_text(private + certificate.public_bytes(Encoding.PEM).decode() + self.pem)
        numbers = self._key.public_key().public_numbers()
        jwk = {"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig"}
        jwk |= {"n": _base64(numbers.n.to_bytes(256, "big")), "e": _base64(b"\x01\x00\x01")}
        (self.folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))

    def token(self, subject: str) -> str:
        """A signed token for a user."""
        now = int(time.time())
        claims = {"sub": subject, "aud": AUDIENCE, "iat": now - 1, "exp": now + 600, "scope": "kafka"}
        head = {"alg": "RS256", "typ": "JWT", "kid": "k1"}
        text = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{_base64(self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def _signed(
        self, subject: x509.Name, key: rsa.RSAPrivateKey, names: list[x509.GeneralName], *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer:
    """Gives a token for the client's id and secret, as OpenID Connect has it, and counts."""

    def __init__(self, authority: Authority) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                wanted = "Basic " + base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
                known = self.headers.get("Authorization") == wanted
                known = known and body.get("grant_type") == ["client_credentials"]
                server.asked += 1
                answer = {"error": "invalid_client", "error_description": "unknown client"}
                if known:
                    answer = {"access_token": authority.token(CLIENT), "token_type": "Bearer", "expires_in": 600}
                data = json.dumps(answer).encode()
                self.send_response(200 if known else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.asked = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/token"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class SecureNode(KafkaServer):
    """One of three nodes, each a broker and a controller."""

    def __init__(self, install: Path, directory: Path, number: int, ports: list[list[int]], vault: Path) -> None:
        port, controller, self.secure_port = ports[number - 1]
        super().__init__(install, directory, port, controller)
        self.number = number
        self._vault = vault
        self._voters = ",".join(f"{n}@{self.host}:{ports[n - 1][1]}" for n in (1, 2, 3))

    def copy_data(self, other: "SecureNode") -> None:
        """Takes the formatted folder of another node, which is quicker than to format one more."""
        data = self.directory / "data"
        shutil.copytree(other.directory / "data", data)
        meta = data / "meta.properties"
        own = {"node.id": str(self.number), "directory.id": _base64(b"h" + uuid.uuid4().bytes[1:])}
        lines = dict(line.split("=", 1) for line in meta.read_text().splitlines() if not line.startswith("#"))
        assert own.keys() <= lines.keys()
        meta.write_text("".join(f"{name}={text}\n" for name, text in (lines | own).items()))

    def java_options(self) -> list[str]:
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._keys}"
        return [allowed, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms128m", "-Xmx512m"]

    def format_options(self) -> list[str]:
        return ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]

    def settings(self, data: Path) -> dict[str, object]:
        listeners = f"PLAINTEXT://{self.host}:{self.port},SECURE://{self.host}:{self.secure_port}"
        login = f'{_SECURITY}.plain.PlainLoginModule required user_{PLAIN_USER}="{PLAIN_PASSWORD}";'
        copies = dict.fromkeys(
            (
                "default.replication.factor",
                "offsets.topic.replication.factor",
                "transaction.state.log.replication.factor",
                "share.coordinator.state.topic.replication.factor",
            ),
            3,
        )
        return {
            **super().settings(data),
            **copies,
            "min.insync.replicas": 2,
            "transaction.state.log.min.isr": 2,
            "node.id": self.number,
            "controller.quorum.voters": self._voters,
            "listeners": f"{listeners},CONTROLLER://{self.host}:{self._controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._vault / "broker.pem",
            "listener.name.secure.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN,OAUTHBEARER",
            "listener.name.secure.scram-sha-512.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
            "listener.name.secure.plain.sasl.jaas.config": login,
            "listener.name.secure.oauthbearer.sasl.jaas.config": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;",
            "listener.name.secure.oauthbearer.sasl.server.callback.handler.class": (
                f"{_SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            "sasl.oauthbearer.jwks.endpoint.url": self._keys,
            "sasl.oauthbearer.expected.audience": AUDIENCE,
        }

    @property
    def _keys(self) -> str:
        return (self._vault / "jwks.json").as_uri()


class SecureKafka:
    """The cluster: `bootstrap` for headrace, `open_door` for the test, which may do everything there."""

    def __init__(self, install: Path, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.write()
        numbers = free_ports(9)
        ports = [numbers[:3], numbers[3:6], numbers[6:]]
        self.nodes = [SecureNode(install, folder / f"kafka-{n}", n, ports, folder) for n in (1, 2, 3)]
        cluster_id = new_cluster_id()
        for node in self.nodes:
            node.cluster_id = cluster_id
        self.bootstrap = ",".join(f"{node.host}:{node.secure_port}" for node in self.nodes)
        self.open_door = ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> None:
        """All at a time: a node answers only when there are two."""
        first, *others = self.nodes
        first.directory.mkdir()
        first.prepare()
        for node in others:
            node.copy_data(first)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda node: node.start(), self.nodes))
        self.admin = AdminClient({"bootstrap.servers": self.open_door})
        deadline = time.monotonic() + 60
        while len(self.admin.list_topics(timeout=20).brokers) < 3:
            assert time.monotonic() < deadline, "three nodes do not become a cluster"
            time.sleep(0.1)

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def login(self) -> dict[str, str]:
        """The login of the user with SCRAM, as a user of Flink writes it."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.jaas.config": (
                f'{_SECURITY}.scram.ScramLoginModule required username="{USER}" password="{PASSWORD}";'
            ),
            "ssl.truststore.type": "PKCS12",
            "ssl.truststore.location": str(self.folder / "ca.p12"),
            "ssl.truststore.password": STORE_PASSWORD,
        }

    def allow(self, *acls: AclBinding) -> None:
        for future in self.admin.create_acls(list(acls)).values():
            future.result()

    def forbid(self, acl: AclBinding) -> None:
        taken = AclBindingFilter(
            acl.restype,
            acl.name,
            acl.resource_pattern_type,
            acl.principal,
            acl.host,
            acl.operation,
            acl.permission_type,
        )
        for future in self.admin.delete_acls([taken]).values():
            assert len(future.result()) == 1


def acl(kind: str, name: str, pattern: str, operation: str, user: str = USER) -> AclBinding:
    """One ACL, in the words of docs/kafka.md."""
    return AclBinding(
        ResourceType[{"topic": "TOPIC", "group": "GROUP", "transactional-id": "TRANSACTIONAL_ID"}[kind]],
        name,
        ResourcePatternType[pattern.upper()],
        f"User:{user}",
        "*",
        AclOperation[{"DescribeConfigs": "DESCRIBE_CONFIGS"}.get(operation, operation.upper())],
        AclPermissionType.ALLOW,
    )
