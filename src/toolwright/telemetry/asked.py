"""The `OTEL_…` variables go in; which exporters they name, and whether they let content be sent, comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "OTEL_"
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WITH_CONTENT = ("true", "1", "span_only", "span_and_event")
_BY_PROTOCOL = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The exporters of each signal, by the names under which the SDK's plugins are registered."""

    traces: tuple[str, ...]
    metrics: tuple[str, ...]
    content: bool = False


def asked(environment: Mapping[str, str]) -> Asked | None:
    """What *environment* asks for; None where it asks for nothing, or says `OTEL_SDK_DISABLED=true`.

    A signal is asked for by the name of its exporter or by an address: that `OTEL_SERVICE_NAME` is set says nothing of
    where to send.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    traces, metrics = _exporters(environment, "TRACES"), _exporters(environment, "METRICS")
    if not traces and not metrics:
        return None
    return Asked(traces, metrics, environment.get(_CONTENT, "").strip().lower() in _WITH_CONTENT)


def _exporters(environment: Mapping[str, str], signal: str) -> tuple[str, ...]:
    said = environment.get(f"OTEL_{signal}_EXPORTER", "").strip()
    if not said and (environment.get(_ENDPOINT) or environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")):
        said = "otlp"
    names = [name.strip() for name in said.split(",") if name.strip().lower() not in ("", "none")]
    return tuple(_plugin(environment, signal, name) for name in names)


def _plugin(environment: Mapping[str, str], signal: str, name: str) -> str:
    if name != "otlp":
        return name
    spoken = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    spoken = (spoken or "http/protobuf").strip()
    return _BY_PROTOCOL.get(spoken, f"otlp over {spoken}")
