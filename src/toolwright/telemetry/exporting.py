"""Names of exporters go in, OpenTelemetry's providers come out: the one place that imports its SDK."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import metrics, trace

from toolwright.masking import Hushed
from toolwright.telemetry.asked import PREFIX, Asked

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

AT_EXIT_S = 3.0
"""How long the end of the program waits for what is still to be sent, whether or not anybody takes it."""
_SILENCE_S = 600.0
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Providers:
    """Where tracers and meters come from."""

    tracer: trace.TracerProvider
    meter: metrics.MeterProvider


def opened(asked: Asked) -> Providers:
    """The providers of *asked*: those that the program has set for itself, else new ones, made once.

    ImportError where the SDK is missing, LookupError for an exporter that is not installed; whatever the SDK raises for
    what it cannot read.
    """
    said = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(PREFIX)))
    with _LOCK:
        if said not in _made():
            # What may be missing or wrong comes first, so that no half of it is left behind.
            tracer, meter = _tracer(asked.traces), _meter(asked.metrics)()
            _made()[said] = Providers(tracer(), meter)
        return _made()[said]


@cache
def _made() -> dict[tuple[tuple[str, str], ...], Providers]:
    return {}


def _tracer(names: Sequence[str]) -> Callable[[], trace.TracerProvider]:
    own = trace.get_tracer_provider()
    if not names:
        return trace.NoOpTracerProvider
    if not _stands_in(own):
        return lambda: own
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporters = [_exporter("opentelemetry_traces_exporter", name) for name in names]

    def new() -> trace.TracerProvider:
        # Never the process's own: what else runs in it may want to set one.
        provider: Any = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        for one in exporters:
            provider.add_span_processor(BatchSpanProcessor(one))
        _end_with_the_program(provider.shutdown)
        return cast("trace.TracerProvider", provider)

    return new


def _meter(names: Sequence[str]) -> Callable[[], metrics.MeterProvider]:
    own = metrics.get_meter_provider()
    if not names:
        return metrics.NoOpMeterProvider
    if not _stands_in(own):
        return lambda: own
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

    exporters = [_exporter("opentelemetry_metrics_exporter", name) for name in names]

    def new() -> metrics.MeterProvider:
        readers = [one if isinstance(one, MetricReader) else PeriodicExportingMetricReader(one) for one in exporters]
        provider: Any = MeterProvider(readers, _resource(), shutdown_on_exit=False)
        _end_with_the_program(provider.shutdown)
        return cast("metrics.MeterProvider", provider)

    return new


def _stands_in(provider: object) -> bool:
    """Whether it is the API's own, which stands there until somebody sets another one."""
    return type(provider).__module__.split(".")[:2] in (["opentelemetry", "trace"], ["opentelemetry", "metrics"])


def _exporter(group: str, name: str) -> Any:
    """What is registered under *name*; the console's writes to standard error: an answer stands on standard output."""
    for found in entry_points(group=group, name=name):
        made = found.load()
        logging.getLogger(made.__module__).addFilter(_Seldom())
        return made(out=sys.stderr) if name == "console" else made()
    raise LookupError(
        f"no exporter of the name {name!r} is installed. `pip install 'toolwright[otel]'` brings otlp over "
        "http/protobuf, and console; others come with packages of their own."
    )


class _Seldom(Hushed):
    """Lets one complaint in a while through: a collector that is dead is dead for each of its tries."""

    def __init__(self) -> None:
        super().__init__()
        self._silent_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._silent_until:
            return False
        self._silent_until = now + _SILENCE_S
        return super().filter(record)


def _resource() -> Resource:
    from opentelemetry.sdk.resources import Resource

    said = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    found = Resource.create(None if said else {"service.name": "toolwright"})
    # The words of a command may be a task.
    kept = {key: value for key, value in found.attributes.items() if not key.startswith("process.command")}
    return Resource(kept, found.schema_url)


def _end_with_the_program(end: Callable[[], object]) -> None:
    """Have *end* called at the end of the program, which waits for it no longer than AT_EXIT_S.

    The thread for it starts now: none can be started while a program ends.
    """
    begin = threading.Event()

    def work() -> None:
        begin.wait()
        with contextlib.suppress(Exception):  # nobody is left to hear of it
            end()

    thread = threading.Thread(target=work, name="toolwright-telemetry", daemon=True)
    thread.start()
    _endings().append((begin, thread))


@cache
def _endings() -> list[tuple[threading.Event, threading.Thread]]:
    atexit.register(end)
    return []


def end(within_s: float = AT_EXIT_S) -> None:
    """Send what is still to be sent, and wait for that no longer than so many seconds. Afterwards nothing is sent."""
    until = time.monotonic() + within_s
    for begin, _ in _endings():
        begin.set()
    for _, thread in _endings():
        thread.join(max(0.0, until - time.monotonic()))
