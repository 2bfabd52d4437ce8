"""Messages into librdkafka's queue by native code: one call for a batch, with the interpreter's lock released.

confluent-kafka's `produce` is called for each message, allocates a state for its report, and takes the interpreter's lock
again when that report comes. What the native codec hands on needs none of this. `native/` is the other half: a plugin of
librdkafka, by which it learns the client that confluent-kafka has made and does not show. Everything but the enqueueing
stays with confluent-kafka: transactions, polling, errors, closing.

Where the plugin was not built, or this librdkafka takes no plugins, `plugin` is None and the sink's own loop does it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from confluent_kafka import cimpl

from shared.model.label import PLAIN, Label

#: The functions of librdkafka that the plugin calls, in its order.
_FUNCTIONS = (
    "rd_kafka_conf_interceptor_add_on_new",
    "rd_kafka_interceptor_add_on_destroy",
    "rd_kafka_topic_new",
    "rd_kafka_topic_destroy",
    "rd_kafka_produce",
    "rd_kafka_last_error",
    "rd_kafka_producev",
    "rd_kafka_headers_new",
    "rd_kafka_header_add",
    "rd_kafka_headers_copy",
    "rd_kafka_headers_destroy",
)
_FEATURES_BYTES = 512


class _Text(ctypes.Structure):
    """Bytes that somebody else keeps."""

    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Added(ctypes.Structure):
    """`Label` as the plugin reads it: names and values of headers take turns."""

    _fields_ = (
        ("key", _Text),
        ("value", _Text),
        ("headers", ctypes.POINTER(_Text)),
        ("count", ctypes.c_size_t),
    )


class Queue:
    """The send queue of one client."""

    def __init__(self, library: ctypes.CDLL, client: int) -> None:
        self._library = library
        self._client = ctypes.c_void_p(client)

    def enqueue(self, topic: str, data: bytes, lengths: bytes, first: int, label: Label = PLAIN) -> tuple[int, int]:
        """Enqueues changes in their order, up to the first that is not taken.

        Args:
            topic: where to.
            data, lengths: the changes, as of `shared.model.change.Packed`.
            first: the number of the change to begin with.
            label: what is added to each.

        Returns:
            How many are enqueued by now, those before `first` included; and librdkafka's error code if not all, else 0.
        """
        error = ctypes.c_int()
        done = self._library.headrace_enqueue_all(
            self._client,
            topic.encode(),
            data,
            len(data),
            lengths,
            len(lengths) // 16,
            first,
            _added(label),
            ctypes.byref(error),
        )
        return done, error.value

    def __del__(self) -> None:
        self._library.headrace_forget(self._client)


class Plugin:
    """The library, in use. `path` is what `plugin.library.paths` of a client must name."""

    def __init__(self, path: str, functions: ctypes.Array[ctypes.c_void_p]) -> None:
        self.path = path
        self._library = ctypes.CDLL(path)
        address, number, length = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
        self._library.headrace_use.argtypes = [address]
        self._library.headrace_use.restype = None
        self._library.headrace_made.restype = address
        self._library.headrace_forget.argtypes = [address]
        self._library.headrace_forget.restype = None
        text = ctypes.c_char_p
        self._library.headrace_enqueue_all.argtypes = [
            address, text, text, length, text, length, length, ctypes.POINTER(_Added), ctypes.POINTER(number)
        ]  # fmt: skip
        self._library.headrace_enqueue_all.restype = length
        self._library.headrace_use(functions)

    def made(self) -> Queue | None:
        """The queue of the client that was made last on this thread with the plugin; None if there was none."""
        client = self._library.headrace_made()
        return Queue(self._library, client) if client else None


@cache
def plugin() -> Plugin | None:
    """The plugin, if it was built and can be used."""
    built = next(iter(sorted(Path(__file__).parent.glob("_enqueue*.so"))), None)
    if built is None:
        return None
    # What is looked up in a library is looked up in those that it links as well: in confluent-kafka's own librdkafka.
    client = ctypes.CDLL(cimpl.__file__)
    try:
        found = [ctypes.cast(getattr(client, name), ctypes.c_void_p) for name in _FUNCTIONS]
        usable = "plugins" in _features(client)
    except AttributeError:  # linked in a way that hides them
        return None
    return Plugin(str(built), (ctypes.c_void_p * len(found))(*(one.value for one in found))) if usable else None


def _added(label: Label) -> _Added | None:
    """The label for the plugin; None where nothing is added."""
    if label == PLAIN:
        return None
    texts = [_text(text) for name, value in label.headers for text in (name.encode(), value)]
    return _Added(_text(label.key), _text(label.value), (_Text * len(texts))(*texts), len(texts) // 2)


def _text(data: bytes) -> _Text:
    return _Text(data, len(data))


def _features(client: ctypes.CDLL) -> list[str]:
    """What this librdkafka was built with."""
    client.rd_kafka_conf_new.restype = ctypes.c_void_p
    conf = ctypes.c_void_p(client.rd_kafka_conf_new())
    text, size = ctypes.create_string_buffer(_FEATURES_BYTES), ctypes.c_size_t(_FEATURES_BYTES)
    client.rd_kafka_conf_get(conf, b"builtin.features", text, ctypes.byref(size))
    client.rd_kafka_conf_destroy(conf)
    return text.value.decode().split(",")
