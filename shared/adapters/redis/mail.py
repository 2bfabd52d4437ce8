"""Questions of workers to a job's leader, and its answers: Redis lists, bounded and expiring, lossy by nature."""

from __future__ import annotations

import redis

from shared.adapters.redis import keys
from shared.adapters.redis.client import translated
from shared.errors import Unavailable
from shared.model.orders import Answer, Question, decode, encode

#: A leader that is away finds at most this many questions; older ones are forgotten, since their askers gave up.
_QUESTIONS_MAX = 10_000

_EXPIRE_SECONDS = 60

_BATCH = 500

_NEWER = "A newer headrace may have written it: update this snapshot worker."


class LeaderMail:
    """The leader's side. Raises Unavailable."""

    def __init__(self, client: redis.Redis, job: str) -> None:
        self._client = client
        self._questions = keys.questions(job)

    def wait(self, seconds: int) -> Question | None:
        """The next question; waits for it. For a thread of its own, with a client of its own."""
        with translated(self._client, "waiting for questions"):
            found = self._client.blpop([self._questions], timeout=seconds)
        return _question(found[1]) if found else None

    def receive(self) -> list[Question]:
        """The questions that have arrived."""
        with translated(self._client, "taking questions"):
            found = self._client.lpop(self._questions, _BATCH)
        batch = found if isinstance(found, list) else []
        return [question for data in batch if (question := _question(data))]

    def answer(self, answer: Answer) -> None:
        """Sends an answer to the attempt that it names."""
        key = keys.answers(answer.attempt)
        with translated(self._client, "answering"):
            pipeline = self._client.pipeline()
            pipeline.rpush(key, encode(answer))
            pipeline.expire(key, _EXPIRE_SECONDS)
            pipeline.execute()


class WorkerMail:
    """A worker's side. Raises Unavailable."""

    def __init__(self, client: redis.Redis, job: str) -> None:
        self._client = client
        self._questions = keys.questions(job)

    def ask(self, question: Question) -> None:
        """Sends a question or a report."""
        with translated(self._client, "asking the leader"):
            pipeline = self._client.pipeline()
            pipeline.rpush(self._questions, encode(question))
            pipeline.ltrim(self._questions, -_QUESTIONS_MAX, -1)
            pipeline.expire(self._questions, _EXPIRE_SECONDS)
            pipeline.execute()

    def wait(self, attempt: str, seconds: float) -> Answer | None:
        """The leader's answer to this attempt; waits for it. Unavailable, too, when it is none that we can read."""
        with translated(self._client, "waiting for the leader"):
            found = self._client.blpop([keys.answers(attempt)], timeout=seconds)
        if not found:
            return None
        try:
            message = decode(_bytes(found[1]))
        except ValueError as error:
            raise Unavailable(f"The leader's answer is not readable: {error}.", _NEWER) from None
        return message if isinstance(message, Answer) else None


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _question(data: bytes | str) -> Question | None:
    try:
        message = decode(_bytes(data))
    except ValueError:
        return None  # a newer worker's message: its asker waits in vain and gives up
    return message if isinstance(message, Question) else None
