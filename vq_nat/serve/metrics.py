"""Figures of the running service, in Prometheus' text format."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
SENTENCES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The service's own figures, and those of its process.

    Args:
        waiting: tells how many sentences wait.
    """

    def __init__(self, waiting: Callable[[], float] = lambda: 0) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "vq_nat_requests",
            "Requests that were answered.",
            ("path", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "vq_nat_request_seconds",
            "From a request's arrival to its answer.",
            ("path",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_sentences = Histogram(
            "vq_nat_batch_sentences",
            "Sentences that were decoded together.",
            buckets=SENTENCES,
            registry=self.registry,
        )
        self.decode_seconds = Histogram(
            "vq_nat_decode_seconds",
            "Decoding of a batch.",
            buckets=SECONDS,
            registry=self.registry,
        )
        queue = Gauge(
            "vq_nat_queue_sentences",
            "Sentences that wait to be decoded.",
            registry=self.registry,
        )
        queue.set_function(waiting)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self.requests.labels(path, str(status)).inc()
        self.request_seconds.labels(path).observe(seconds)

    def decoded(self, sentences: int, seconds: float) -> None:
        """Counts a batch."""
        self.batch_sentences.observe(sentences)
        self.decode_seconds.observe(seconds)

    def text(self) -> bytes:
        """Returns all figures as Prometheus reads them."""
        return generate_latest(self.registry)
