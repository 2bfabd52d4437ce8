"""What a tenure is about: the job, and what this process has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.codec import Codec
from shared.job.spec import JobSpec
from shared.job.throttling import in_force
from shared.model.job import Wanted, state_topic
from shared.model.throttle import Limits
from shared.model.topic import TopicMaker
from shared.runtime import connections
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a tenure is about."""

    settings: Settings
    codec: Codec
    wanted: Wanted
    spec: JobSpec

    @property
    def state_topic(self) -> str:
        """The job's state topic."""
        return state_topic(self.settings.registry_topic, self.wanted.id)

    @property
    def salt(self) -> str:
        """The fingerprint of the salt that this process has for the job's hashes; empty where it has none."""
        return self.spec.source.masks.fingerprint(self.wanted.id)

    @property
    def sink_config(self) -> dict[str, str]:
        """Client options of the job's sink; the state topic lives in the same cluster."""
        return connections.sink_config(self.spec)

    def limits(self, changed: Mapping[str, str]) -> Limits:
        """The throttle in force.

        Raises:
            InvalidJob: a change is no limit.
        """
        return in_force(self.spec.source.throttle, changed)

    @property
    def topic_maker(self) -> TopicMaker | None:
        """Who makes the job's topics; None for the cluster itself."""
        return connections.topic_maker(self.spec.sink.aliyun)
