"""A stand-in for the API of ApsaraMQ for Kafka (2019-09-16): HTTP on this machine, for what headrace asks of it.

It follows the API's documents and what its SDK sends: RPC style, parameters in the query, signature ACS3-HMAC-SHA256, which
is computed here anew and must agree. Where Alibaba publishes no error code (a topic that exists already, quotas) it
answers with one that nobody can know. With a Kafka behind it, it makes the topics there.
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from shared.adapters.alikafka.account import Account, read_endpoint
from shared.adapters.alikafka.maker import AlikafkaTopics

#: A setting that headrace never asks for: whoever finds it on a topic knows who made that.
MARK = ("file.delete.delay.ms", "61234")

#: The SDK goes through these even to this machine.
_PROXIES = ("HTTP_PROXY", "http_proxy")

_SKEW_SECONDS = 15 * 60
_NAME = re.compile(r"[A-Za-z0-9._-]{3,64}")
_REMARK = re.compile(r"[A-Za-z0-9_-]{3,64}")
_CONFIG = {"retention.ms", "max.message.bytes", "message.timestamp.type"}


class Refusal(Exception):
    """An answer that is none."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


@dataclass
class Fault:
    """What befalls the next request of an action. `before` acts instead of the work, `after` once it is done."""

    action: str
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None


class Garbled(Exception):
    """HTTP 200 with this text, which is no answer of the service."""


class Hangup(Exception):
    """The connection ends without an answer."""


def refuse(status: int, code: str, message: str = "As the test wants it.", **headers: str) -> Callable[[], None]:
    """For a fault: this error."""

    def raising() -> None:
        raise Refusal(status, code, message, {name.replace("_", "-"): value for name, value in headers.items()})

    return raising


def garble(text: str) -> Callable[[], None]:
    """For a fault: what a proxy on the way may say in place of the service."""

    def raising() -> None:
        raise Garbled(text)

    return raising


def hang_up() -> None:
    """For a fault: no answer."""
    raise Hangup


@dataclass
class Made:
    """A topic of the instance."""

    partitions: int
    replicas: int | None
    compact: bool
    config: dict[str, str]
    status: int = 0


