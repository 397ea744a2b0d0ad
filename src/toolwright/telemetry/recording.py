"""Telemetry that is on: spans and measurements go in, to OpenTelemetry's tracer and meter they go, without secrets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.trace import Span as RawSpan
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from toolwright.masking import without_known
from toolwright.telemetry.instruments import INSTRUMENTS, Instrument
from toolwright.telemetry.quiet import Attribute, Attributes, Span, Telemetry

Shown = Callable[[Any], Any]
"""A value of JSON, without what must not be seen."""


class Recording(Telemetry):
    """Hands everything to *tracer* and *meter*; each text as *shown* leaves it."""

    on = True

    def __init__(self, tracer: Tracer, meter: Meter, shown: Shown, content: bool) -> None:
        self.content = content
        self._tracer, self._shown = tracer, shown
        self._instruments = {name: _made(meter, name, one) for name, one in INSTRUMENTS.items()}

    @contextmanager
    def span(self, name: str, attributes: Attributes | None = None, *, client: bool = False) -> Iterator[Span]:
        """See Telemetry."""
        # What an exception says may hold values: its class is all that is noted.
        with self._tracer.start_as_current_span(
            self._text(name),
            kind=SpanKind.CLIENT if client else SpanKind.INTERNAL,
            attributes=self.clean(attributes or {}),
            record_exception=False,
            set_status_on_exception=False,
        ) as raw:
            span = _Recorded(raw, self)
            try:
                yield span
            except BaseException as error:
                span.failed(type(error).__name__)
                raise

    def measure(self, name: str, amount: float, attributes: Attributes) -> None:
        """See Telemetry."""
        instrument = self._instruments[name]
        if isinstance(instrument, Counter):
            instrument.add(amount, self.clean(attributes))
        else:
            instrument.record(amount, self.clean(attributes))

    def clean(self, attributes: Attributes) -> dict[str, Any]:
        """*attributes* as they may be seen, without those that are None."""
        return {key: self._cleaned(value) for key, value in attributes.items() if value is not None}

    def as_json(self, value: Any) -> str:
        """*value* in JSON, as it may be seen."""
        return json.dumps(_each_text(self._shown(value)), ensure_ascii=False, default=str)

    def _cleaned(self, value: Attribute) -> Any:
        if isinstance(value, str):
            return self._text(value)
        return value if isinstance(value, (int, float)) or value is None else [self._text(one) for one in value]

    def _text(self, text: str) -> str:
        return without_known(str(self._shown(text)))


class _Recorded(Span):
    def __init__(self, raw: RawSpan, telemetry: Recording) -> None:
        self._raw, self._telemetry = raw, telemetry
        self._began, self._error = time.monotonic(), ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def set(self, attributes: Attributes) -> None:
        self._raw.set_attributes(self._telemetry.clean(attributes))

    def content(self, contents: Mapping[str, Any]) -> None:
        if self._telemetry.content:
            self._raw.set_attributes({key: self._telemetry.as_json(value) for key, value in contents.items()})

    def failed(self, kind: str) -> None:
        if not self._error:
            self._error = kind
            self._raw.set_attributes(self._telemetry.clean({"error.type": kind}))
            self._raw.set_status(StatusCode.ERROR)


def _made(meter: Meter, name: str, one: Instrument) -> Counter | Histogram:
    if not one.bounds:
        return meter.create_counter(name, one.unit, one.says)
    return meter.create_histogram(name, one.unit, one.says, explicit_bucket_boundaries_advisory=one.bounds)


def _each_text(value: Any) -> Any:
    if isinstance(value, str):
        return without_known(value)
    if isinstance(value, Mapping):
        return {without_known(str(key)): _each_text(item) for key, item in value.items()}
    return [_each_text(item) for item in value] if isinstance(value, (list, tuple)) else value
