"""Asks the cluster what its ACLs let us do, so that what is missing is named before it is needed.

A broker answers an operation that it forbids with one code for all of them; on request it also lists what is allowed on a
topic that exists (since Kafka 2.3). Of a topic that does not exist it tells only whether we may know of it.

Law of this file: it only looks. Where a cluster does not tell, the operation itself will fail and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from shared.adapters.kafka.clients import OWN_GROUP, ClientConfig, client_config, how_to_allow, translate
from shared.errors import SinkRefused

_TIMEOUT_SECONDS = 30.0
#: A broker that forbids a group says so at once; one that has no group yet may first have to make its topic of groups.
_GROUP_TIMEOUT_SECONDS = 5.0

#: What brings the right to know of a topic with it.
_BRINGS_DESCRIBE = "Write"

_OPERATIONS: Mapping[str, AclOperation] = {
    "Create": AclOperation.CREATE,
    "Delete": AclOperation.DELETE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}


def missing_rights(config: ClientConfig, wanted: Mapping[str, Iterable[str]]) -> list[str]:
    """What the ACLs do not allow, each as in `Write on topic order_dw.user`.

    Args:
        config: the client's options.
        wanted: the operations by topic, as `kafka-acls` spells them. Topics need not exist.

    Raises:
        SinkRefused, Unavailable: the brokers did not answer.
    """
    admin = AdminClient(client_config(config))
    return [*_of_topics(admin, wanted), *_of_group(admin)]


def missing_on_topics(config: ClientConfig, wanted: Mapping[str, Iterable[str]]) -> list[str]:
    """As `missing_rights`, for topics alone."""
    return _of_topics(AdminClient(client_config(config)), wanted)


def require_rights(config: ClientConfig, wanted: Mapping[str, Iterable[str]]) -> None:
    """As `missing_rights`.

    Raises:
        SinkRefused: something is missing; also as above.
    """
    missing = missing_rights(config, wanted)
    if missing:
        raise lacking(missing)


def lacking(missing: list[str]) -> SinkRefused:
    """The error that names what is missing, the first ones of many."""
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return SinkRefused(f"Kafka's ACLs do not allow {', '.join(missing[:3])}{more}.", how_to_allow(missing[0]))


def _of_topics(admin: AdminClient, wanted: Mapping[str, Iterable[str]]) -> list[str]:
    if not wanted:
        return []
    asked = admin.describe_topics(
        TopicCollection(list(wanted)), include_authorized_operations=True, request_timeout=_TIMEOUT_SECONDS
    )
    missing = []
    for topic, future in asked.items():
        try:
            allowed = future.result().authorized_operations
        except KafkaException as error:
            missing += _unseen(topic, wanted[topic], error.args[0])
            continue
        if allowed:  # an older cluster tells nothing
            missing += [f"{name} on topic {topic}" for name in wanted[topic] if _OPERATIONS[name] not in allowed]
    return missing


def _unseen(topic: str, wanted: Iterable[str], error: KafkaError) -> list[str]:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return []
    if error.code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise translate(error, f"asking for the rights on topic {topic}")
    # Whoever may write or read a topic may know of it: so neither is allowed.
    return [f"{name} on topic {topic}" for name in wanted if name in ("Read", _BRINGS_DESCRIBE)]


def _of_group(admin: AdminClient) -> list[str]:
    """The client looks for the coordinator of its group, although it never joins it."""
    (future,) = admin.describe_consumer_groups([OWN_GROUP], request_timeout=_GROUP_TIMEOUT_SECONDS).values()
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return [f"Describe on group {OWN_GROUP}"]
    return []
