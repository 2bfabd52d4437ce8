"""The preflight's look at Kafka: does it answer, does it take transactions, are the topics as the job needs them.

Law of this file: it creates nothing and writes no message, and ends with findings, whatever the cluster does. It does
open one producer with a transactional id of its own, which the cluster forgets by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence

from scheduler.preflight.findings import Finding, failed, failure_of, listed, passed, warned
from shared.adapters.kafka.clients import ClientConfig
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.registry import STATE_RIGHTS, log_topic
from shared.adapters.kafka.rights import lacking, missing_rights
from shared.adapters.kafka.topics import DATA_RIGHTS, Topics, TopicState, check_transactions
from shared.errors import HeadraceError, InvalidJob, NeedsOperator, SinkRefused, Transient
from shared.job.routing import metric_name
from shared.job.spec import JobSpec
from shared.model.topic import TopicMaker, TopicSpec
from shared.runtime.connections import sink_config, topic_maker

_ADVERTISED = (
    "If transactions are in order, the brokers' advertised.listeners may name a host that cannot be reached from here."
)


def wanted_topics(spec: JobSpec, names: Iterable[str]) -> list[TopicSpec]:
    """The job's topics as it would create them."""
    sink = spec.sink
    return [
        TopicSpec(name, sink.topic_partitions, sink.topic_replication_factor, dict(sink.topic_config))
        for name in dict.fromkeys(names)  # tables may share a topic
    ]


def check_sink(
    spec: JobSpec, topics: Collection[str], owned_topics: Collection[str], state_topic: str = ""
) -> list[Finding]:
    """All checks that need Kafka.

    Args:
        spec: the job.
        topics: the names of its topics; none when they are not known.
        owned_topics: those that the job has filled already.
        state_topic: a name as the job's state topic may have; empty to leave it out.
    """
    try:
        config = sink_config(spec)
    except InvalidJob as error:
        return [failure_of("kafka", error)]
    try:
        brokers = count_brokers(config)
    except (Transient, NeedsOperator) as error:
        return [failure_of("kafka", error)]
    servers = config.get("bootstrap.servers", "")
    findings = [passed("kafka", f"Kafka at {servers} answers with {brokers} broker{'s' * (brokers != 1)}.")]
    findings.append(_transactions(config))
    try:
        maker = topic_maker(spec.sink.aliyun)
    except InvalidJob as error:
        return [*findings, failure_of("aliyun", error)]
    if maker is not None:
        findings.append(_greeting(maker))
    cluster = Topics(config, maker)
    findings.append(_rights(config, cluster, topics, state_topic if maker is None else ""))
    if topics:
        findings += _topics(cluster, wanted_topics(spec, topics), owned_topics)
    return findings


def _greeting(maker: TopicMaker) -> Finding:
    try:
        return passed("aliyun", maker.greeting())
    except (Transient, NeedsOperator) as error:
        return failure_of("aliyun", error)


def _transactions(config: ClientConfig) -> Finding:
    try:
        check_transactions(config, f"headrace.preflight.{secrets.token_hex(8)}")
    except SinkRefused as error:
        return failed("transactions", error.message, f"{error.hint} {_ADVERTISED}".strip())
    except Transient as error:
        return failure_of("transactions", error, _ADVERTISED)
    return passed("transactions", "The cluster takes transactions.")


def _rights(config: ClientConfig, cluster: Topics, topics: Collection[str], state_topic: str) -> Finding:
    """What can be known of ACLs before the topics are there; whether they may be created is asked with the topics."""
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(topics, DATA_RIGHTS)
    try:
        if state_topic:
            wanted[state_topic] = STATE_RIGHTS
            for refusal in cluster.refusals([log_topic(state_topic)]).values():
                return failure_of("topics", refusal)
        missing = missing_rights(config, wanted)
    except (Transient, NeedsOperator) as error:
        return failure_of("acls", error)
    if not missing:
        return passed("acls", "The cluster's ACLs allow what could be asked for.")
    return failure_of("acls", lacking(missing))


def _topics(cluster: Topics, wanted: Sequence[TopicSpec], owned_topics: Collection[str]) -> list[Finding]:
    try:
        present = cluster.names()
        existing = cluster.describe(spec.name for spec in wanted if spec.name in present)
        absent = [spec for spec in wanted if spec.name not in existing]
        collisions = check_collisions([spec.name for spec in absent], present)
        # With a collision among them the cluster would refuse those topics for the reason that is told already.
        refused = {} if collisions else cluster.refusals(absent)
    except (Transient, NeedsOperator) as error:
        return [failure_of("topics", error)]
    findings = [*collisions, *_refusals(refused)]
    for spec in wanted:
        if spec.name in existing:
            findings += check_existing(spec, existing[spec.name], owned=spec.name in owned_topics)
    if not any(finding.is_error for finding in findings):
        findings.append(passed("topics", f"{len(absent)} topics to create, {len(existing)} there already."))
    return findings


def check_collisions(absent: Collection[str], present: Iterable[str]) -> list[Finding]:
    """Topics to create whose names Kafka's metrics could not tell from those of topics that exist."""
    metrics = {metric_name(name): name for name in absent}
    found = [(metrics[metric_name(other)], other) for other in sorted(present) if metric_name(other) in metrics]
    hint = "Kafka takes `.` and `_` for the same in its metrics, and refuses: route the table to another topic."
    return [
        failed("topics", f"The topic `{name}` cannot stand beside `{other}`.", hint, "route")
        for name, other in found
        if name != other
    ]


def check_existing(wanted: TopicSpec, state: TopicState, *, owned: bool) -> list[Finding]:
    """A topic that exists: it keeps all keys, has the right partitions, and nothing that the job did not write."""
    findings = []
    policies = {policy.strip() for policy in state.cleanup_policy.split(",")}
    if "compact" not in policies:
        message = f"The topic `{wanted.name}` has cleanup.policy={state.cleanup_policy}: it would forget rows."
        hint = "Set its cleanup.policy to compact, delete the topic, or route the table elsewhere."
        findings.append(failed("topics", message, hint))
    elif "delete" in policies and "delete" not in wanted.config.get("cleanup.policy", ""):
        message = f"The topic `{wanted.name}` has cleanup.policy={state.cleanup_policy}: old rows will vanish from it."
        findings.append(warned("topics", message, "Set its cleanup.policy to compact."))
    if wanted.partitions is not None and wanted.partitions != state.partitions:
        message = f"The topic `{wanted.name}` has {state.partitions} partitions, the job wants {wanted.partitions}."
        hint = "Keys would move between partitions: correct sink.topic.partitions, or delete the topic."
        findings.append(failed("topics", message, hint, "sink.topic.partitions"))
    if state.records and not owned:
        message = f"The topic `{wanted.name}` is not empty: rows that are deleted in MySQL would stay in it for ever."
        hint = "Delete the topic if nobody needs it, or route the table elsewhere."
        findings.append(failed("topics", message, hint))
    return findings


def _refusals(refused: Mapping[str, HeadraceError]) -> list[Finding]:
    """What the cluster says against creating topics; those with one reason are one finding."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, error in refused.items():
        reasons.setdefault((type(error).__name__, error.hint), []).append(name)
    findings = []
    for names in reasons.values():
        finding = failure_of("topics", refused[names[0]])
        if len(names) > 1 and not finding.path:  # an option is wrong for all topics alike
            message = f"{finding.message} The same goes for {listed(names[1:])}."
            finding = failed("topics", message, finding.hint)
        findings.append(finding)
    return findings
