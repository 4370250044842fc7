"""An embedded broker that speaks the Kafka protocol on a real socket, for the demo and for tests. Never for money.

It is the mock cluster inside librdkafka, which confluent-kafka ships as a wheel; any Kafka client connects unchanged.
What it cannot do is why it stays out of production: everything is in memory, a partition keeps about its last 5 MB
(older records vanish even when unread), a group has one member, a member that leaves blocks its group for the session
timeout less a second, time-stamps are invented, and unknown topics come into being at their first mention.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

_PRODUCER: Final = 0  # rd_kafka_type_t; the handle only lends its threads to the cluster
_BROKER_ID: Final = 1
_REPLICATION: Final = 1
_PARTITIONS_MAX: Final = 64  # about 5 MB each
_ERROR_TEXT_MAX_BYTES: Final = 512
_BETWEEN_CALLS_S: Final = 0.002  # a call on the heels of another can miss the cluster's wake-up and last a whole second
_POINTER = ctypes.c_void_p

_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_set_log_cb": (None, (_POINTER, _POINTER)),
    "rd_kafka_new": (_POINTER, (ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t)),
    "rd_kafka_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_new": (_POINTER, (_POINTER, ctypes.c_int)),
    "rd_kafka_mock_cluster_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, (_POINTER,)),
    "rd_kafka_mock_topic_create": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int)),
    "rd_kafka_mock_topic_set_error": (None, (_POINTER, ctypes.c_char_p, ctypes.c_int)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (_POINTER, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, (_POINTER, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, (_POINTER, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, (_POINTER, ctypes.c_int32, ctypes.c_int)),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        (_POINTER, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)),
    ),
}


class EmbeddedBrokerError(Exception):
    """The embedded broker could not be started or told what to do."""


class EmbeddedBroker:
    """One broker on 127.0.0.1 with the declared topics (name to number of partitions).

    Starting takes milliseconds and needs no event loop. The faults below exist for tests and for showing outages.
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        if any(not 1 <= partitions <= _PARTITIONS_MAX for partitions in topics.values()):
            raise ValueError(f"a topic has 1 to {_PARTITIONS_MAX} partitions")  # librdkafka would abort the process
        self._topics = dict(topics)
        self._library: ctypes.CDLL | None = None
        self._handle: int | None = None
        self._cluster: int | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for any Kafka client."""
        address: bytes = self._call("rd_kafka_mock_cluster_bootstraps")
        return address.decode("ascii")

    def start(self) -> None:
        """Open the socket and create the topics.

        Raises:
            EmbeddedBrokerError: librdkafka refuses.
        """
        library = self._library = _load()
        configuration = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set_log_cb(configuration, None)  # it would warn on stderr that it has no other broker
        text = ctypes.create_string_buffer(_ERROR_TEXT_MAX_BYTES)
        self._handle = library.rd_kafka_new(_PRODUCER, configuration, text, _ERROR_TEXT_MAX_BYTES)
        if not self._handle:
            raise EmbeddedBrokerError(text.value.decode())
        self._cluster = library.rd_kafka_mock_cluster_new(self._handle, 1)
        if not self._cluster:
            raise EmbeddedBrokerError("librdkafka opened no mock cluster")
        self._call("rd_kafka_mock_group_initial_rebalance_delay_ms", 0)  # one member a group: nobody to wait for
        for name, partitions in self._topics.items():
            self._check("rd_kafka_mock_topic_create", name.encode(), partitions, _REPLICATION)

    def close(self) -> None:
        """Close the socket and forget everything. Harmless when not started."""
        library, cluster, handle = self._library, self._cluster, self._handle
        self._cluster = self._handle = None
        time.sleep(_BETWEEN_CALLS_S)
        if library is not None and cluster:
            library.rd_kafka_mock_cluster_destroy(cluster)
        if library is not None and handle:
            library.rd_kafka_destroy(handle)

    def set_down(self) -> None:
        """Cut all connections and accept none, keeping the records."""
        self._check("rd_kafka_mock_broker_set_down", _BROKER_ID)

    def set_up(self) -> None:
        """Accept connections again."""
        self._check("rd_kafka_mock_broker_set_up", _BROKER_ID)

    def set_delay_ms(self, delay_ms: int) -> None:
        """Answer every request so much later."""
        self._check("rd_kafka_mock_broker_set_rtt", _BROKER_ID, delay_ms)

    def fail_requests(self, api_key: int, *error_codes: int) -> None:
        """Answer the next requests of this kind (0 is Produce) with these Kafka error codes, one each."""
        codes = (ctypes.c_int * len(error_codes))(*error_codes)
        self._call("rd_kafka_mock_push_request_errors_array", api_key, len(error_codes), codes)

    def fail_topic(self, topic: str, error_code: int) -> None:
        """Answer every mention of the topic with this Kafka error code; 0 ends it."""
        self._call("rd_kafka_mock_topic_set_error", topic.encode(), error_code)

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, function: str, *arguments: object) -> Any:
        if self._library is None or not self._cluster:
            raise EmbeddedBrokerError("the embedded broker is not running")
        time.sleep(_BETWEEN_CALLS_S)
        return getattr(self._library, function)(self._cluster, *arguments)

    def _check(self, function: str, *arguments: object) -> None:
        code = self._call(function, *arguments)
        if code:
            raise EmbeddedBrokerError(f"{function} answered {code!r}")


def _load() -> ctypes.CDLL:
    """The functions of librdkafka, found through the extension module that is linked with it."""
    from confluent_kafka import cimpl  # heavy, and only needed where a broker is embedded

    library = ctypes.CDLL(cimpl.__file__)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, list(arguments)
    return library
