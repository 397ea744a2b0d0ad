"""What happens goes in, OpenTelemetry's spans and metrics come out, if variables that begin with `OTEL_` ask for it."""

from toolwright.telemetry.names import kind_of, provider_name, server_of
from toolwright.telemetry.opening import end, telemetry_of
from toolwright.telemetry.quiet import OFF, Attributes, Span, Telemetry

__all__ = ["OFF", "Attributes", "Span", "Telemetry", "end", "kind_of", "provider_name", "server_of", "telemetry_of"]