@dataclass
class Emulator:
    """The service with one account and one instance.

    `compacts` is False for an instance that makes topics of its only kind, whatever it is asked for; `qps` bounds CreateTopic per second, `topics_max` is the instance's quota, `bootstrap` the Kafka behind it ("" for
    none), and `shown_after` how many seconds a topic needs to appear there.
    """

    bootstrap: str = ""
    qps: float = 20
    topics_max: int = 1000
    shown_after: float = 0.0
    compacts: bool = True
    access_key_id: str = field(default_factory=lambda: f"LTAI{secrets.token_hex(8)}")
    access_key_secret: str = field(default_factory=lambda: f"sk{secrets.token_hex(14)}")
    instance_id: str = "alikafka_pre-cn-of-the-tests"
    region_id: str = "cn-hangzhou"
    url: str = ""
    topics: dict[str, Made] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _nonces: set[str] = field(default_factory=set)
    _created_at: list[float] = field(default_factory=list)
    _workers: list[threading.Thread] = field(default_factory=list)

    def asked(self, action: str) -> list[dict[str, str]]:
        """The parameters of every request of an action."""
        return [parameters for name, parameters in self.requests if name == action]

    def options(self) -> str:
        """The lines of a job's sink."""
        values = {
            "accessKeyId": "#{ak}",
            "accessKeySecret": "#{sk}",
            "instanceId": self.instance_id,
            "endpoint": self.url,
            "regionId": self.region_id,
        }
        return "\n".join(f"  aliyun.kafka.{name}: {value}" for name, value in values.items())

    def variables(self) -> dict[str, str]:
        """The placeholders of the reference jobs."""
        values = {"AK": self.access_key_id, "SK": self.access_key_secret, "INSTANCEID": self.instance_id}
        values |= {"ENDPOINT": self.url, "REGIONID": self.region_id}
        return {f"HEADRACE_VAR_{name}": value for name, value in values.items()} | dict.fromkeys(_PROXIES, "")

    def settings(self) -> dict[str, str]:
        """The variables of a process that makes the registry topic here."""
        values = {"ACCESS_KEY_ID": self.access_key_id, "ACCESS_KEY_SECRET": self.access_key_secret}
        values |= {"INSTANCE_ID": self.instance_id, "ENDPOINT": self.url, "REGION_ID": self.region_id}
        return {f"HEADRACE_ALIYUN_{name}": value for name, value in values.items()}

    def maker(self, **changes: str) -> AlikafkaTopics:
        """headrace's client of this service; `changes` are other keys or another instance."""
        values = {"access_key_id": self.access_key_id, "access_key_secret": self.access_key_secret}
        values |= {"instance_id": self.instance_id, "region_id": self.region_id, "url": self.url} | changes
        endpoint = read_endpoint(values.pop("url"), "")
        return AlikafkaTopics(Account(**values, endpoint=endpoint, origin="sink.aliyun.kafka."))

    # Requests.

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, object]:
        """What the service answers. Raises Refusal, Hangup."""
        parts = urlsplit(target)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        action = headers.get("x-acs-action", "")
        with self._lock:
            self.requests.append((action, parameters))
            fault = next((f for f in self.faults if f.action == action), None)
            if fault is not None:
                self.faults.remove(fault)
        self._authenticate(method, parts.path, parameters, headers, body)
        if headers.get("x-acs-version") != "2019-09-16":
            raise Refusal(400, "InvalidVersion", "Specified parameter Version is not valid.")
        if parameters.get("InstanceId") != self.instance_id or parameters.get("RegionId") != self.region_id:
            raise Refusal(400, "BIZ_INSTANCE_NOT_FOUND", "The instance was not found.")
        if fault is not None:
            fault.before()
        with self._lock:
            done = self._act(action, parameters)
        if fault is not None:
            fault.after()
        return {"Code": 200, "Message": "operation success.", "Success": True} | done

    def _authenticate(
        self, method: str, path: str, parameters: dict[str, str], headers: dict[str, str], body: bytes
    ) -> None:
        match = re.fullmatch(
            r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})",
            headers.get("authorization", ""),
        )
        if match is None:
            raise Refusal(400, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")
        key_id, signed, signature = match.groups()
        if key_id != self.access_key_id:
            raise Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        names = signed.split(";")
        assert {"host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce"} <= set(names) and names == sorted(names)
        digest = hashlib.sha256(body).hexdigest()
        query = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(parameters.items()))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        canonical = "\n".join([method, path, query, lines, signed, digest])
        text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        expected = hmac.new(self.access_key_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if digest != headers.get("x-acs-content-sha256") or not hmac.compare_digest(expected, signature):
            # The real one repeats what it was given, too.
            told = f"Specified signature does not match our calculation. server string to sign is:{key_id}{text}"
            raise Refusal(400, "SignatureDoesNotMatch", told)
        sent = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - sent).total_seconds()) > _SKEW_SECONDS:
            raise Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
        with self._lock:
            if headers["x-acs-signature-nonce"] in self._nonces:
                raise Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
            self._nonces.add(headers["x-acs-signature-nonce"])

    def _act(self, action: str, parameters: dict[str, str]) -> dict[str, object]:
        if action == "CreateTopic":
            return self._create(parameters)
        if action == "DeleteTopic":
            return self._delete(parameters["Topic"])
        if action == "GetTopicList":
            return self._list(parameters)
        raise Refusal(404, "InvalidAction.NotFound", f"Specified api is not found: {action}.")

    def _create(self, parameters: dict[str, str]) -> dict[str, object]:
        now = time.monotonic()
        self._created_at = [moment for moment in self._created_at if now - moment < 1]
        if len(self._created_at) >= self.qps:
            raise Refusal(503, "ONS_SYSTEM_FLOW_CONTROL", "The request is limited, please try again later.")
        self._created_at.append(now)
        name, made = parameters["Topic"], _read_topic(parameters)
        made.compact = made.compact and self.compacts
        if name in self.topics:
            raise Refusal(400, "BIZ_SOMETHING_UNPUBLISHED", f"The topic [{name}] has been there before.")
        if len(self.topics) >= self.topics_max:
            told = f"The max topic count of your instance is {self.topics_max}, topic runs out."
            raise Refusal(400, "BIZ_TOPIC_COUNT_OVER", told)
        self.topics[name] = made
        self._later(lambda admin: admin.create_topics([_in_kafka(name, made)])[name].result())
        return {}

    def _delete(self, name: str) -> dict[str, object]:
        if name not in self.topics:
            raise Refusal(400, "BIZ_TOPIC_NOT_FOUND", f"The topic {name} was not found.")
        del self.topics[name]
        self._later(lambda admin: admin.delete_topics([name])[name].result())
        return {}

    def _list(self, parameters: dict[str, str]) -> dict[str, object]:
        page, size = int(parameters.get("CurrentPage", "1")), int(parameters.get("PageSize", "10"))
        if size > 10:
            raise Refusal(400, "BIZ_FIELD_CHECK_INVALID", "The page size is too large.")
        # A search finds every name that holds the text, the youngest first.
        found = [name for name in reversed(self.topics) if parameters.get("Topic", "") in name]
        shown = [self._shown(name) for name in found[(page - 1) * size : page * size]]
        return {"Total": len(found), "CurrentPage": page, "PageSize": size, "TopicList": {"TopicVO": shown}}

    def _shown(self, name: str) -> dict[str, object]:
        made = self.topics[name]
        return {
            "Topic": name,
            "InstanceId": self.instance_id,
            "RegionId": self.region_id,
            "PartitionNum": made.partitions,
            "CompactTopic": made.compact,
            "LocalTopic": True,
            "Status": made.status,
            "StatusName": "Running",
            "Remark": "headrace",
        }

    # The Kafka behind it.

    def _later(self, act: Callable[[AdminClient], object]) -> None:
        if self.bootstrap:

            def work() -> None:
                time.sleep(self.shown_after)
                act(AdminClient({"bootstrap.servers": self.bootstrap}))

            self._workers.append(threading.Thread(target=work))
            self._workers[-1].start()

    def settle(self) -> None:
        """Waits until Kafka has what the service has promised."""
        for worker in self._workers:
            worker.join()


