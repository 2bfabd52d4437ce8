"""The Celery app, made by a factory: the same settings for the workers, for whoever sends hints, and for Flower.

Celery carries hints only. Delivery may fail in every way (lost, doubled, years late) without harm, so nothing here
retries or stores results; what matters is that no call waits for ever and that a worker finds back after an outage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import OperationalError

from shared.errors import Unavailable
from shared.model.orders import SNAPSHOT_QUEUE
from shared.runtime.liveness import Heart
from shared.settings import Settings


def make_app(settings: Settings) -> Celery:
    """A new app that is not the process's current one."""
    app = Celery("headrace", broker=settings.redis_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        task_default_queue=SNAPSHOT_QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,  # a lost hint is sent again by the leader; a redelivered one would only be refused
        task_track_started=True,
        task_send_sent_event=True,
        task_publish_retry=False,
        worker_send_task_events=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=5,
        broker_transport_options={
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "visibility_timeout": 3600,
            "global_keyprefix": "headrace:celery:",
        },
    )
    return app


def send(app: Celery, task: str, arguments: Mapping[str, Any], caption: str, expires_seconds: int) -> None:
    """Sends a hint to the snapshot workers; `caption` is what people read in Flower.

    Raises:
        Unavailable: Redis did not take it.
    """
    try:
        app.send_task(task, kwargs=dict(arguments), queue=SNAPSHOT_QUEUE, expires=expires_seconds, argsrepr=caption)
    except OperationalError as error:
        raise Unavailable(f"Redis took no task: {error}.", "Check HEADRACE_REDIS_URL.") from None


#: How often a worker's event loop touches its file.
_BEAT_SECONDS = 5.0

#: A worker that has lost Redis looks for it in a loop of Celery's that tells nobody that it turns.
_REDIS_AWAY_SECONDS = 3600.0


def beat_in_loop(app: Celery, heart: Heart) -> None:
    """Has the event loop of a worker show that it turns; from the moment that the worker takes tasks."""

    class Liveness(bootsteps.StartStopStep):  # type: ignore[misc]
        """Started whenever Redis was found, stopped whenever it was lost."""

        requires = ("celery.worker.consumer.tasks:Tasks",)
        _started = False

        def start(self, consumer: Any) -> None:
            self._started = True
            heart.beat()
            consumer.timer.call_repeatedly(_BEAT_SECONDS, heart.beat)  # Celery cancels it when Redis is lost

        def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            if self._started:
                heart.wait(_REDIS_AWAY_SECONDS)

    app.steps["consumer"].add(Liveness)
