"""Topics that exist must be compacted, partitioned as wanted, and empty unless they are the job's own."""

from __future__ import annotations

from scheduler.preflight.findings import Finding
from scheduler.preflight.sink import check_collisions, check_existing
from shared.adapters.kafka.topics import TopicState
from shared.model.topic import TopicSpec

WANTED = TopicSpec("shop.user", config={"cleanup.policy": "compact"})


def errors(*findings: Finding) -> list[str]:
    return [finding.message for finding in findings if finding.is_error]


def state(*, partitions: int = 3, cleanup_policy: str = "compact", records: bool = False) -> TopicState:
    return TopicState("shop.user", partitions, cleanup_policy, records)


def test_an_empty_compacted_topic_will_do() -> None:
    assert check_existing(WANTED, state(), owned=False) == []
    assert check_existing(TopicSpec("shop.user", 3), state(), owned=False) == []


def test_a_topic_that_forgets_is_an_error() -> None:
    (message,) = errors(*check_existing(WANTED, state(cleanup_policy="delete"), owned=False))
    assert "it would forget rows" in message


def test_a_topic_that_compacts_and_forgets_is_a_warning_unless_wanted_so() -> None:
    both = state(cleanup_policy="compact,delete")
    (finding,) = check_existing(WANTED, both, owned=False)
    assert not finding.is_error
    assert check_existing(TopicSpec("shop.user", config={"cleanup.policy": "compact,delete"}), both, owned=False) == []


def test_other_partitions_are_an_error_at_the_option() -> None:
    (finding,) = check_existing(TopicSpec("shop.user", 4), state(), owned=False)
    assert (finding.is_error, finding.path) == (True, "sink.topic.partitions")
    assert "has 3 partitions, the job wants 4" in finding.message


def test_a_topic_with_messages_belongs_to_the_job_that_wrote_them() -> None:
    (message,) = errors(*check_existing(WANTED, state(records=True), owned=False))
    assert "is not empty" in message
    assert check_existing(WANTED, state(records=True), owned=True) == []


def test_every_fault_of_a_topic_is_told() -> None:
    bad = state(partitions=1, cleanup_policy="delete", records=True)
    assert len(errors(*check_existing(TopicSpec("shop.user", 2), bad, owned=False))) == 3


def test_names_that_metrics_cannot_tell_apart() -> None:
    (finding,) = check_collisions(["shop.user", "shop.order"], ["shop_user", "shop_orders"])
    assert finding.is_error
    assert "`shop.user` cannot stand beside `shop_user`" in finding.message
    assert check_collisions(["shop.user"], ["shop.user", "other"]) == []