def _read_topic(parameters: dict[str, str]) -> Made:
    """The request's topic, after the checks of the API's documents."""

    def must(valid: object, what: str) -> None:
        if not valid:
            raise Refusal(400, "BIZ_FIELD_CHECK_INVALID", f"{what} is invalid.")

    must(_NAME.fullmatch(parameters["Topic"]), "Topic")
    must(_REMARK.fullmatch(parameters.get("Remark", "")), "Remark")
    flags = {name: parameters.get(name, "false") for name in ("LocalTopic", "CompactTopic")}
    must(set(flags.values()) <= {"true", "false"}, "LocalTopic or CompactTopic")
    local, compact = flags["LocalTopic"] == "true", flags["CompactTopic"] == "true"
    must(local or not compact, "CompactTopic without LocalTopic")
    must(local or not {"ReplicationFactor", "MinInsyncReplicas", "Config"} & set(parameters), "LocalTopic")
    partitions = int(parameters.get("PartitionNum", "12"))
    must(1 <= partitions <= 360, "PartitionNum")
    replicas = int(parameters["ReplicationFactor"]) if "ReplicationFactor" in parameters else None
    must(replicas is None or 1 <= replicas <= 3, "ReplicationFactor")
    config = json.loads(parameters.get("Config", "{}"))
    must(set(config) <= _CONFIG and all(isinstance(value, str) for value in config.values()), "Config")
    return Made(partitions, replicas, compact, config)


def _in_kafka(name: str, made: Made) -> NewTopic:
    policy = {"cleanup.policy": "compact" if made.compact else "delete"}
    return NewTopic(name, made.partitions, 1, config={**made.config, **policy, MARK[0]: MARK[1]})


def _handler(emulator: Emulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = secrets.token_hex(8).upper()
            try:
                self._json(200, emulator.answer("POST", self.path, headers, body) | {"RequestId": request}, {})
            except Refusal as error:
                emulator.refusals.append(error.code)
                told = {"Code": error.code, "Message": error.message, "Success": False, "RequestId": request}
                self._json(error.status, told, error.headers)
            except Garbled as error:
                self._send(200, str(error).encode(), {})
            except Hangup:
                self.close_connection = True

        def _json(self, status: int, body: dict[str, object], headers: dict[str, str]) -> None:
            self._send(status, json.dumps(body).encode(), headers)

        def _send(self, status: int, text: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"content-type": "application/json;charset=utf-8", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: object) -> None:
            """Nothing: the test reads `requests`."""

    return Handler


def _serving(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(emulator))
    server.daemon_threads = True
    emulator.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield emulator
    server.shutdown()
    thread.join()
    server.server_close()
    emulator.settle()


@pytest.fixture
def alikafka_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The service with no Kafka behind it."""
    yield from _serving(Emulator(), monkeypatch)


@pytest.fixture
def alikafka(kafka_server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The service in front of the session's Kafka."""
    yield from _serving(Emulator(kafka_server.bootstrap), monkeypatch)
